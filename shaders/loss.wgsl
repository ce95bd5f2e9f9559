// One loss of the readout (contract: `Loss`). Each invocation takes samples (SAMPLES) or steps of samples; the sums go
// through a fixed tree.
//
// SINGLE: one workgroup takes all and adds the sums to the metrics. Else each workgroup takes SIZE of them, and `finish`
// adds the parts up. VALUE: the sums are wanted. GRADIENT: of steps, the gradient is.
#import shared/tree
#import shared/grid

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    classes: u32,
    emit_lag: u32,
    // 0 none, 1 cross-entropy, 2 negative log-likelihood, 3 squared error, 4 the same to targets
    criterion: u32,
    // 0 plain, 1 negated, 2 reciprocal
    score: u32,
    // 0 not counted, 1 the largest, 2 the smallest score
    answers: u32,
    // Whether each step has its own label; its own targets.
    stepwise_labels: u32,
    stepwise_targets: u32,
    // Of samples: planes of one, and those of activation and gradient.
    planes: u32,
    activation: u32,
    gradient: u32,
    slot: u32,
    smoothing: f32,
    tolerance: f32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read> coefficients: array<f32>;
// Class weights, or targets.
@group(0) @binding(4) var<storage, read> table: array<f32>;
#ifdef SAMPLES
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;

fn activation_of(t: u32, sample: u32, unit: u32) -> f32 {
    return planes[(sample * params.planes + params.activation) * params.row + unit];
}

fn add_gradient(t: u32, sample: u32, unit: u32, value: f32) {
    planes[(sample * params.planes + params.gradient) * params.row + unit] = value;
}
#else
#import shared/recording

fn activation_of(t: u32, sample: u32, unit: u32) -> f32 {
    return recorded(t - params.window_step, sample - params.window_sample, unit);
}

#ifdef GRADIENT
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;

// The gradient of O_t belongs to row t - e.
fn add_gradient(t: u32, sample: u32, unit: u32, value: f32) {
    let row = t - params.emit_lag - params.window_step;
    gradient[(row * params.batch + sample - params.window_sample) * params.row + unit] += value;
}
#else
fn add_gradient(t: u32, sample: u32, unit: u32, value: f32) {
}
#endif
#endif
#ifdef VALUE
#ifdef SINGLE
@group(0) @binding(7) var<storage, read_write> metrics: array<f32>;
#else
// [2][parts]: values, right answers.
@group(0) @binding(7) var<storage, read_write> parts: array<f32>;
#endif
#endif

const MASKED = 0xffffffffu;

fn score_of(t: u32, sample: u32, class_index: u32) -> f32 {
    let size = params.units / params.classes;
    var sum = 0.0;
    for (var j = 0u; j < size; j++) {
        let a = activation_of(t, sample, class_index * size + j);
        switch params.score {
            case 0u: {
                sum += a;
            }
            case 1u: {
                sum -= a;
            }
            default: {
                sum += 1.0 / (a + 1.0);
            }
        }
    }
    return sum;
}

// From dL/d score to the units of the class.
fn store_gradient(t: u32, sample: u32, class_index: u32, value: f32) {
    let size = params.units / params.classes;
    for (var j = 0u; j < size; j++) {
        let unit = class_index * size + j;
        var part = value;
        if (params.score == 1u) {
            part = -value;
        }
        if (params.score == 2u) {
            let a = activation_of(t, sample, unit) + 1.0;
            part = -(value / (a * a));
        }
        add_gradient(t, sample, unit, part);
    }
}

// v l of a step and a sample of the whole batch, and whether the answer is right.
fn measure(t: u32, sample: u32, label: u32) -> vec2<f32> {
    let kappa = coefficients[sample * COEFFICIENTS + COEFFICIENT_GRADIENT];
    var largest = score_of(t, sample, 0u);
    var smallest = largest;
    var best = 0u;
    var first = 0u;
    for (var c = 1u; c < params.classes; c++) {
        let s = score_of(t, sample, c);
        if (s > largest) {
            largest = s;
            best = c;
        }
        if (s < smallest) {
            smallest = s;
            first = c;
        }
    }
    var loss = 0.0;
    switch params.criterion {
        case 1u: {
            let even = params.smoothing / f32(params.classes);
            let sure = (1.0 - params.smoothing) * table[label];
            var sum = 0.0;
            var weight = sure;
            for (var c = 0u; c < params.classes; c++) {
                sum += exp(score_of(t, sample, c) - largest);
                weight += even * table[c];
            }
            let log_sum = log(sum);
            loss = sure * (log_sum - (score_of(t, sample, label) - largest));
            for (var c = 0u; c < params.classes; c++) {
                let above = score_of(t, sample, c) - largest;
                var part = even * table[c];
                if (params.smoothing > 0.0) {
                    loss += part * (log_sum - above);
                }
                if (c == label) {
                    part += sure;
                }
                store_gradient(t, sample, c, (exp(above) / sum * weight - part) * kappa);
            }
        }
        case 2u: {
            loss = -(table[label] * score_of(t, sample, label));
            for (var c = 0u; c < params.classes; c++) {
                store_gradient(t, sample, c, select(0.0, -(kappa * table[label]), c == label));
            }
        }
        case 3u, 4u: {
            var weight = 1.0;
            if (params.criterion == 3u) {
                weight = table[label];
            }
            for (var c = 0u; c < params.classes; c++) {
                var goal = 0.0;
                if (params.criterion == 3u) {
                    let which = select(COEFFICIENT_OFF, COEFFICIENT_ON, c == label);
                    goal = coefficients[sample * COEFFICIENTS + which];
                } else {
                    let row = select(sample, t * params.window_samples + sample, params.stepwise_targets != 0u);
                    goal = table[row * params.classes + c];
                }
                var error = score_of(t, sample, c) - goal;
                if (abs(error) < params.tolerance) {
                    error = 0.0;
                }
                loss += error * error;
                store_gradient(t, sample, c, kappa * weight * (2.0 * error));
            }
            loss *= weight;
        }
        default: {
        }
    }
    var is_right = false;
    if (params.answers == 1u) {
        is_right = best == label;
    }
    if (params.answers == 2u) {
        is_right = first == label;
    }
    return vec2<f32>(coefficients[sample * COEFFICIENTS + COEFFICIENT_VALUE] * loss, select(0.0, 1.0, is_right));
}

// Sample or step number `cell` of the window.
fn measure_cell(cell: u32) -> vec2<f32> {
    let sample = params.window_sample + cell % params.batch;
#ifdef SAMPLES
    // Padding has no gradient.
    if (params.criterion != 0u) {
        for (var unit = params.units; unit < params.row; unit++) {
            add_gradient(0u, sample, unit, 0.0);
        }
    }
    return measure(0u, sample, labels[sample]);
#else
    var t = params.window_step + cell / params.batch;
#ifdef GRADIENT
    t += params.emit_lag;
#endif
    if (t >= lengths[sample]) {
        return vec2<f32>();
    }
    let label = labels[select(sample, t * params.window_samples + sample, params.stepwise_labels != 0u)];
    if (label == MASKED) {
        return vec2<f32>();
    }
    return measure(t, sample, label);
#endif
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
#ifdef SAMPLES
    let cells = params.batch;
#else
    let cells = params.steps * params.batch;
#endif
    var sums = vec2<f32>();
#ifdef SINGLE
    for (var cell = local; cell < cells; cell += SIZE) {
        sums += measure_cell(cell);
    }
#else
    let part = flat_group(group, groups);
    if (part * SIZE + local < cells) {
        sums = measure_cell(part * SIZE + local);
    }
#endif
#ifdef VALUE
    let value = tree_sum(sums.x, lane);
    let count = tree_sum(sums.y, lane);
    if (local == 0u) {
#ifdef SINGLE
        metrics[params.slot] += value;
        metrics[params.slot + 1u] += count;
#else
        // A folded dispatch has groups past the end: they have no part.
        if (part * SIZE < cells) {
            parts[part] = value;
            parts[(cells + SIZE - 1u) / SIZE + part] = count;
        }
#endif
    }
#endif
}
