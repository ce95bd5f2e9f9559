// The adjoint of a recurrent layer over many steps in one dispatch (contract: `Backward`, form Resident): a workgroup
// owns TILE samples and all neurons, PER neurons for each invocation.
//
// chi of the last steps lives in SLOTS = recurrent lag + 1 rotating arrays: step t reads t + lag and writes t, never the
// same, so one barrier a step is enough. A row of R^T is read once for all samples of the tile, neighbouring invocations
// reading neighbouring entries.
#import neuron/lif_constants
#import surrogate/surrogate
#import neuron/adjoint
#import neuron/backward

@group(0) @binding(8) var<storage, read> transposed: array<f32>;

const ARRAY = TILE * ROW;
var<workgroup> recent: array<f32, SLOTS * ARRAY>;

// Column k of this invocation. One past the row stands in for the last, so that its loads stay inside.
fn column_of(k: u32, local: u32) -> u32 {
    return min(k * SIZE + local, ROW - 1u);
}

// Cell i = sample * PER + neuron of this invocation; one that does not exist stands in for the last.
fn owned(i: u32, first_sample: u32, local: u32) -> Cell {
    return Cell(min(first_sample + i / PER, params.batch - 1u), column_of(i % PER, local));
}

fn is_owned(i: u32, first_sample: u32, local: u32) -> bool {
    return first_sample + i / PER < params.batch && (i % PER) * SIZE + local < ROW;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_sample = group.x * TILE;
    let lag = SLOTS - 1u;
    var adjoints: array<Adjoint, PER * TILE>;
    for (var i = 0u; i < PER * TILE; i++) {
        adjoints[i] = load_adjoint(owned(i, first_sample, local));
    }
    // chi of the steps after the range. Entries [sample][neuron].
    for (var i = local; i < ARRAY; i += SIZE) {
        let sample = min(first_sample + i / ROW, params.batch - 1u);
        for (var ahead = 0u; ahead < lag; ahead++) {
            let step = params.end + ahead;
            recent[(step % SLOTS) * ARRAY + i] = chi[(step * params.batch + sample) * ROW + i % ROW];
        }
    }
    workgroupBarrier();
    for (var t = params.end; t > params.begin; t--) {
        let step = t - 1u;
        let now = (step % SLOTS) * ARRAY;
        let source = ((step + lag) % SLOTS) * ARRAY;
        var feedback = array<f32, PER * TILE>();
        // Rows past the units are 0 in R^T and in chi: four rows at a time need no check.
        for (var k = 0u; k < params.units; k += 4u) {
            for (var n = 0u; n < PER; n++) {
                let base = k * ROW + column_of(n, local);
                let r0 = transposed[base];
                let r1 = transposed[base + ROW];
                let r2 = transposed[base + 2u * ROW];
                let r3 = transposed[base + 3u * ROW];
                for (var s = 0u; s < TILE; s++) {
                    let x = source + s * ROW + k;
                    let i = s * PER + n;
                    feedback[i] = fma(r3, recent[x + 3u], fma(r2, recent[x + 2u], fma(r1, recent[x + 1u], fma(r0, recent[x], feedback[i]))));
                }
            }
        }
        for (var i = 0u; i < PER * TILE; i++) {
            let cell = owned(i, first_sample, local);
            adjoints[i] = adjoint_at(step, cell, constants_of(cell.column), feedback[i], adjoints[i]);
            if (is_owned(i, first_sample, local)) {
                chi[at_step(step, cell)] = adjoints[i].mu;
                recent[now + (i / PER) * ROW + cell.column] = adjoints[i].mu;
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < PER * TILE; i++) {
        if (is_owned(i, first_sample, local)) {
            store_adjoint(owned(i, first_sample, local), adjoints[i]);
        }
    }
}
