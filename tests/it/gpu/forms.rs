//! Forms that a kernel has besides another, forced: each equals the naive version, and where bits are promised, the other form.

use crate::kernels::*;
use spikegrad::gpu::{Choice, Gpu, Options, When, adapters};
use spikegrad::kernels::*;
use spikegrad::network::{Surrogate, SurrogateKind};
use spikegrad::spikes::Random;

/// With checked shaders; None, with a word about it, where there is no adapter.
pub fn open(options: Options) -> Option<Gpu> {
    if adapters().is_empty() {
        eprintln!("skipped: no adapter");
        return None;
    }
    Some(Gpu::new(&Choice { adapter: Some(0), options: Options { checked: true, ..options } }).unwrap())
}

fn skipping(skip_silent: When) -> Option<Gpu> {
    open(Options { skip_silent, ..Options::default() })
}

#[test]
fn silent_rows_of_a_recurrent_layer_are_not_missed() {
    let Some(mut gpu) = skipping(When::Always) else { return };
    on_drawn(&mut gpu, 40, forms::silent_recurrent, backward::check);
    on_drawn(&mut gpu, 3, forms::silent_wide, backward::check);
}

#[test]
fn silent_rows_are_not_missed_at_the_floor() {
    let Some(mut gpu) = open(Options { skip_silent: When::Always, ..Options::floor() }) else { return };
    on_drawn(&mut gpu, 3, forms::silent_wide, backward::check);
}

#[test]
fn silent_rows_of_the_layer_above_are_not_missed() {
    let Some(mut gpu) = skipping(When::Always) else { return };
    on_drawn(&mut gpu, 30, forms::silent_below, backward::check_fused);
}

#[test]
fn every_row_is_read_where_that_is_asked_for() {
    let Some(mut gpu) = skipping(When::Never) else { return };
    on_drawn(&mut gpu, 10, forms::silent_recurrent, backward::check);
    on_drawn(&mut gpu, 10, forms::silent_below, backward::check_fused);
}

/// A row of R that is no number, of a neuron whose surrogate derivative is 0: nothing of it reaches the gradient.
#[test]
fn a_silent_row_is_never_read() {
    let run = |gpu: &mut Gpu| {
        let shape = Shape { steps: 4, batch: 2, units: 40 };
        let row = shape.row();
        let surrogate = Surrogate::new(SurrogateKind::Triangle, 2.0);
        let model = Model { reset: spikegrad::network::Reset::None, surrogate, ..super::layer::model(1) };
        let constants = super::layer::constants(gpu, model, shape.units);
        let mut weights = super::layer::drawn(gpu, 2, shape.units, shape.units, 0.1);
        gpu.write(&mut weights, 7 * row, &vec![f32::NAN; shape.units]);
        let mut prepared = gpu.prepared("recurrent", shape.units, shape.units).unwrap();
        gpu.prepare(&weights, shape.units, shape.units, &mut prepared);
        let spikes = gpu.activity("spikes", ActivityKind::Raster, shape).unwrap();
        // θ is 1: all stand near it, neuron 7 far below.
        let mut tape = gpu.values("tape", shape.len(shape.steps)).unwrap();
        gpu.fill(&mut tape, 0..shape.len(shape.steps), 0.9);
        (0..shape.steps * shape.batch).for_each(|at| gpu.fill(&mut tape, at * row + 7..at * row + 8, -1.0));
        let mut planes = gpu.values("planes", shape.batch * plane::PLANES * row).unwrap();
        let mut chi = gpu.values("chi", shape.len(shape.steps + FUTURE)).unwrap();
        let gradient = super::layer::drawn(gpu, 3, shape.steps * shape.batch, shape.units, 1.0);
        gpu.backward(Backward {
            model,
            shape,
            window: Window::whole(shape),
            range: 0..shape.steps,
            form: Form::Resident { tile: 1, quantum: 100 },
            constants: &constants,
            recurrent: Some((&weights, &prepared)),
            spikes: Some(&spikes),
            tape: Some(&tape),
            gradient_spikes: Some(&gradient),
            gradient_potential: None,
            counts: false,
            kicks: None,
            reduce: None,
            planes: &mut planes,
            chi: &mut chi,
        });
        gpu.read(&chi, 0..shape.len(shape.steps)).unwrap()
    };
    let Some(mut gpu) = skipping(When::Always) else { return };
    let chi = run(&mut gpu);
    assert!(chi.iter().all(|value| value.is_finite()) && chi.iter().any(|&value| value != 0.0));
    let Some(mut gpu) = skipping(When::Never) else { return };
    assert!(run(&mut gpu).iter().any(|value| value.is_nan()));
}

/// The same spikes: the tiled product that unpacks them gives the bits of the sum over the active inputs.
#[test]
fn unpacked_spikes_drive_as_listed_ones_do() {
    let forced = |unpack, wide| open(Options { unpack, wide, ..Options::default() });
    let Some(mut listed) = forced(When::Never, When::Never) else { return };
    let mut tiled = [When::Never, When::Always].map(|wide| forced(When::Always, wide).unwrap());
    for seed in 0..20 {
        let random = &mut Random::new(seed, 3);
        let mut case = drive::draw(random);
        (case.projection, case.kind) =
            (Projection::Dense, one_of(random, &[ActivityKind::Raster, ActivityKind::Bytes]));
        println!("case {seed}: {case:?}");
        let expected = drive::run(&mut listed, &case);
        for gpu in &mut tiled {
            drive::check(gpu, &case);
            assert_eq!(drive::run(gpu, &case), expected);
        }
    }
}

/// The tile of a product changes no bit of it.
#[test]
fn wide_tiles_give_the_bits_of_small_ones() {
    let forced = |wide| open(Options { wide, ..Options::default() });
    let (Some(mut small), Some(mut wide)) = (forced(When::Never), forced(When::Always)) else { return };
    for seed in 0..14 {
        let random = &mut Random::new(seed, 4);
        let mut case = if seed % 7 == 6 { drive::many_rows(random) } else { drive::draw(random) };
        (case.projection, case.kind) =
            (Projection::Dense, one_of(random, &[ActivityKind::Values, ActivityKind::Bytes]));
        println!("case {seed}: {case:?}");
        drive::check(&mut wide, &case);
        drive_backward::check(&mut wide, &case);
        weight_gradient::check(&mut wide, &case);
        assert_eq!(drive::run(&mut small, &case), drive::run(&mut wide, &case));
        assert_eq!(weight_gradient::run(&mut small, &case), weight_gradient::run(&mut wide, &case));
    }
}

/// Whether spikes are unpacked is counted in the first data that a source is given, and kept.
#[test]
fn an_active_source_is_unpacked_and_a_quiet_one_is_not() {
    let shape = Shape { steps: 2, batch: 3, units: 64 };
    let pipelines = |first: u32, later: u32| {
        let mut gpu = open(Options { fuse: usize::MAX, ..Options::default() })?;
        let gpu = &mut gpu;
        let constants = super::layer::constants(gpu, super::layer::model(1), shape.units);
        let weights = super::layer::drawn(gpu, 1, 64, shape.units, 1.0);
        let mut source = gpu.activity("input", ActivityKind::Raster, shape).unwrap();
        let mut out = gpu.values("drive", shape.len(shape.steps)).unwrap();
        gpu.read(&out, 0..1).unwrap();
        let before = gpu.created().pipelines;
        for word in [first, later] {
            gpu.write_activity(&mut source, HISTORY, ActivityData::Raster(&[word; 12]));
            gpu.drive(Drive {
                projection: Projection::Dense,
                inputs: 64,
                shape,
                range: 0..shape.steps,
                source: &source,
                lag: 0,
                weights: &weights,
                constants: &constants,
                out: &mut out,
            });
        }
        gpu.read(&out, 0..1).unwrap();
        Some((gpu.created().pipelines - before, gpu.unpacks(&source)))
    };
    let Some(active) = pipelines(0xffff, 1) else { return };
    assert_eq!(active, (1, true));
    assert_eq!(pipelines(1, 0xffff), Some((1, false)));
}
