// The adjoint of a recurrent layer over many steps in one dispatch (contract: `Backward`, form Resident): a workgroup
// owns TILE samples and all neurons, PER neurons for each invocation.
//
// A tile is 1, 2 or 4 samples (TILE_1, TILE_2, TILE_4).
//
// chi of the last steps lives in SLOTS = recurrent lag + 1 rotating arrays: step t reads t + lag and writes t, never the
// same, so one barrier a step is enough. A row of R^T is read once for all samples of the tile, neighbouring invocations
// reading neighbouring entries, and one load from workgroup memory brings chi of all samples. HALF: R^T is of 16-bit floats.
#import shared/grid
#import surrogate/surrogate
#import neuron/backward

#ifdef HALF
#import shared/pair
// Two neighbours of a row in a word.
@group(0) @binding(8) var<storage, read> transposed: array<u32>;

fn weight_at(index: u32) -> f32 {
    return of_pair(transposed[index / 2u], index);
}
#else
@group(0) @binding(8) var<storage, read> transposed: array<f32>;

fn weight_at(index: u32) -> f32 {
    return transposed[index];
}
#endif

// A number for each sample of the tile.
#ifdef TILE_1
alias Samples = f32;
#endif
#ifdef TILE_2
alias Samples = vec2<f32>;
#endif
#ifdef TILE_4
alias Samples = vec4<f32>;
#endif

// Entries [slot][neuron]: the invocation of a neuron writes all its samples at once, and one load serves them all.
var<workgroup> recent: array<Samples, SLOTS * ROW>;

fn sample_of(x: Samples, s: u32) -> f32 {
#ifdef TILE_1
    return x;
#else
    return x[s];
#endif
}

fn with_sample(x: Samples, s: u32, value: f32) -> Samples {
#ifdef TILE_1
    return value;
#else
    var y = x;
    y[s] = value;
    return y;
#endif
}

// Column n of this invocation. One past the row stands in for the last, so that its loads stay inside.
fn column_of(n: u32, local: u32) -> u32 {
    return min(n * SIZE + local, ROW - 1u);
}

// Sample s of the tile and column n of this invocation; one that does not exist stands in for the last.
fn owned(s: u32, n: u32, first_sample: u32, local: u32) -> Cell {
    return Cell(min(first_sample + s, params.batch - 1u), column_of(n, local));
}

fn is_owned(s: u32, n: u32, first_sample: u32, local: u32) -> bool {
    return first_sample + s < params.batch && n * SIZE + local < ROW;
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_sample = flat_group(group, groups) * TILE;
    let lag = SLOTS - 1u;
    var adjoints: array<Adjoint, PER * TILE>;
#repeat n PER
#repeat s TILE
    adjoints[n * TILE + s] = load_adjoint(owned(s, n, first_sample, local));
#end
#end
    // chi of the steps after the range.
    for (var column = local; column < ROW; column += SIZE) {
        for (var ahead = 0u; ahead < lag; ahead++) {
            let step = params.end + ahead;
            var x = Samples();
#repeat s TILE
            let sample = min(first_sample + s, params.batch - 1u);
            x = with_sample(x, s, chi[at_step(step, Cell(sample, column))]);
#end
            recent[(step % SLOTS) * ROW + column] = x;
        }
    }
    workgroupBarrier();
    for (var t = params.end; t > params.begin; t--) {
        let step = t - 1u;
        let now = (step % SLOTS) * ROW;
        let source = ((step + lag) % SLOTS) * ROW;
        var feedback = array<Samples, PER>();
        // Rows past the units are 0 in R^T and in chi: eight rows at a time need no check. Eight loads are under way.
        for (var k = 0u; k < params.units; k += 8u) {
            let x0 = recent[source + k];
            let x1 = recent[source + k + 1u];
            let x2 = recent[source + k + 2u];
            let x3 = recent[source + k + 3u];
            let x4 = recent[source + k + 4u];
            let x5 = recent[source + k + 5u];
            let x6 = recent[source + k + 6u];
            let x7 = recent[source + k + 7u];
#repeat n PER
            let base = k * ROW + column_of(n, local);
            let r0 = weight_at(base);
            let r1 = weight_at(base + ROW);
            let r2 = weight_at(base + 2u * ROW);
            let r3 = weight_at(base + 3u * ROW);
            let r4 = weight_at(base + 4u * ROW);
            let r5 = weight_at(base + 5u * ROW);
            let r6 = weight_at(base + 6u * ROW);
            let r7 = weight_at(base + 7u * ROW);
            var sum = feedback[n];
            sum = fma(Samples(r0), x0, sum);
            sum = fma(Samples(r1), x1, sum);
            sum = fma(Samples(r2), x2, sum);
            sum = fma(Samples(r3), x3, sum);
            sum = fma(Samples(r4), x4, sum);
            sum = fma(Samples(r5), x5, sum);
            sum = fma(Samples(r6), x6, sum);
            sum = fma(Samples(r7), x7, sum);
            feedback[n] = sum;
#end
        }
#repeat n PER
        let c = constants_of(column_of(n, local));
        var mine = Samples();
#repeat s TILE
        let cell = owned(s, n, first_sample, local);
        let adjoint = adjoint_at(step, cell, c, sample_of(feedback[n], s), adjoints[n * TILE + s]);
        adjoints[n * TILE + s] = adjoint;
        mine = with_sample(mine, s, adjoint.mu);
        if (is_owned(s, n, first_sample, local)) {
            chi[at_step(step, cell)] = adjoint.mu;
        }
#end
        if (n * SIZE + local < ROW) {
            recent[now + n * SIZE + local] = mine;
        }
#end
        workgroupBarrier();
    }
#repeat n PER
#repeat s TILE
    if (is_owned(s, n, first_sample, local)) {
        store_adjoint(owned(s, n, first_sample, local), adjoints[n * TILE + s]);
    }
#end
#end
}
