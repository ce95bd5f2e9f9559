// Which invocation of its workgroup this is. SUBGROUPS: and in which subgroup it runs. Nothing is taken for granted about those
// but that every invocation is in one of them: neither how wide they are, nor that they are equally wide, nor which invocations
// stand together.
struct Lane {
    @builtin(local_invocation_index) local: u32,
#ifdef SUBGROUPS
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
#endif
}
