//! Two sequences one after the other, the second going on from the first, equal one long sequence.

use super::forward::{Case, draw};
use super::*;
use crate::naive::{self, Grid};
use spikegrad::kernels::*;

fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let Case { shape, model, .. } = *case;
    let steps = shape.steps as isize;
    let long = Shape { steps: 2 * shape.steps, ..shape };
    let random = &mut Random::new(case.seed, 1);
    let layer = draw_layer(random, model, shape.units, case.recurrent);
    let mut drive = draw_drive(random, &layer, long);
    let mut trace = draw_start(random, &layer, long);
    settle(&layer, &mut drive, &mut trace);

    let constants = super::constants(kernels, model, &layer.constants);
    let recurrent = recurrent(kernels, &layer);
    let mut spikes = activity(kernels, ActivityKind::Raster, &trace.spikes.part(-2..steps, -2));
    let mut planes = start(kernels, shape, &trace);
    let mut tape = rows(kernels, shape.units, &vec![STALE; 2 * shape.steps * shape.batch * shape.units]);
    let form = kernels.form(shape, case.recurrent).0;
    for part in 0..2 {
        let from = part * steps;
        if part == 1 {
            kernels.advance(&mut spikes);
            kernels.copy_plane(shape, &mut planes, plane::POTENTIAL, plane::START_POTENTIAL);
            kernels.copy_plane(shape, &mut planes, plane::CURRENT, plane::START_CURRENT);
        }
        let drive = rows(kernels, shape.units, &drive.part(from..from + steps, 0).values);
        kernels.forward(
            &drive,
            Forward {
                model,
                shape,
                window: Window::whole(shape),
                range: 0..shape.steps,
                form,
                constants: &constants,
                recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
                spikes: Some(&mut spikes),
                tape: Some(&mut tape),
                active: None,
                planes: &mut planes,
                reduce: None,
            },
        );
        let tolerance = tolerance::<K>(1e-5);
        let got = read_activity(kernels, "spikes", shape, &spikes);
        assert_spikes("spikes", &got, &trace.spikes.part(from - 2..from + steps, -2));
        let got = read_grid(kernels, "tape", shape, &tape, 0);
        assert_close("V", &got.values, &trace.potential.part(from..from + steps, 0).values, tolerance);
        for (at, values) in [(plane::START_POTENTIAL, &trace.potential), (plane::START_CURRENT, &trace.current)] {
            assert_close("start", &read_plane(kernels, shape, &planes, at), &values.step(from - 1), tolerance);
        }
        // counts with the emit lag look into the history
        let lengths = words(kernels, &vec![shape.steps as u32; shape.batch]);
        kernels.count(Count {
            shape,
            window: Window::whole(shape),
            emit_lag: model.emit_lag,
            spikes: &spikes,
            lengths: &lengths,
            planes: &mut planes,
        });
        let mut expected = Grid::new(-2..steps, shape.batch, shape.units);
        expected.values = trace.spikes.part(from - 2..from + steps, -2).values;
        let got = read_plane(kernels, shape, &planes, plane::COUNT);
        assert_eq!(got, naive::count(&expected, model.emit_lag), "counts of part {part}");
    }
}

fn two_parts(random: &mut Random) -> Case {
    let mut case = draw(random);
    case.model = model(random, true);
    case.shape.steps = one_of(random, &[1, 1, 2, 3, 6]);
    case.recurrent = chance(random, 0.6);
    case.reduce = None;
    case
}

on_every_backend!(second_sequence_goes_on, 40, two_parts, check);
