//! Where the time of a step goes: calls of one kernel, layer and form together, against the limits of the machine.

use super::limits::Limits;
use serde::{Deserialize, Serialize};
use spikegrad::kernels::{Cost, Gather, Profile};

/// The calls of a kernel for a layer in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    pub kernel: String,
    pub layer: Option<usize>,
    pub form: String,
    pub calls: f64,
    pub ms: f64,
    /// What they had to do: see [`Cost`].
    pub bytes: f64,
    pub operations: f64,
    /// Bytes of rows that are added by events, and of the table that they stand in.
    pub gathers: Vec<(f64, f64)>,
}

/// The same with what the machine would take at its limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    #[serde(flatten)]
    pub calls: Calls,
    /// Part of the step.
    pub share: f64,
    /// Time at the limit; None where it is not known.
    pub limit_ms: Option<f64>,
    /// Which limit that is: `copy`, `product` or `gather`.
    pub bound: Option<&'static str>,
    /// Limit over time.
    pub of_limit: Option<f64>,
}

/// What a step does, from a profile of so many; the longest first.
pub fn collect(profile: &Profile, steps: usize) -> Vec<Calls> {
    let mut all: Vec<Calls> = Vec::new();
    let each = 1.0 / steps.max(1) as f64;
    for span in &profile.spans {
        let Cost { form, bytes, operations, gathers } = &span.cost;
        let same = |own: &&mut Calls| own.kernel == span.kernel && own.layer == span.layer && own.form == *form;
        let own = match all.iter_mut().find(same) {
            Some(own) => own,
            None => {
                let (kernel, form) = (span.kernel.to_string(), form.to_string());
                let nothing = Calls {
                    kernel,
                    layer: span.layer,
                    form,
                    calls: 0.0,
                    ms: 0.0,
                    bytes: 0.0,
                    operations: 0.0,
                    gathers: Vec::new(),
                };
                all.push(nothing);
                all.last_mut().expect("just pushed")
            }
        };
        own.calls += 1.0;
        own.ms += 1e3 * span.duration * each;
        own.bytes += bytes * each;
        own.operations += operations * each;
        for Gather { bytes, table } in gathers {
            match own.gathers.iter_mut().find(|(_, own)| own == table) {
                Some((sum, _)) => *sum += bytes * each,
                None => own.gathers.push((bytes * each, *table)),
            }
        }
    }
    all.iter_mut().for_each(|own| own.calls *= each);
    all.sort_by(|one, other| other.ms.total_cmp(&one.ms));
    all
}

/// Holds calls against the limits, where they are known. `step_ms`: all of the step, what is between the calls included.
pub fn judge(calls: &[Calls], step_ms: f64, limits: Option<&Limits>) -> Vec<Judged> {
    let judged = |calls: &Calls| {
        let limit = limits.and_then(|limits| limits.seconds(calls.bytes, calls.operations, &calls.gathers));
        let limit_ms = limit.map(|(seconds, _)| 1e3 * seconds);
        Judged {
            share: calls.ms / step_ms,
            limit_ms,
            bound: limit.map(|(_, bound)| bound),
            of_limit: limit_ms.filter(|_| calls.ms > 0.0).map(|limit| limit / calls.ms),
            calls: calls.clone(),
        }
    };
    calls.iter().map(judged).collect()
}

/// As lines of a table; what takes less than `least` of the step is put together.
pub fn lines(judged: &[Judged], step_ms: f64, least: f64) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<18} {:>5}  {:<10} {:>7} {:>11} {:>7}  {:>10}  {}",
        "kernel", "layer", "form", "calls", "time", "share", "of limit", "limit"
    )];
    let line = |name: &str, layer: &str, form: &str, calls: f64, ms: f64, limit: String| {
        let share = format!("{:.1} %", 100.0 * ms / step_ms);
        let ms = format!("{ms:.3} ms");
        format!("{name:<18} {layer:>5}  {form:<10} {calls:>7.0} {ms:>11} {share:>7}  {limit}")
    };
    let (mut rest, mut ms, mut calls) = (0, 0.0, 0.0);
    for Judged { calls: own, share, bound, of_limit, .. } in judged {
        if *share < least {
            (rest, ms, calls) = (rest + 1, ms + own.ms, calls + own.calls);
            continue;
        }
        let layer = own.layer.map_or("-".into(), |layer| layer.to_string());
        let limit = match (of_limit, bound) {
            (Some(of_limit), Some(bound)) => format!("{:>10}  {bound}", format!("{:.0} %", 100.0 * of_limit)),
            _ => format!("{:>10}  not known", "-"),
        };
        lines.push(line(&own.kernel, &layer, &own.form, own.calls, own.ms, limit));
    }
    if rest > 0 {
        lines.push(line(&format!("{rest} others"), "", "", calls, ms, String::new()).trim_end().to_string());
    }
    let all: f64 = judged.iter().map(|own| own.calls.ms).sum();
    // A device with a clock of its own has nothing between them.
    if step_ms > all * (1.0 + 1e-9) {
        lines.push(line("between the calls", "", "", 0.0, step_ms - all, String::new()).trim_end().to_string());
    }
    lines
}
