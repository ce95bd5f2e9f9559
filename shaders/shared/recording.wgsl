// A recording of the layer at binding 5: the potential of the tape (POTENTIAL), or emitted spikes as bits. The importing
// file has `params.batch`, `params.row` and `params.emit_lag`.
#ifdef POTENTIAL
@group(0) @binding(5) var<storage, read> recording: array<f32>;

fn recorded(t: u32, sample: u32, unit: u32) -> f32 {
    return recording[(t * params.batch + sample) * params.row + unit];
}
#else
@group(0) @binding(5) var<storage, read> recording: array<u32>;

fn recorded(t: u32, sample: u32, unit: u32) -> f32 {
    let row = (t + HISTORY - params.emit_lag) * params.batch + sample;
    return f32((recording[row * (params.row / 32u) + unit / 32u] >> (unit % 32u)) & 1u);
}
#endif
