// Adds the rows of `weights` that the set bits of `word` name, from row `first` on, in ascending order.
// The importing file has `weights`, rows of `params.row` numbers.
fn add_rows(start: f32, word: u32, first: u32, column: u32) -> f32 {
    var sum = start;
    var bits = word;
    while (bits != 0u) {
        let one = first + firstTrailingBit(bits);
        bits &= bits - 1u;
        // Two loads under way at once, where there are two.
        if (bits != 0u) {
            let two = first + firstTrailingBit(bits);
            bits &= bits - 1u;
            let a = weights[one * params.row + column];
            let b = weights[two * params.row + column];
            sum = (sum + a) + b;
        } else {
            sum += weights[one * params.row + column];
        }
    }
    return sum;
}
