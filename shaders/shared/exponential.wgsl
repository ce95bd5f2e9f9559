// e^x for x <= 0 to about one unit in the last place: WGSL's exp() may be off by several, which 1 - beta would multiply.
fn exponential(x: f32) -> f32 {
    if (x < -87.0) {
        return 0.0;
    }
    let n = round(x * 1.44269504);
    // ln 2 in two parts, the first of so few bits that n times it is exact, so that the remainder is, fused or not.
    let r = fma(n, -1.42860677e-6, fma(n, -0.693145752, x));
    var p = fma(r, 1.98412698e-4, 1.38888889e-3);
    p = fma(r, p, 8.33333333e-3);
    p = fma(r, p, 4.16666667e-2);
    p = fma(r, p, 0.166666667);
    p = fma(r, p, 0.5);
    p = fma(r * r, p, r);
    // 2^n by its bits; n is -126 .. 0 here.
    let power = bitcast<f32>(u32(i32(n) + 127) << 23u);
    return fma(power, p, power);
}
