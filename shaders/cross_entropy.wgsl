// Softmax cross-entropy on the readout's activations (contract: `CrossEntropy`): one workgroup; each invocation takes
// every SIZE-th sample, and the sums over the samples go through a fixed tree.
#import shared/tree

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    slot: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) local: u32) {
    var loss = 0.0;
    var correct = 0.0;
    for (var sample = local; sample < params.batch; sample += SIZE) {
        let activation = (sample * PLANES + PLANE_ACTIVATION) * params.row;
        let gradient = (sample * PLANES + PLANE_ACTIVATION_GRADIENT) * params.row;
        let label = labels[sample];
        var largest = planes[activation];
        var best = 0u;
        for (var j = 1u; j < params.units; j++) {
            if (planes[activation + j] > largest) {
                largest = planes[activation + j];
                best = j;
            }
        }
        var sum = 0.0;
        for (var j = 0u; j < params.units; j++) {
            sum += exp(planes[activation + j] - largest);
        }
        let scale = 1.0 / (sum * f32(params.batch));
        for (var j = 0u; j < params.units; j++) {
            let target_part = select(0.0, 1.0 / f32(params.batch), j == label);
            planes[gradient + j] = exp(planes[activation + j] - largest) * scale - target_part;
        }
        for (var j = params.units; j < params.row; j++) {
            planes[gradient + j] = 0.0;
        }
        loss += log(sum) - (planes[activation + min(label, params.row - 1u)] - largest);
        correct += select(0.0, 1.0, best == label);
    }
    let losses = tree_sum(loss, local);
    let hits = tree_sum(correct, local);
    if (local == 0u) {
        metrics[params.slot] = losses;
        metrics[params.slot + 1u] = hits;
    }
}
