// The reset forms for snippets (docs/dynamics.md, section 1), and their adjoint. `s` is S_{t-1}, 0 or 1.

fn reset_step(beta: f32, theta: f32, v_reset: f32, v: f32, s: f32, d: f32) -> f32 {
#ifdef SUBTRACT_BEFORE
    return fma(beta, fma(-theta, s, v), d);
#endif
#ifdef SUBTRACT_AFTER
    return fma(-theta, s, fma(beta, v, d));
#endif
#ifdef ZERO_BEFORE
    return fma(beta, select(v, v_reset, s > 0.0), d);
#endif
#ifdef ZERO_AFTER
    return select(fma(beta, v, d), 0.0, s > 0.0);
#endif
#ifdef NO_RESET
    return fma(beta, v, d);
#endif
}

struct ResetAdjoint {
    // dL/dV_{t-1}, dL/dS_{t-1} through the reset, dL/dd, dL/dbeta, dL/dtheta of the theta that is subtracted
    potential: f32,
    spike: f32,
    drive: f32,
    beta: f32,
    theta: f32,
}

fn reset_adjoint(beta: f32, theta: f32, v_reset: f32, v: f32, s: f32, d: f32, g: f32) -> ResetAdjoint {
    var by = ResetAdjoint(beta * g, 0.0, g, v * g, 0.0);
#ifdef SUBTRACT_BEFORE
    by.spike = -(beta * theta) * g;
    by.beta = fma(-theta, s, v) * g;
    by.theta = -(beta * s) * g;
#endif
#ifdef SUBTRACT_AFTER
    by.spike = -theta * g;
    by.theta = -s * g;
#endif
#ifdef ZERO_BEFORE
    by.potential = beta * (1.0 - s) * g;
    by.spike = -(beta * (v - v_reset)) * g;
    by.beta = select(v, v_reset, s > 0.0) * g;
#endif
#ifdef ZERO_AFTER
    by.potential = beta * (1.0 - s) * g;
    by.spike = -fma(beta, v, d) * g;
    by.drive = (1.0 - s) * g;
    by.beta = v * (1.0 - s) * g;
#endif
    return by;
}

// The potential just after the reset, without decay or drive.
fn reset_value(theta: f32, v_reset: f32, v: f32, s: f32) -> f32 {
    var value = v;
#ifdef SUBTRACT_BEFORE
    value = fma(-theta, s, v);
#endif
#ifdef SUBTRACT_AFTER
    value = fma(-theta, s, v);
#endif
#ifdef ZERO_BEFORE
    value = select(v, v_reset, s > 0.0);
#endif
#ifdef ZERO_AFTER
    value = select(v, 0.0, s > 0.0);
#endif
    return value;
}

// Its derivatives by V, S and theta.
fn reset_value_by(theta: f32, v_reset: f32, v: f32, s: f32) -> vec3<f32> {
    var by = vec3(1.0, 0.0, 0.0);
#ifdef SUBTRACT_BEFORE
    by = vec3(1.0, -theta, -s);
#endif
#ifdef SUBTRACT_AFTER
    by = vec3(1.0, -theta, -s);
#endif
#ifdef ZERO_BEFORE
    by = vec3(1.0 - s, v_reset - v, 0.0);
#endif
#ifdef ZERO_AFTER
    by = vec3(1.0 - s, -v, 0.0);
#endif
    return by;
}
