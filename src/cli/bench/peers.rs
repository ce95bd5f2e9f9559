//! Public libraries on the same workloads, in turn with the engine: `benches/peers/peers.py`.

use super::process::foreign;
use super::step::{Measured, Times};
use super::workload::Surrogates;
use crate::cli::say;
use serde::Serialize;
use serde_json::Value;
use spikegrad::io::write_whole;
use spikegrad::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The script, so that the program finds it wherever it is.
const SCRIPT: &str = include_str!("../../../benches/peers/peers.py");
/// A library and what it imports.
const KNOWN: [(&str, &str); 13] = [
    ("torch-fused", "torch"),
    ("torch", "torch"),
    ("snntorch", "snntorch"),
    ("spikingjelly", "spikingjelly.activation_based"),
    ("norse", "norse.torch"),
    ("sinabs", "sinabs"),
    ("spyx", "spyx.nn"),
    ("spytorch", "torch"),
    ("torch-compile", "torch"),
    ("torch-fused-compile", "torch"),
    ("torch-fused-graph", "torch"),
    ("snntorch-compile", "snntorch"),
    ("norse-compile", "norse.torch"),
];
/// How many of them are taken where nobody chooses.
const USUAL: usize = 7;
/// The longest that a library may take for its imports and steps.
const MOST: Duration = Duration::from_secs(240);

/// Share of the machine for other processes above which a comparison says so.
const BUSY: f64 = 0.05;

/// A library, and the interpreter that has it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    python: PathBuf,
}

/// The libraries, and the script while this lives.
pub struct Peers {
    pub all: Vec<Peer>,
    script: PathBuf,
}

impl Drop for Peers {
    fn drop(&mut self) {
        // A file among the temporary ones that stays behind does no harm.
        let _ = std::fs::remove_file(&self.script);
    }
}

/// One measurement of a library between two of the engine.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    pub workload: String,
    pub peer: String,
    pub round: usize,
    /// Milliseconds of a step of the engine with each surrogate, measured just before.
    pub ours: Vec<(Surrogates, f64)>,
    /// Share of the machine that other processes took meanwhile.
    pub other_load: Option<f64>,
    /// What the script printed.
    pub raw: Option<Value>,
    pub error: Option<String>,
}

impl Pair {
    fn step_ms(&self) -> Option<f64> {
        self.raw.as_ref()?.get("step_ms")?.as_f64()
    }
}

/// How a library compares.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    pub workload: String,
    /// Its name, or `fastest`: that of the fastest one.
    pub peer: String,
    pub step_ms: Times,
    /// Growth of its process over model and data, MiB.
    pub memory_mib: Option<f64>,
    /// Its time over the engine's with each surrogate: the median over the rounds.
    pub ratios: Vec<(Surrogates, f64)>,
}

impl Peers {
    /// Those of `names` (where there are none: the usual ones) that an interpreter has.
    ///
    /// # Errors
    /// [`Error::Input`] where an interpreter does not run, or where a library that was asked for is in none of them.
    pub fn find(pythons: &[PathBuf], names: &[String]) -> Result<Peers> {
        for name in names {
            if !KNOWN.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
                return Err(Error::Input(format!("unknown library {name}: {}", known.join(", "))));
            }
        }
        let mut found: Vec<(&Path, Vec<String>)> = Vec::new();
        for python in pythons {
            found.push((python, modules(python)?));
        }
        let mut all = Vec::new();
        for (name, module) in KNOWN.iter().enumerate().filter_map(|(at, known)| match names.is_empty() {
            true => (at < USUAL).then_some(*known),
            false => names.iter().any(|name| name == known.0).then_some(*known),
        }) {
            match found.iter().find(|(_, modules)| modules.iter().any(|own| own == module)) {
                Some((python, _)) => all.push(Peer { name: name.into(), python: python.to_path_buf() }),
                None if names.is_empty() => {}
                None => {
                    return Err(Error::Input(format!("{name} cannot be imported: --vs needs a Python that has it")));
                }
            }
        }
        if all.is_empty() {
            return Err(Error::Input("none of the libraries can be imported (see benches/peers)".into()));
        }
        let script = std::env::temp_dir().join(format!("spikegrad-peers-{}.py", std::process::id()));
        write_whole(&script, SCRIPT.as_bytes())?;
        Ok(Peers { all, script })
    }

    /// One measurement of a library.
    pub fn measure(
        &self,
        peer: &Peer,
        workload: &str,
        ours: &Measured,
        quick: bool,
    ) -> std::result::Result<Value, String> {
        let device = if ours.device.starts_with("gpu") { "cuda" } else { "cpu" };
        let threads = ours.threads.to_string();
        let (budget, least) = if quick { ("1", "1") } else { ("4", "3") };
        let mut command = Command::new(&peer.python);
        command.arg(&self.script).args(["--lib", &peer.name, "--workload", workload, "--device", device]);
        command.args(["--threads", &threads, "--budget-s", budget, "--min-reps", least, "--no-check"]);
        let said = foreign(command.env("OMP_NUM_THREADS", &threads), MOST)?;
        let line = said.lines().rev().find(|line| line.starts_with('{')).ok_or("it printed no numbers")?;
        serde_json::from_str(line).map_err(|error| format!("its numbers cannot be read: {error}"))
    }
}

/// Those of the modules that an interpreter can import.
fn modules(python: &Path) -> Result<Vec<String>> {
    let mut names: Vec<&str> = KNOWN.iter().map(|(_, module)| *module).collect();
    names.sort_unstable();
    names.dedup();
    let script = "import importlib, sys\nfor name in sys.argv[1:]:\n try:\n  importlib.import_module(name)\n  print('has', name)\n except Exception: pass";
    let said = foreign(Command::new(python).args(["-c", script]).args(&names), MOST)
        .map_err(|error| {
            let python = python.display();
            Error::Input(format!(
                "the Python {python}: {error}; --vs names the interpreters of the libraries' environments (benches/peers/README.md)"
            ))
        })?;
    Ok(said.lines().filter_map(|line| line.strip_prefix("has ")).map(str::to_string).collect())
}

/// What the pairs of a workload say: each library, and the fastest one.
pub fn compare(workload: &str, pairs: &[Pair]) -> Vec<Compared> {
    let mut names: Vec<&str> = Vec::new();
    for pair in pairs.iter().filter(|pair| pair.step_ms().is_some()) {
        if !names.contains(&pair.peer.as_str()) {
            names.push(&pair.peer);
        }
    }
    let mut all: Vec<Compared> = names
        .into_iter()
        .map(|name| {
            let own: Vec<&Pair> = pairs.iter().filter(|pair| pair.peer == name && pair.step_ms().is_some()).collect();
            let step = |pair: &&Pair| pair.step_ms().unwrap_or(f64::NAN);
            let surrogates = own[0].ours.iter().map(|(surrogate, _)| *surrogate);
            let ratio = |surrogate: Surrogates| {
                let of_pair = |pair: &&Pair| {
                    let ours = pair.ours.iter().find(|(own, _)| *own == surrogate);
                    ours.map(|(_, ours)| step(pair) / ours)
                };
                Times::of(own.iter().filter_map(of_pair).collect()).median
            };
            let memory = own.iter().filter_map(|pair| pair.raw.as_ref()?.get("delta_mb")?.as_f64()).reduce(f64::max);
            Compared {
                workload: workload.into(),
                peer: name.into(),
                step_ms: Times::of(own.iter().map(step).collect()),
                memory_mib: memory,
                ratios: surrogates.map(|surrogate| (surrogate, ratio(surrogate))).collect(),
            }
        })
        .collect();
    all.sort_by(|one, other| one.step_ms.median.total_cmp(&other.step_ms.median));
    if let Some(fastest) = all.first() {
        all.push(Compared { peer: format!("fastest ({})", fastest.peer), ..fastest.clone() });
    }
    all
}

/// Prints what [`compare`] found, and what failed.
pub fn print(compared: &[Compared], pairs: &[Pair]) {
    let Some(first) = compared.first() else { return };
    let columns: Vec<String> =
        first.ratios.iter().map(|(own, _)| format!("{:>12}", format!("× {}", own.name()))).collect();
    say(&format!(
        "  {:<24} {:>12} {:>18} {} {:>12}",
        "library",
        "step",
        "(least to most)",
        columns.join(" "),
        "memory"
    ));
    for Compared { peer, step_ms, memory_mib, ratios, .. } in compared {
        let ratios: Vec<String> = ratios.iter().map(|(_, ratio)| format!("{ratio:>12.2}")).collect();
        let step = format!("{:.1} ms", step_ms.median);
        let range = format!("({:.1} to {:.1})", step_ms.min, step_ms.max);
        let memory = memory_mib.map_or("-".into(), |memory| format!("{memory:.0} MiB"));
        say(&format!("  {peer:<24} {step:>12} {range:>18} {} {memory:>12}", ratios.join(" ")));
    }
    let load = pairs.iter().filter_map(|pair| pair.other_load).fold(0.0, f64::max);
    if load > BUSY {
        let percent = 100.0 * load;
        say(&format!(
            "  other processes took up to {percent:.0} % of the machine meanwhile: these are figures of a busy machine"
        ));
    }
    for Pair { peer, error, .. } in pairs.iter().filter(|pair| pair.error.is_some()) {
        say(&format!("  {peer:<24} {}", error.as_deref().unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(peer: &str, round: usize, ours: f64, theirs: Option<f64>) -> Pair {
        let raw = theirs.map(|step| serde_json::json!({ "step_ms": step, "delta_mb": 10.0 * step }));
        let error = theirs.is_none().then(|| "no".to_string());
        let ours = vec![(Surrogates::Default, ours), (Surrogates::Compact, ours / 2.0)];
        Pair { workload: "W1".into(), peer: peer.into(), round, ours, other_load: None, raw, error }
    }

    #[test]
    fn ratios_are_those_of_neighbours_in_time() {
        let pairs = [
            pair("slow", 0, 10.0, Some(50.0)),
            pair("fast", 0, 10.0, Some(20.0)),
            // The machine is half as fast from here on.
            pair("slow", 1, 20.0, Some(100.0)),
            pair("fast", 1, 20.0, Some(40.0)),
            pair("broken", 0, 10.0, None),
        ];
        let compared = compare("W1", &pairs);
        let names: Vec<&str> = compared.iter().map(|own| own.peer.as_str()).collect();
        assert_eq!(names, ["fast", "slow", "fastest (fast)"]);
        assert_eq!(compared[0].ratios, [(Surrogates::Default, 2.0), (Surrogates::Compact, 4.0)]);
        assert_eq!(compared[1].ratios[0].1, 5.0);
        assert_eq!(compared[1].memory_mib, Some(1000.0));
        assert!(compare("W1", &pairs[4..]).is_empty());
    }
}
