// Surrogate derivatives c f(k x) (docs/dynamics.md, section 3), finite for every x: arguments are held where f is 0 in
// f32 anyway, because a driver may assume that no number is infinite.
//
// The importing file has `params.slope` and `params.scale`.

fn surrogate(x: f32) -> f32 {
    let size = min(params.slope * min(abs(x), 1e18), 1e18);
#ifdef FAST_SIGMOID
    let d = 1.0 + size;
    let f = select(1.0 / (d * d), 0.0, size >= 1e18);
#endif
#ifdef SIGMOID
    let e = exp(-min(size, 87.0));
    let f = select(4.0 * e / ((1.0 + e) * (1.0 + e)), 0.0, size >= 87.0);
#endif
#ifdef TRIANGLE
    let f = max(0.0, 1.0 - size);
#endif
#ifdef EXPONENTIAL
    let f = select(exp(-min(size, 87.0)), 0.0, size >= 87.0);
#endif
#ifdef ATAN
    let y = 1.57079633 * size;
    let f = select(1.0 / fma(y, y, 1.0), 0.0, size >= 1e18);
#endif
#ifdef BOXCAR
    let f = select(0.0, 1.0, size < 0.5);
#endif
#ifdef GAUSSIAN
    let f = select(exp(-min(size * size, 87.0)), 0.0, size >= 9.4);
#endif
#ifdef STRAIGHT_THROUGH
    let f = 1.0;
#endif
    return params.scale * f;
}
