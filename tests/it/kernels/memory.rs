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

fn check_carry<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let next = Shape { steps: 1 + random.below(5), ..case.shape };
    for kind in [ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes] {
        let [before, after] = [case.shape, next].map(|shape| draw_source(random, kind, shape.units, shape));
        let from = activity(kernels, kind, &before);
        let mut to = activity(kernels, kind, &after);
        kernels.carry(&from, &mut to);
        let mut expected = after.clone();
        for row in [-2, -1] {
            expected.set_step(row, &before.step(before.steps.end + row));
        }
        assert_eq!(read_activity(kernels, "the one after", next, &to), expected, "{kind:?}");
        assert_eq!(read_activity(kernels, "the one before", case.shape, &from), before, "{kind:?}");

        // rows from any one on, the history included
        let first = random.below(HISTORY + next.steps);
        let count = 1 + random.below(HISTORY + next.steps - first);
        let some = draw_source(random, kind, next.units, Shape { steps: count, ..next }).part(0..count as isize, 0);
        write_rows(kernels, kind, first, &some, &mut to);
        for t in some.steps.clone() {
            expected.set_step(t + first as isize - 2, &some.step(t));
        }
        assert_eq!(read_activity(kernels, "rows", next, &to), expected, "{kind:?} from row {first}");
    }
}

on_every_backend!(activities_that_go_on, 12, draw, check_carry);

fn check_copy<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let (count, len) = (random.below(5), random.below(300));
    let mut stretch = || Stretch { first: random.below(50), stride: len + random.below(40) };
    let [from_at, to_at] = [stretch(), stretch()];
    let end = |at: Stretch| at.first + count * at.stride + len + 1;
    let from: Vec<f64> = (0..end(from_at)).map(|_| normal(random)).collect();
    let mut expected: Vec<f64> = (0..end(to_at)).map(|_| normal(random)).collect();
    let (values, mut out) = (array(kernels, &from), array(kernels, &expected));
    kernels.copy(&values, from_at, &mut out, to_at, count, len);
    for i in 0..count {
        let from = &from[from_at.first + i * from_at.stride..][..len];
        expected[to_at.first + i * to_at.stride..][..len].copy_from_slice(from);
    }
    assert_eq!(read(kernels, &out, expected.len()), expected);
    // one stretch that is read again and again
    kernels.copy(&values, Stretch { stride: 0, ..from_at }, &mut out, to_at, count, len);
    for i in 0..count {
        expected[to_at.first + i * to_at.stride..][..len].copy_from_slice(&from[from_at.first..][..len]);
    }
    assert_eq!(read(kernels, &out, expected.len()), expected);
}

on_every_backend!(stretches, 20, draw, check_copy);

fn check_sums<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let len = 1 + random.below(3000);
    let mut drawn = || (0..len + 3).map(|_| normal(random)).collect::<Vec<f64>>();
    let (from, before) = (drawn(), drawn());
    let (values, mut out) = (array(kernels, &from), array(kernels, &before));
    kernels.add(&values, len, &mut out);
    let got = read(kernels, &out, len + 3);
    for at in 0..len + 3 {
        let sum = K::Real::from_f64(before[at] + if at < len { from[at] } else { 0.0 }).to_f64();
        assert_eq!(got[at], sum, "entry {at} of {len}");
    }
}

on_every_backend!(sums, 12, draw, check_sums);

/// Numbers through 16 bits and back.
fn halved<K: Kernels>(kernels: &mut K, numbers: &[f64]) -> Vec<f64> {
    let values = array(kernels, numbers);
    let mut halves = kernels.words("halves", numbers.len() / 2).unwrap();
    let mut back = array(kernels, &vec![STALE; numbers.len() + 2]);
    kernels.halve(&values, numbers.len(), &mut halves);
    kernels.unhalve(&halves, numbers.len(), &mut back);
    let mut back = read(kernels, &back, numbers.len() + 2);
    assert_eq!(back.split_off(numbers.len()), [STALE; 2], "the numbers behind are left alone");
    back
}

fn check_halves<K: Kernels>(kernels: &mut K, case: &Case) {
    // every 16-bit number, the small ones without all their digits too
    let finite = |bits: u32| bits & 0x7c00 != 0x7c00;
    let number = |bits: u32| {
        let (exponent, digits) = ((bits >> 10 & 31) as i32, f64::from(bits & 1023));
        let size = if exponent == 0 { digits } else { (1024.0 + digits) * f64::from(exponent - 1).exp2() };
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        sign * size * f64::from(-24).exp2()
    };
    let exact: Vec<f64> = (0..1 << 16).filter(|&bits| finite(bits)).map(number).collect();
    let back = halved(kernels, &exact);
    for (at, (back, exact)) in back.iter().zip(&exact).enumerate() {
        assert!(back.to_bits() == exact.to_bits(), "number {at}: {back:e}, not {exact:e}");
    }
    // the nearest one of any other, the even one between two
    let random = &mut Random::new(case.seed, 1);
    let drawn: Vec<f64> = (0..2000).map(|_| single(normal(random) * (random.uniform() * 24.0 - 12.0).exp2())).collect();
    for (back, drawn) in halved(kernels, &drawn).iter().zip(&drawn) {
        // small ones have fewer digits
        let most = (drawn.abs() / 2048.0).max(f64::from(-25).exp2());
        assert!((back - drawn).abs() <= most, "{drawn:e} became {back:e}");
    }
    let between = [1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, -1.0 - 1.0 / 2048.0, 2049.0, 2051.0, 1.0 + 1.1 / 2048.0];
    assert_eq!(
        halved(kernels, &between.map(single)),
        [1.0, 1.0 + 1.0 / 512.0, -1.0, 2048.0, 2052.0, 1.0 + 1.0 / 1024.0]
    );
    // what is larger than all, and what is no number
    let large = [65504.0, 65519.0, 65520.0, -1e9, 3e38, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-30];
    let most = 65504.0;
    assert_eq!(halved(kernels, &large), [most, most, most, -most, most, most, -most, 0.0, 0.0, 0.0]);
    let back = halved(kernels, &[1.0, f64::NAN, f64::NAN, -2.0]);
    assert!(back[0] == 1.0 && back[1].is_nan() && back[2].is_nan() && back[3] == -2.0, "{back:?}");
}

on_every_backend!(sixteen_bits, 1, draw, check_halves);

/// The peak is what stood at once, not what was made in all.
fn check_peak<K: Kernels>(kernels: &mut K, _: &Case) {
    let before = kernels.allocated();
    let most = kernels.peak().max(before + 3 * 4000 * size_of::<K::Real>() as u64);
    let first = kernels.values("first", 8000).unwrap();
    let second = kernels.values("second", 4000).unwrap();
    drop(first);
    let third = kernels.values("third", 4000).unwrap();
    assert_eq!(kernels.peak(), most);
    drop((second, third));
    assert_eq!((kernels.allocated(), kernels.peak()), (before, most));
    assert!(kernels.largest_array() > 1 << 20);
}

on_every_backend!(the_peak_of_memory, 1, draw, check_peak);
