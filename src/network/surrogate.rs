//! Surrogate derivatives as data: `(kind, slope k, scale c)` stands for `σ'(x) = c · f(k x)`, `x = V − θ`.
//!
//! `f(0) = 1` except for `spike_rate_escape`, whose peak stands elsewhere, and for custom shapes. The functions themselves
//! stand in `cpu/surrogate.rs` and `shaders/surrogate/`.

use super::custom::{self, CustomSurrogate};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Shape `f` of a surrogate derivative (Neftci et al. 2019, Fig. 3; Zenke & Vogels 2021, section 4.2.6).
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// `((1+h) e^(−z²/2) − (h/s) (e^(−(z−1)²/2s²) + e^(−(z+1)²/2s²))) / N`, N so that f(0) = 1, height h, ratio s
    /// (Yin, Corradi & Bohté 2021; theirs is k = 2, c = 0.457 at h = 0.15, s = 6).
    MultiGaussian { height: f64, ratio: f64 },
    /// 1 where `z ≥ 0`, else `leak` (snnTorch's LSO).
    LeakyRelu { leak: f64 },
    /// `1 − tanh² z` (Norse).
    Tanh,
    /// `e^(−|z − offset|)`, the escape noise of snnTorch: `k·exp(−β|u − 1|)` is slope β, scale k, offset β. f(0) is not 1.
    SpikeRateEscape { offset: f64 },
    /// `1 / (1 + |z|)²` where `|x| < bound`, else 0 (Perez-Nieves & Goodman 2021).
    SparseFastSigmoid { bound: f64 },
    /// A shape of the user's own: [`crate::surrogate::register`].
    Custom(&'static CustomSurrogate),
}

impl SurrogateKind {
    /// All built-in kinds, with the numbers that a file's default gives them.
    pub const ALL: [SurrogateKind; 13] = [
        SurrogateKind::FastSigmoid,
        SurrogateKind::Sigmoid,
        SurrogateKind::Triangle,
        SurrogateKind::Exponential,
        SurrogateKind::Atan,
        SurrogateKind::Boxcar,
        SurrogateKind::Gaussian,
        SurrogateKind::StraightThrough,
        SurrogateKind::MultiGaussian { height: 0.15, ratio: 6.0 },
        SurrogateKind::LeakyRelu { leak: 0.1 },
        SurrogateKind::Tanh,
        SurrogateKind::SpikeRateEscape { offset: 1.0 },
        SurrogateKind::SparseFastSigmoid { bound: 1.0 },
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
            SurrogateKind::MultiGaussian { .. } => "multi_gaussian",
            SurrogateKind::LeakyRelu { .. } => "leaky_relu",
            SurrogateKind::Tanh => "tanh",
            SurrogateKind::SpikeRateEscape { .. } => "spike_rate_escape",
            SurrogateKind::SparseFastSigmoid { .. } => "sparse_fast_sigmoid",
            SurrogateKind::Custom(custom) => custom.name(),
        }
    }

    /// The kind of that name, built-in or registered.
    pub fn named(name: &str) -> Option<SurrogateKind> {
        let built_in = SurrogateKind::ALL.into_iter().find(|kind| kind.name() == name);
        built_in.or_else(|| custom::find(name).map(SurrogateKind::Custom))
    }

    /// The names of all kinds, built-in and registered.
    pub fn names() -> Vec<&'static str> {
        SurrogateKind::ALL.iter().map(|kind| kind.name()).chain(custom::names()).collect()
    }

    /// The numbers of a shape besides slope and scale, by their keys in a file.
    fn numbers(self) -> Vec<(&'static str, f64)> {
        match self {
            SurrogateKind::MultiGaussian { height, ratio } => vec![("height", height), ("ratio", ratio)],
            SurrogateKind::LeakyRelu { leak } => vec![("leak", leak)],
            SurrogateKind::SpikeRateEscape { offset } => vec![("offset", offset)],
            SurrogateKind::SparseFastSigmoid { bound } => vec![("bound", bound)],
            _ => Vec::new(),
        }
    }

    /// Sets one of them; false where the kind has none of that name.
    fn set(&mut self, key: &str, value: f64) -> bool {
        let number = match (self, key) {
            (SurrogateKind::MultiGaussian { height, .. }, "height") => height,
            (SurrogateKind::MultiGaussian { ratio, .. }, "ratio") => ratio,
            (SurrogateKind::LeakyRelu { leak }, "leak") => leak,
            (SurrogateKind::SpikeRateEscape { offset }, "offset") => offset,
            (SurrogateKind::SparseFastSigmoid { bound }, "bound") => bound,
            _ => return false,
        };
        *number = value;
        true
    }
}

/// A surrogate derivative `c · f(k x)`, `x = V − θ`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surrogate {
    /// Shape `f`.
    pub kind: SurrogateKind,
    /// Slope `k`, in 1 / potential.
    pub slope: f64,
    /// Scale `c`, the peak value.
    pub scale: f64,
}

impl Surrogate {
    /// Whether it is 0 outside of an interval, so that few neurons have a derivative at all.
    pub fn is_compact(&self) -> bool {
        use SurrogateKind::{Boxcar, SparseFastSigmoid, Triangle};
        matches!(self.kind, Triangle | Boxcar | SparseFastSigmoid { .. })
    }

    /// How far from the threshold it is not 0, in the unit of V; None where that has no bound.
    pub fn reach(&self) -> Option<f64> {
        match self.kind {
            SurrogateKind::Triangle => Some(1.0 / self.slope),
            SurrogateKind::Boxcar => Some(0.5 / self.slope),
            SurrogateKind::SparseFastSigmoid { bound } => Some(bound),
            _ => None,
        }
    }

    /// `kind` with slope `k` and peak 1.
    pub fn new(kind: SurrogateKind, slope: f64) -> Self {
        Surrogate { kind, slope, scale: 1.0 }
    }

    /// Up to three numbers of the shape as the backends use them, 0 where there are fewer: of `multi_gaussian` the two
    /// heights over N and `1/(2s²)`; `leak`; `offset`; of `sparse_fast_sigmoid` the bound on |z|, `k · bound`.
    pub fn shape(&self) -> [f64; 3] {
        match self.kind {
            SurrogateKind::MultiGaussian { height, ratio } => {
                let (inverse, side) = (0.5 / (ratio * ratio), height / ratio);
                let peak = 1.0 + height - 2.0 * side * (-inverse).exp();
                [(1.0 + height) / peak, side / peak, inverse]
            }
            SurrogateKind::LeakyRelu { leak } => [leak, 0.0, 0.0],
            SurrogateKind::SpikeRateEscape { offset } => [offset, 0.0, 0.0],
            SurrogateKind::SparseFastSigmoid { bound } => [self.slope * bound, 0.0, 0.0],
            _ => [0.0; 3],
        }
    }
}

impl Serialize for Surrogate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = self.kind.numbers();
        let mut map = serializer.serialize_map(Some(3 + numbers.len()))?;
        map.serialize_entry("kind", self.kind.name())?;
        map.serialize_entry("slope", &self.slope)?;
        map.serialize_entry("scale", &self.scale)?;
        for (key, value) in numbers {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SurrogateKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        SurrogateKind::named(&name)
            .ok_or_else(|| de::Error::custom(crate::suggest::unknown("surrogate", &name, &SurrogateKind::names())))
    }
}

impl<'de> Deserialize<'de> for Surrogate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Surrogate;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table { kind = …, slope = …, scale = … }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Surrogate, A::Error> {
                let mut surrogate = Surrogate::new(SurrogateKind::FastSigmoid, 1.0);
                let mut numbers: Vec<(String, f64)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "kind" => surrogate.kind = map.next_value()?,
                        "slope" => surrogate.slope = map.next_value()?,
                        "scale" => surrogate.scale = map.next_value()?,
                        // Which others there may be is known when the kind is.
                        _ => numbers.push((key, map.next_value()?)),
                    }
                }
                for (key, value) in numbers {
                    if !surrogate.kind.set(&key, value) {
                        let own = surrogate.kind.numbers();
                        let known: Vec<&str> =
                            ["kind", "slope", "scale"].into_iter().chain(own.iter().map(|(key, _)| *key)).collect();
                        let what = format!("key of {}", surrogate.kind.name());
                        return Err(de::Error::custom(crate::suggest::unknown(&what, &key, &known)));
                    }
                }
                Ok(surrogate)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
