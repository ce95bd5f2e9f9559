// What reaches V from outside a neuron, for layers whose adjoint needs it before they walk their steps, or walk none.
#import surrogate/surrogate

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    emit_lag: u32,
    // 1 where dL/d count is added
    counts: u32,
    slope: f32,
    scale: f32,
    shape_a: f32,
    shape_b: f32,
    shape_c: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read> potential: array<f32>;
#ifdef SPIKE_GRADIENT
@group(0) @binding(4) var<storage, read> gradient_spikes: array<f32>;
#endif
#ifdef POTENTIAL_GRADIENT
@group(0) @binding(5) var<storage, read> gradient_potential: array<f32>;
#endif

fn plane_at(plane: u32, sample: u32, column: u32) -> u32 {
    return (sample * PLANES + plane) * params.row + column;
}

// sigma'(V_t - theta) (g_t + [t + e < T] dL/d count); 0 for padding.
fn through_spike(t: u32, sample: u32, column: u32) -> f32 {
    let at = (t * params.batch + sample) * params.row + column;
    let theta = constants[CONSTANT_THETA * params.row + column];
    var rho = 0.0;
#ifdef SPIKE_GRADIENT
    rho += gradient_spikes[at];
#endif
    if (params.counts != 0u && t + params.emit_lag < params.steps) {
        rho += planes[plane_at(PLANE_COUNT_GRADIENT, sample, column)];
    }
    return select(0.0, surrogate(potential[at] - theta) * rho, theta < NEVER);
}
