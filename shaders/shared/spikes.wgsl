// How the spikes of a layer lie in words: a bit a neuron, or BYTES a byte, the number of its spikes. Rows are multiples of
// 32 neurons.
#ifdef BYTES
fn words_of(row: u32) -> u32 {
    return row / 4u;
}

fn word_of(neuron: u32) -> u32 {
    return neuron / 4u;
}

fn spikes_in(word: u32, neuron: u32) -> u32 {
    return (word >> (8u * (neuron % 4u))) & 255u;
}
#else
fn words_of(row: u32) -> u32 {
    return row / 32u;
}

fn word_of(neuron: u32) -> u32 {
    return neuron / 32u;
}

fn spikes_in(word: u32, neuron: u32) -> u32 {
    return (word >> (neuron % 32u)) & 1u;
}
#endif
