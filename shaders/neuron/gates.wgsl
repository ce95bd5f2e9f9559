// Gates of an LSTM cell, finite for every x: arguments are held where the value is 0 or 1 in f32 anyway, because a driver may
// assume that no number is infinite.
#import shared/exponential

// 1 / (1 + e^-x)
fn logistic(x: f32) -> f32 {
    let e = exponential(-min(abs(x), 80.0));
    let r = 1.0 / (1.0 + e);
    return select(r, e * r, x < 0.0);
}

// tanh x
fn tangent(x: f32) -> f32 {
    let e = exponential(-2.0 * min(abs(x), 40.0));
    let r = (1.0 - e) / (1.0 + e);
    return select(r, -r, x < 0.0);
}
