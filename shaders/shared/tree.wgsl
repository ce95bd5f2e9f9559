// Sum over the workgroup in a fixed order. SIZE is a power of two. All invocations call it, all get the sum.
#import shared/lane

var<workgroup> tree: array<f32, SIZE>;

#ifdef SUBGROUPS
// Each subgroup adds up its own numbers, then every invocation those of the subgroups, in their order: two barriers whatever
// SIZE is. However wide the subgroups are, there are at most SIZE of them.
fn tree_sum(value: f32, lane: Lane) -> f32 {
    workgroupBarrier();
    let part = subgroupAdd(value);
    if (subgroupExclusiveAdd(1u) == 0u) {
        tree[lane.subgroup] = part;
    }
    workgroupBarrier();
    var sum = tree[0];
    for (var i = 1u; i < lane.subgroups; i++) {
        sum += tree[i];
    }
    return sum;
}
#else
fn tree_sum(value: f32, lane: Lane) -> f32 {
    workgroupBarrier();
    tree[lane.local] = value;
    workgroupBarrier();
    for (var width = SIZE / 2u; width > 0u; width /= 2u) {
        if (lane.local < width) {
            tree[lane.local] += tree[lane.local + width];
        }
        workgroupBarrier();
    }
    return tree[0];
}
#endif
