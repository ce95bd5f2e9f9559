//! Surrogate shapes of the user's own, by name.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A function of one number.
pub(crate) type Function = Box<dyn Fn(f64) -> f64 + Send + Sync>;

/// A registered shape `f(z)`, `z = k (V − θ)`: see [`crate::surrogate::register`].
pub struct CustomSurrogate {
    name: String,
    wgsl: String,
    derivative: Function,
    primitive: Option<Function>,
}

/// Arguments are held within ± this, on every backend.
const FARTHEST: f64 = 1e18;
/// Panels of the quadrature that stands for a primitive.
const PANELS: usize = 2048;

impl CustomSurrogate {
    /// The name in a network file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The WGSL expression of `z: f32`.
    pub fn wgsl(&self) -> &str {
        &self.wgsl
    }

    /// `f(z)`.
    pub fn derivative(&self, z: f64) -> f64 {
        (self.derivative)(z.clamp(-FARTHEST, FARTHEST))
    }

    /// `∫_0^z f`: the registered primitive, or Simpson's rule.
    pub fn primitive(&self, z: f64) -> f64 {
        let z = z.clamp(-FARTHEST, FARTHEST);
        if let Some(primitive) = &self.primitive {
            return primitive(z);
        }
        let h = z / PANELS as f64;
        let inner: f64 = (1..PANELS).map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * self.derivative(i as f64 * h)).sum();
        (self.derivative(0.0) + inner + self.derivative(z)) * h / 3.0
    }
}

impl fmt::Debug for CustomSurrogate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.wgsl)
    }
}

impl PartialEq for CustomSurrogate {
    /// A name is registered once.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

static REGISTERED: RwLock<Vec<&'static CustomSurrogate>> = RwLock::new(Vec::new());

/// The registered shape of that name.
pub(super) fn find(name: &str) -> Option<&'static CustomSurrogate> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.iter().copied().find(|custom| custom.name == name)
}

/// All registered names.
pub(super) fn names() -> Vec<&'static str> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.iter().map(|custom| custom.name()).collect()
}

/// Registers a shape for the life of the program; the same name with the same expression gives the first one again.
///
/// # Errors
/// [`Error::Input`] where the name is taken or no name, or where the shape is not finite somewhere.
pub(crate) fn register(
    name: &str,
    wgsl: &str,
    derivative: Function,
    primitive: Option<Function>,
) -> Result<&'static CustomSurrogate> {
    let refuse = |why: String| Err(Error::Input(format!("surrogate {name:?}: {why}")));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        return refuse("a name is small letters, digits and _, a letter first".into());
    }
    if super::SurrogateKind::ALL.iter().any(|kind| kind.name() == name) {
        return refuse("is built in".into());
    }
    let custom = CustomSurrogate { name: name.into(), wgsl: wgsl.into(), derivative, primitive };
    for exponent in -40..=18 {
        for z in [0.0, 1.0, -1.0].map(|sign| sign * 10f64.powi(exponent)) {
            let (f, primitive) =
                (custom.derivative(z), custom.primitive.as_ref().map_or(0.0, |primitive| primitive(z)));
            if !f.is_finite() || !primitive.is_finite() {
                return refuse(format!("is not finite at z = {z:e}"));
            }
        }
    }
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    match registered.iter().copied().find(|other| other.name == name) {
        Some(same) if same.wgsl == wgsl => Ok(same),
        Some(other) => refuse(format!("is registered already, as {}", other.wgsl)),
        None => {
            let custom: &'static CustomSurrogate = Box::leak(Box::new(custom));
            registered.push(custom);
            Ok(custom)
        }
    }
}
