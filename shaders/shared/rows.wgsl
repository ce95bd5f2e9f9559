// Adds the weight rows of the active neurons of one row of bits, in ascending order. The importing file says where bits
// and weights are: `bits_at(index)`, `weight_at(index)`; rows of weights have `params.row` numbers.
//
// Rows are collected until four loads can be under way at once: one after the other, each would wait for its memory.
//
// BYTES: a byte a neuron instead of a bit, the number of its spikes.
#ifdef BYTES
fn add_active_rows(start: f32, first_word: u32, words: u32, column: u32) -> f32 {
    var sum = start;
    for (var word = 0u; word < words; word++) {
        var rest = bits_at(first_word + word);
        while (rest != 0u) {
            let place = firstTrailingBit(rest) / 8u;
            let count = (rest >> (8u * place)) & 255u;
            sum = fma(f32(count), weight_at((word * 4u + place) * params.row + column), sum);
            rest &= ~(255u << (8u * place));
        }
    }
    return sum;
}
#else
fn add_active_rows(start: f32, first_word: u32, words: u32, column: u32) -> f32 {
    var sum = start;
    // The newest at the end.
    var rows = vec4<u32>();
    var count = 0u;
    for (var word = 0u; word < words; word++) {
        var bits = bits_at(first_word + word);
        while (bits != 0u) {
            rows = vec4<u32>(rows.yzw, (word * 32u + firstTrailingBit(bits)) * params.row + column);
            bits &= bits - 1u;
            count++;
            if (count == 4u) {
                let a = weight_at(rows.x);
                let b = weight_at(rows.y);
                let c = weight_at(rows.z);
                let d = weight_at(rows.w);
                sum = (((sum + a) + b) + c) + d;
                count = 0u;
            }
        }
    }
    if (count == 3u) {
        sum += weight_at(rows.y);
    }
    if (count >= 2u) {
        sum += weight_at(rows.z);
    }
    if (count >= 1u) {
        sum += weight_at(rows.w);
    }
    return sum;
}
#endif
