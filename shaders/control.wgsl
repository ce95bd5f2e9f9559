// From the sums of squares: the scale of the gradient and whether this step is finite (contract: `control`).
#import shared/finite

struct Params {
    first: u32,
    end: u32,
    loss: u32,
    bounded: u32,
    max_norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> metrics: array<f32>;
@group(0) @binding(2) var<storage, read_write> control: array<f32>;

@compute @workgroup_size(1)
fn main() {
    var squares = 0.0;
    // Each number that was read is asked: a compiler that assumes finite arithmetic may take it that a sum is finite.
    var finite = is_finite(metrics[params.loss]);
    for (var i = params.first; i < params.end; i++) {
        squares += metrics[i];
        finite = finite && is_finite(metrics[i]);
    }
    let norm = sqrt(squares);
    var scale = 1.0;
    if (params.bounded != 0u && norm > params.max_norm) {
        scale = params.max_norm / norm;
    }
    control[0] = scale;
    control[1] = select(0.0, 1.0, finite && is_finite(squares));
}
