//! Arrays, planes and activities: what is written is what is read.

use super::drive::draw_source;
use super::*;
use crate::naive::Grid;
use spikegrad::kernels::*;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    shape: Shape,
}

fn draw(random: &mut Random) -> Case {
    Case { seed: random.bits(), shape: shape(random) }
}

fn check_arrays<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let len = 2 + random.below(3000);
    let mut values = kernels.values("test", len).unwrap();
    let mut expected = vec![0.0; len];
    assert_eq!(read(kernels, &values, len), expected, "a new array is 0");
    for _ in 0..6 {
        let start = random.below(len);
        let end = start + 1 + random.below(len - start);
        if chance(random, 0.5) {
            let data: Vec<f64> = (start..end).map(|_| normal(random)).collect();
            let real: Vec<K::Real> = data.iter().map(|&x| K::Real::from_f64(x)).collect();
            kernels.write(&mut values, start, &real);
            expected[start..end].copy_from_slice(&data);
        } else {
            let value = normal(random);
            kernels.fill(&mut values, start..end, value);
            expected[start..end].fill(value);
        }
        let got: Vec<f64> = kernels.read(&values, start..end).unwrap().into_iter().map(Real::to_f64).collect();
        assert_eq!(got, expected[start..end]);
    }
    assert_eq!(read(kernels, &values, len), expected);
    assert!(kernels.allocated() > 0);
}

on_every_backend!(arrays, 12, draw, check_arrays);

fn check_planes<K: Kernels>(kernels: &mut K, case: &Case) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let (v, i) = (draw_plane(random, shape), draw_plane(random, shape));
    let mut planes = planes(kernels, shape, &[(plane::POTENTIAL, &v), (plane::CURRENT, &i)]);
    kernels.copy_plane(shape, &mut planes, plane::POTENTIAL, plane::START_POTENTIAL);
    kernels.copy_plane(shape, &mut planes, plane::CURRENT, plane::ACTIVATION_GRADIENT);
    assert_eq!(read_plane(kernels, shape, &planes, plane::POTENTIAL), v);
    assert_eq!(read_plane(kernels, shape, &planes, plane::START_POTENTIAL), v);
    assert_eq!(read_plane(kernels, shape, &planes, plane::ACTIVATION_GRADIENT), i);
    kernels.fill_plane(shape, &mut planes, plane::ACTIVATION_GRADIENT, -0.25);
    kernels.fill_plane(shape, &mut planes, plane::POTENTIAL, 0.0);
    let all = read(kernels, &planes, shape.batch * plane::PLANES * shape.row());
    for (b, sample) in all.chunks(plane::PLANES * shape.row()).enumerate() {
        for (at, row) in sample.chunks(shape.row()).enumerate() {
            let expected: Vec<f64> = match at {
                plane::ACTIVATION_GRADIENT => vec![-0.25; shape.row()],
                plane::CURRENT => padded(shape.units, &i[b * shape.units..(b + 1) * shape.units]),
                plane::START_POTENTIAL => padded(shape.units, &v[b * shape.units..(b + 1) * shape.units]),
                _ => vec![0.0; shape.row()],
            };
            assert_eq!(row, expected, "sample {b}, plane {at}");
        }
    }
}

on_every_backend!(sample_planes, 12, draw, check_planes);

fn check_activity<K: Kernels>(kernels: &mut K, case: &Case) {
    let shape = case.shape;
    for kind in [ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes] {
        let random = &mut Random::new(case.seed, 1);
        let empty = kernels.activity("test", kind, shape).unwrap();
        let end = shape.steps as isize;
        assert_eq!(
            read_activity(kernels, "activity", shape, &empty),
            Grid::new(-2..end, shape.batch, shape.units),
            "a new activity is 0"
        );
        let mut grid = draw_source(random, kind, shape.units, shape);
        let mut activity = activity(kernels, kind, &grid);
        assert_eq!(read_activity(kernels, "activity", shape, &activity), grid);

        // new steps leave the history as it is
        let next = draw_source(random, kind, shape.units, shape);
        write_steps(kernels, kind, &next, &mut activity);
        for t in 0..end {
            grid.set_step(t, &next.step(t));
        }
        assert_eq!(read_activity(kernels, "activity", shape, &activity), grid);

        // the last two steps become the history; with T = 1 the newer row of the history is the older of the two
        kernels.advance(&mut activity);
        let history = read_activity(kernels, "activity", shape, &activity);
        for row in [-2, -1] {
            assert_eq!(history.step(row), grid.step(end + row), "{kind:?}: history row {row}");
        }
    }
}

on_every_backend!(activities, 30, draw, check_activity);
