// The adjoint of a recurrent layer over many steps in one dispatch where the surrogate derivative is 0 for most neurons
// (contract: `Backward`, form Resident): a workgroup owns one sample and all neurons, PER neurons for each invocation.
//
// The neurons with sigma' != 0 are listed first; then strips of invocations take one of them each and reduce its row of R
// with chi. Rows of silent neurons are never read: only sigma' rho is used of rho. A neuron's sum is the same wherever it
// stands in the list, so the list needs no order.
//
// chi of the last steps lives in SLOTS = recurrent lag + 1 rotating arrays, as in backward_resident. One barrier a step, and
// one for each STRIPS neurons of the list; the number of those is the same for all invocations.
//
// SUBGROUPS: a subgroup takes places for all its neurons at once, so that the list's length is not added to neuron by neuron.
#import shared/grid
#import shared/lane
#import shared/strips
#import surrogate/surrogate
#import neuron/backward

@group(0) @binding(8) var<storage, read> recurrent: array<vec4<f32>>;

const NOWHERE = 0xffffffffu;
var<workgroup> recent: array<f32, SLOTS * ROW>;
var<workgroup> listed: array<u32, ROW>;
// Lengths of the lists of three steps in turn: step t adds to t mod 3 and clears that of step t - 2, which was last read
// before the barrier of step t.
var<workgroup> lengths: array<atomic<u32>, 3>;

// Column n of this invocation. One past the row stands in for the last, so that its loads stay inside.
fn column_of(n: u32, local: u32) -> u32 {
    return min(n * SIZE + local, ROW - 1u);
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    // Folded groups past the end go along with the last sample and write nothing.
    let flat = flat_group(group, groups);
    let live = flat < params.batch;
    let sample = min(flat, params.batch - 1u);
    let lag = SLOTS - 1u;
#ifdef SUBGROUPS
    // The first that runs in its subgroup.
    let leads = subgroupExclusiveAdd(1u) == 0u;
#endif
    let part = local % LANES;
    let strip = local / LANES;
    var adjoints: array<Adjoint, PER>;
#repeat n PER
    adjoints[n] = load_adjoint(Cell(sample, column_of(n, local)));
#end
    // chi of the steps after the range.
    for (var column = local; column < ROW; column += SIZE) {
        for (var ahead = 0u; ahead < lag; ahead++) {
            let step = params.end + ahead;
            recent[(step % SLOTS) * ROW + column] = chi[at_step(step, Cell(sample, column))];
        }
    }
    if (local < 3u) {
        atomicStore(&lengths[local], 0u);
    }
    workgroupBarrier();
    var parity = 0u;
    for (var t = params.end; t > params.begin; t--) {
        let step = t - 1u;
        let now = (step % SLOTS) * ROW;
        let source = ((step + lag) % SLOTS) * ROW;
        var places: array<u32, PER>;
#repeat n PER
        places[n] = NOWHERE;
        let cell = Cell(sample, column_of(n, local));
        let wanted = n * SIZE + local < ROW && slope_at(step, cell, constants_of(cell.column)) != 0.0;
#ifdef SUBGROUPS
        let before = subgroupExclusiveAdd(u32(wanted));
        let number = subgroupAdd(u32(wanted));
        var begin = 0u;
        if (leads && number > 0u) {
            begin = atomicAdd(&lengths[step % 3u], number);
        }
        begin = subgroupBroadcastFirst(begin);
        if (wanted) {
            places[n] = begin + before;
            listed[places[n]] = cell.column;
        }
#else
        if (wanted) {
            places[n] = atomicAdd(&lengths[step % 3u], 1u);
            listed[places[n]] = cell.column;
        }
#endif
#end
        workgroupBarrier();
        let count = atomicLoad(&lengths[step % 3u]);
        if (local == 0u) {
            atomicStore(&lengths[(step + 1u) % 3u], 0u);
        }
        var feedback = array<f32, PER>();
        for (var first = 0u; first < count; first += STRIPS) {
            var sums = vec4<f32>();
            if (first + strip < count) {
                let row = listed[first + strip] * (ROW / 4u);
                for (var k = part; k < ROW / 4u; k += LANES) {
                    let at = source + 4u * k;
                    let x = vec4<f32>(recent[at], recent[at + 1u], recent[at + 2u], recent[at + 3u]);
                    sums = fma(recurrent[row + k], x, sums);
                }
            }
            strip_parts[parity * SIZE + local] = (sums.x + sums.y) + (sums.z + sums.w);
            workgroupBarrier();
#repeat n PER
            if (places[n] >= first && places[n] < first + STRIPS) {
                feedback[n] = strip_sum(parity, places[n] - first);
            }
#end
            parity = 1u - parity;
        }
#repeat n PER
        let cell = Cell(sample, column_of(n, local));
        let adjoint = adjoint_at(step, cell, constants_of(cell.column), feedback[n], adjoints[n]);
        adjoints[n] = adjoint;
        if (n * SIZE + local < ROW) {
            recent[now + cell.column] = adjoint.mu;
            if (live) {
                chi[at_step(step, cell)] = adjoint.mu;
            }
        }
#end
    }
#repeat n PER
    if (live && n * SIZE + local < ROW) {
        store_adjoint(Cell(sample, column_of(n, local)), adjoints[n]);
    }
#end
}
