// A recording of the layer at binding 5: the potential of the tape (POTENTIAL), or emitted spikes. The importing
// file has `params.batch`, `params.row` and `params.emit_lag`.
#ifdef POTENTIAL
@group(0) @binding(5) var<storage, read> recording: array<f32>;

fn recorded(t: u32, sample: u32, unit: u32) -> f32 {
    return recording[(t * params.batch + sample) * params.row + unit];
}
#else
#import shared/spikes
@group(0) @binding(5) var<storage, read> recording: array<u32>;

fn recorded(t: u32, sample: u32, unit: u32) -> f32 {
    let row = (t + HISTORY - params.emit_lag) * params.batch + sample;
    return f32(spikes_in(recording[row * words_of(params.row) + word_of(unit)], unit));
}
#endif
