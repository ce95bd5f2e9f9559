// Surrogate derivatives c f(k x) (docs/dynamics.md, section 3), finite for every x: arguments are held where f is 0 in
// f32 anyway, because a driver may assume that no number is infinite.
//
// The importing file has `params.slope`, `params.scale`, and the numbers of the shape `params.shape_a` to `shape_c`.

// e^(-u) for u >= 0.
fn tail(u: f32) -> f32 {
    return select(exp(-min(u, 87.0)), 0.0, u >= 87.0);
}

fn surrogate(x: f32) -> f32 {
    let size = min(params.slope * min(abs(x), 1e18), 1e18);
    let z = select(size, -size, x < 0.0);
#ifdef FAST_SIGMOID
    let d = 1.0 + size;
    let f = select(1.0 / (d * d), 0.0, size >= 1e18);
#endif
#ifdef SIGMOID
    let e = tail(size);
    let f = 4.0 * e / ((1.0 + e) * (1.0 + e));
#endif
#ifdef TRIANGLE
    let f = max(0.0, 1.0 - size);
#endif
#ifdef EXPONENTIAL
    let f = tail(size);
#endif
#ifdef ATAN
    let y = 1.57079633 * size;
    let f = select(1.0 / fma(y, y, 1.0), 0.0, size >= 1e18);
#endif
#ifdef BOXCAR
    let f = select(0.0, 1.0, size < 0.5);
#endif
#ifdef GAUSSIAN
    let f = tail(size * size);
#endif
#ifdef STRAIGHT_THROUGH
    let f = 1.0;
#endif
#ifdef MULTI_GAUSSIAN
    let right = z - 1.0;
    let left = z + 1.0;
    let sides = tail(right * right * params.shape_c) + tail(left * left * params.shape_c);
    let f = params.shape_a * tail(0.5 * size * size) - params.shape_b * sides;
#endif
#ifdef LEAKY_RELU
    let f = select(1.0, params.shape_a, z < 0.0);
#endif
#ifdef TANH
    let e = tail(2.0 * size);
    let f = 4.0 * e / ((1.0 + e) * (1.0 + e));
#endif
#ifdef SPIKE_RATE_ESCAPE
    let f = tail(abs(z - params.shape_a));
#endif
#ifdef SPARSE_FAST_SIGMOID
    let d = 1.0 + size;
    let f = select(0.0, 1.0 / (d * d), size < params.shape_a);
#endif
#ifdef CUSTOM
    let f = custom_surrogate(z);
#endif
    return params.scale * f;
}
