//! The gradient norm, and what it lets the update do.

use super::*;
use crate::naive;
use spikegrad::kernels::*;

fn draw(random: &mut Random) -> (u64, usize) {
    (random.bits(), one_of(random, &[1, 32, 100, 1000, 4096, 70_001]))
}

fn check_square_sum<K: Kernels>(kernels: &mut K, &(seed, len): &(u64, usize)) {
    let random = &mut Random::new(seed, 1);
    let values: Vec<f64> = (0..len).map(|_| normal(random)).collect();
    let mut metrics = array(kernels, &[STALE; 3]);
    let mut longer = values.clone();
    longer.extend([STALE; 40]);
    let longer = array(kernels, &longer);
    kernels.square_sum(&longer, len, &mut metrics, 1);
    let got = read(kernels, &metrics, 3);
    assert_close("square sum", &got[1..2], &[naive::square_sum(&values)], tolerance::<K>(1e-5));
    assert_eq!((got[0], got[2]), (STALE, STALE));
}

on_every_backend!(square_sum, 12, draw, check_square_sum);

fn draw_control(random: &mut Random) -> (Vec<f64>, f64, Option<f64>) {
    let squares = (0..1 + random.below(5)).map(|_| between(random, 0.0, 4.0)).collect();
    let bound = [None, Some(0.5), Some(1.5), Some(100.0)];
    let loss = one_of(random, &[0.7, 0.7, f64::NAN, f64::INFINITY]);
    (squares, loss, one_of(random, &bound))
}

fn check_control<K: Kernels>(kernels: &mut K, (squares, loss, max_norm): &(Vec<f64>, f64, Option<f64>)) {
    for broken in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let mut squares = squares.clone();
        let last = squares.len() - 1;
        squares[last] = broken.unwrap_or(squares[last]);
        let mut metrics = vec![*loss, STALE];
        metrics.extend(&squares);
        metrics.push(f64::NAN);
        let metrics = array(kernels, &metrics);
        let mut control = array(kernels, &[STALE; 2]);
        kernels.control(&metrics, 2..2 + squares.len(), 0, *max_norm, &mut control);
        let got = read(kernels, &control, 2);
        let (scale, finite) = naive::control(&squares, *loss, *max_norm);
        assert_eq!(got[1], finite, "finite: squares {squares:?}, loss {loss}");
        if finite == 1.0 {
            assert_close("scale", &got[..1], &[scale], tolerance::<K>(2e-6));
        }
    }
}

on_every_backend!(control, 24, draw_control, check_control);
