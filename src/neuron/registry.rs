//! The table of neurons by name: the built-in ones, and those that a program registers.

use super::Snippet;
use super::{BASE, MOST_PARAMETERS, MOST_STATES};
use super::{adlif, alif, alpha, izhikevich, lapicque, refractory};
use crate::error::{Error, Result};
use std::sync::RwLock;

static BUILT_IN: [&Snippet; 7] = [
    &alif::ALIF,
    &adlif::ADLIF,
    &adlif::ADLIF_SYMPLECTIC,
    &refractory::REFRACTORY,
    &alpha::ALPHA,
    &lapicque::LAPICQUE,
    &izhikevich::IZHIKEVICH,
];

static REGISTERED: RwLock<Vec<&'static Snippet>> = RwLock::new(Vec::new());

/// Names that are not snippets.
const TAKEN: [&str; 9] = ["if", "lif", "cuba_lif", "plif", "li", "multi_spike", "psn", "sliding_psn", "slstm"];
/// Keys of the `neuron` table that are not a snippet's own.
pub(crate) const KEYS: [&str; 20] = [
    "kind",
    "tau_mem",
    "beta",
    "tau_syn",
    "alpha",
    "threshold",
    "reset",
    "detach_reset",
    "lag",
    "emit_lag",
    "recurrent_lag",
    "input_delay",
    "gain",
    "comparison",
    "reset_potential",
    "initial_potential",
    "initial_current",
    "parameters",
    "steps",
    "order",
];

/// Makes a neuron known under its name, for the whole program.
///
/// # Errors
/// [`Error::Input`] where the name is taken or not an identifier, or where the snippet's parts do not fit together.
pub fn register(snippet: &'static Snippet) -> Result<()> {
    let name = snippet.name;
    let mistake = |what: String| Err(Error::Input(format!("neuron {name:?}: {what}")));
    let mut seen = vec!["alpha", "beta", "gamma", "theta", "v_reset"];
    for spec in snippet.parameters {
        if seen.contains(&spec.constant) {
            return mistake(format!("two constants are named {:?}", spec.constant));
        }
        seen.push(spec.constant);
    }
    let identifier = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let constants = snippet.parameters.iter().map(|parameter| parameter.constant);
    let parameters = snippet.parameters.iter().map(|parameter| parameter.name);
    let names = std::iter::once(name).chain(snippet.states.iter().copied()).chain(constants).chain(parameters.clone());
    for text in names {
        if !identifier(text) {
            return mistake(format!("{text:?} is not a name: lower-case letters, digits and _, a letter first"));
        }
    }
    let tensors = ["weight", "recurrent", "bias", "leak", "time", "time_bias"];
    if let Some(key) = parameters.clone().find(|key| KEYS.contains(key) || tensors.contains(key)) {
        return mistake(format!("the parameter {key:?} has the name of a key that every neuron has"));
    }
    if snippet.states.first() != Some(&"potential") {
        return mistake("the first state must be \"potential\"".into());
    }
    if snippet.states.len() > MOST_STATES || snippet.parameters.len() > MOST_PARAMETERS {
        return mistake(format!("at most {MOST_STATES} states and {MOST_PARAMETERS} parameters"));
    }
    let Some(&reset) = snippet.resets.first() else { return mistake("it names no reset form".into()) };
    let size = (snippet.rust)(reset).size();
    if size != (snippet.states.len(), BASE + snippet.parameters.len()) {
        let (states, constants) = size;
        return mistake(format!(
            "its Rust type has {states} states and {constants} constants, but it names {} and {BASE} + {}",
            snippet.states.len(),
            snippet.parameters.len()
        ));
    }
    #[cfg(feature = "gpu")]
    crate::gpu::check_snippet(snippet).or_else(|error| mistake(format!("its WGSL: {error}")))?;
    let mut registered = REGISTERED.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = BUILT_IN.iter().chain(registered.iter()).any(|known| known.name == name);
    if known || TAKEN.contains(&name) {
        return mistake("there is one of that name already".into());
    }
    registered.push(snippet);
    Ok(())
}

/// The snippet `name`.
pub fn find(name: &str) -> Option<&'static Snippet> {
    snippets().into_iter().find(|snippet| snippet.name == name)
}

/// All snippets, the built-in ones first.
pub fn snippets() -> Vec<&'static Snippet> {
    let registered = REGISTERED.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter()).copied().collect()
}

/// The names of all snippets, the built-in ones first.
pub fn names() -> Vec<&'static str> {
    snippets().iter().map(|snippet| snippet.name).collect()
}
