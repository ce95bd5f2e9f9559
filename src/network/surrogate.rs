//! Surrogate derivatives as data: `(kind, slope k, scale c)` stands for `σ'(x) = c · f(k x)` with `f(0) = 1`.
//!
//! The functions themselves stand in `cpu/surrogate.rs` and `shaders/surrogate/`.

use serde::{Deserialize, Serialize};

/// Shape `f` of a surrogate derivative (Neftci et al. 2019, Fig. 3; Zenke & Vogels 2021, section 4.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurrogateKind {
    /// `1 / (1 + |z|)²`: SuperSpike (Zenke & Ganguli 2018).
    FastSigmoid,
    /// `4 s (1 − s)`, `s` the logistic function.
    Sigmoid,
    /// `max(0, 1 − |z|)` (Esser et al. 2016, Bellec et al. 2018).
    Triangle,
    /// `e^(−|z|)` (Shrestha & Orchard 2018).
    Exponential,
    /// `1 / (1 + (πz/2)²)`.
    Atan,
    /// 1 where `|z| < 1/2`.
    Boxcar,
    /// `e^(−z²)`.
    Gaussian,
    /// 1 everywhere.
    StraightThrough,
}

impl SurrogateKind {
    /// All kinds, in the order of their numbers in the shaders.
    pub const ALL: [SurrogateKind; 8] = [
        SurrogateKind::FastSigmoid,
        SurrogateKind::Sigmoid,
        SurrogateKind::Triangle,
        SurrogateKind::Exponential,
        SurrogateKind::Atan,
        SurrogateKind::Boxcar,
        SurrogateKind::Gaussian,
        SurrogateKind::StraightThrough,
    ];

    /// The name in a network file.
    pub fn name(self) -> &'static str {
        match self {
            SurrogateKind::FastSigmoid => "fast_sigmoid",
            SurrogateKind::Sigmoid => "sigmoid",
            SurrogateKind::Triangle => "triangle",
            SurrogateKind::Exponential => "exponential",
            SurrogateKind::Atan => "atan",
            SurrogateKind::Boxcar => "boxcar",
            SurrogateKind::Gaussian => "gaussian",
            SurrogateKind::StraightThrough => "straight_through",
        }
    }
}

/// A surrogate derivative `c · f(k x)`, `x = V − θ`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surrogate {
    /// Shape `f`.
    #[serde(default = "default_kind")]
    pub kind: SurrogateKind,
    /// Slope `k`, in 1 / potential.
    #[serde(default = "one")]
    pub slope: f64,
    /// Scale `c`, the peak value.
    #[serde(default = "one")]
    pub scale: f64,
}

fn default_kind() -> SurrogateKind {
    SurrogateKind::FastSigmoid
}

fn one() -> f64 {
    1.0
}

impl Surrogate {
    /// `kind` with slope `k` and peak 1.
    pub fn new(kind: SurrogateKind, slope: f64) -> Self {
        Surrogate { kind, slope, scale: 1.0 }
    }
}
