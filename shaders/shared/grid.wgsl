// A dispatch has at most 65535 groups in a dimension: larger ones are folded into rows of groups.
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
