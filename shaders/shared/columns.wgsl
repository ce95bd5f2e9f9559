// Sums of 32 columns over all rows by a workgroup of 256: eight invocations a column, each every eighth row, then a fixed
// tree. Rows are added in blocks of 32, so that a long sum keeps its digits.

struct Params {
    rows: u32,
    // Length of a row.
    row: u32,
    epsilon: f32,
    momentum: f32,
}

var<workgroup> lanes: array<f32, SIZE>;

// Sum over the eight invocations of a column; all get it, and all call this.
fn column_sum(value: f32, local: u32) -> f32 {
    workgroupBarrier();
    lanes[local] = value;
    workgroupBarrier();
    for (var width = SIZE / 2u; width >= 32u; width /= 2u) {
        if (local < width) {
            lanes[local] += lanes[local + width];
        }
        workgroupBarrier();
    }
    return lanes[local % 32u];
}
