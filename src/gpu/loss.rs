//! `loss`: in one workgroup where there is little to do, else in many and then `finish`.

use super::collapse::{counted, number, recording};
use super::finish::{PARTS, finish};
use super::recorder::{read, write};
use super::window::Window;
use super::{Gpu, Permutation, TREE, trees};
use crate::kernels::{Answer, Criterion, Loss, Recording, Score, Scores};

#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    classes: u32,
    emit_lag: u32,
    criterion: u32,
    score: u32,
    answers: u32,
    stepwise_labels: u32,
    stepwise_targets: u32,
    planes: u32,
    activation: u32,
    gradient: u32,
    slot: u32,
    smoothing: f32,
    tolerance: f32,
    window: Window,
}

/// Scores (classes × samples or steps) that one workgroup takes alone.
const ALONE: usize = 64 * TREE;

/// What a loss stands on, as its shader is compiled for it.
#[derive(Clone, Copy)]
enum Source {
    Samples,
    Potential,
    Spikes,
}

fn permutation(loss: Permutation, source: Source, gradient: bool, value: bool, single: bool) -> Permutation {
    loss.define("SAMPLES", matches!(source, Source::Samples))
        .define("POTENTIAL", matches!(source, Source::Potential))
        .define("GRADIENT", gradient)
        .define("VALUE", value)
        .define("SINGLE", single)
}

pub(super) fn loss(gpu: &mut Gpu, call: Loss<Gpu>) {
    let shape = call.shape;
    let mut params = Params {
        steps: number(shape.steps),
        batch: number(shape.batch),
        row: number(shape.row()),
        units: number(shape.units),
        classes: number(call.classes),
        stepwise_labels: call.stepwise.into(),
        window: call.window.into(),
        ..Params::default()
    };
    params.score = match call.score {
        Score::Plain => 0,
        Score::Negated => 1,
        Score::Reciprocal => 2,
    };
    params.answers = match call.answers {
        None => 0,
        Some(Answer::Largest) => 1,
        Some(Answer::Smallest) => 2,
    };
    match call.criterion {
        Criterion::None => {}
        Criterion::CrossEntropy { smoothing } => (params.criterion, params.smoothing) = (1, smoothing as f32),
        Criterion::NegativeLogLikelihood => params.criterion = 2,
        Criterion::SquaredError { tolerance } => (params.criterion, params.tolerance) = (3, tolerance as f32),
        Criterion::SquaredErrorToTargets { tolerance, stepwise } => {
            (params.criterion, params.tolerance, params.stepwise_targets) = (4, tolerance as f32, stepwise.into());
        }
    }
    let mut bindings = vec![
        read(1, &call.labels.array),
        read(2, &call.lengths.array),
        read(3, &call.coefficients.array),
        read(4, &call.table.array),
    ];
    let (source, cells, with_gradient);
    let mut bytes = false;
    match call.scores {
        Scores::Samples(place, planes) => {
            (source, cells, with_gradient) = (Source::Samples, shape.batch, true);
            (params.planes, params.activation, params.gradient) =
                (number(place.planes), number(place.activation), number(place.gradient));
            bindings.push(write(5, &planes.array));
        }
        Scores::Steps(from, gradient) => {
            let potential = matches!(from, Recording::Potential(_));
            source = if potential { Source::Potential } else { Source::Spikes };
            (cells, with_gradient) = (shape.steps * shape.batch, gradient.is_some());
            bytes = counted(&from);
            let (array, emit_lag) = recording(from);
            params.emit_lag = emit_lag;
            bindings.push(read(5, array));
            if let Some(gradient) = gradient {
                bindings.push(write(6, &gradient.array));
            }
        }
    }
    let single = cells * call.classes <= ALONE;
    let groups = if single { 1 } else { cells.div_ceil(TREE) };
    let work = (64 * cells * shape.row()) as u64;
    let gradient = with_gradient && !matches!(source, Source::Samples);
    let valued = call.metrics.is_some();
    let permutation = permutation(gpu.tree("loss"), source, gradient, valued, single).define("BYTES", bytes);
    let Some((metrics, slot)) = call.metrics else {
        return gpu.dispatch(permutation, &params, &bindings, groups, work);
    };
    if single {
        params.slot = number(slot);
        bindings.push(write(7, &metrics.array));
        return gpu.dispatch(permutation, &params, &bindings, groups, work);
    }
    let Some(parts) = gpu.recorder.scratch(PARTS, 2 * groups) else { return };
    bindings.push(write(7, &parts));
    gpu.dispatch(permutation, &params, &bindings, groups, work);
    finish(gpu, &parts, 2, groups, metrics, slot, true);
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all = Vec::new();
    for (loss, single) in trees("loss").into_iter().flat_map(|loss| [(loss.clone(), false), (loss, true)]) {
        let of = |source, gradient, value| permutation(loss.clone(), source, gradient, value, single);
        all.extend([false, true].map(|value| of(Source::Samples, false, value)));
        for source in [Source::Potential, Source::Spikes] {
            for (gradient, value) in [(false, true), (true, false), (true, true)] {
                all.push(of(source, gradient, value));
                if matches!(source, Source::Spikes) {
                    all.push(of(source, gradient, value).define("BYTES", true));
                }
            }
        }
    }
    all
}
