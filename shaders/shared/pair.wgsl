// One of the two 16-bit floats of a word, as a number: entry `index` of an array of them.
fn of_pair(word: u32, index: u32) -> f32 {
    let pair = unpack2x16float(word);
    return select(pair.x, pair.y, index % 2u == 1u);
}
