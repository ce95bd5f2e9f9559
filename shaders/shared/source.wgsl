// A source of either kind at binding 1: bits or numbers. The importing file has `params.source_row`.
#ifdef SOURCE_BITS
@group(0) @binding(1) var<storage, read> source: array<u32>;

fn source_at(row: u32, channel: u32) -> f32 {
    return f32((source[row * params.source_row + channel / 32u] >> (channel % 32u)) & 1u);
}
#else
@group(0) @binding(1) var<storage, read> source: array<f32>;

fn source_at(row: u32, channel: u32) -> f32 {
    return source[row * params.source_row + channel];
}
#endif
