// Sum over the workgroup in a fixed tree. SIZE is a power of two. All invocations call it, all get the sum.
var<workgroup> tree: array<f32, SIZE>;

fn tree_sum(value: f32, local: u32) -> f32 {
    workgroupBarrier();
    tree[local] = value;
    workgroupBarrier();
    for (var width = SIZE / 2u; width > 0u; width /= 2u) {
        if (local < width) {
            tree[local] += tree[local + width];
        }
        workgroupBarrier();
    }
    return tree[0];
}
