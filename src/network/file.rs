//! A network from a TOML file: what is left out comes from the preset, every mistake is named with its line.

use super::switches::{Switches, complete_surrogate};
use super::*;
use crate::error::{Error, Result};
use crate::neuron::{Leak, Meaning, Snippet, Transform};
use toml::{Table, Value};

impl Network {
    /// Reads a network from the text of a TOML file. Keys that are left out come from the preset (`zenke-vogels` unless
    /// named), the last layer is an `li` readout unless it says otherwise.
    ///
    /// # Errors
    /// [`Error::Network`] with the path of the key and its line.
    pub fn from_toml(text: &str) -> Result<Network> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| syntax(text, &error))?;
        Network::from_table(table).map_err(|error| with_line(text, error))
    }

    /// The same from a parsed table; mistakes are named by their path only.
    ///
    /// # Errors
    /// [`Error::Network`] with the path of the key.
    pub fn from_table(mut table: Table) -> Result<Network> {
        complete(&mut table)?;
        let network: Network = typed(Value::Table(table))?;
        network.validate()?;
        Ok(network)
    }

    /// The network as TOML, every switch written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a network is plain data that TOML can hold")
    }
}

/// Deserialises `value`, naming the key of a mistake.
///
/// # Errors
/// [`Error::Network`] with the path of the key.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        let message = error.into_inner().to_string();
        let message = crate::suggest::with_nearest(plain(message.lines().next().unwrap_or_default().trim()));
        Error::network(if place == "." { "network".to_string() } else { place }, message)
    })
}

/// A message that names numbers as people do, where it ends with the name of a type.
fn plain(message: &str) -> String {
    let Some((start, name)) = message.rsplit_once(", expected ") else { return message.to_string() };
    match name {
        "usize" | "u64" => format!("{start}, expected a whole number, 0 or more"),
        "u32" => format!("{start}, expected a whole number from 0 to {}", u32::MAX),
        "u8" => format!("{start}, expected a whole number from 0 to {}", u8::MAX),
        "f64" | "f32" => format!("{start}, expected a number"),
        _ => message.to_string(),
    }
}

/// A syntax error with its line.
pub(crate) fn syntax(text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Error::network(format!("line {line}"), error.message().to_string())
}

/// Adds the line of the place to a mistake, where the file has it.
pub(crate) fn with_line(text: &str, error: Error) -> Error {
    let Error::Network { place, message } = error else { return error };
    match locate(text, &place) {
        Some(line) => Error::Network { place: format!("{place} (line {line})"), message },
        None => Error::Network { place, message },
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].matches('\n').count() + 1
}

/// The line of the deepest part of `place` that stands in `text`.
fn locate(text: &str, place: &str) -> Option<usize> {
    use toml::de::{DeTable, DeValue};
    let root = DeTable::parse(text).ok()?;
    let mut table: &DeTable = root.get_ref();
    let mut found = None;
    let mut array: Option<&toml::de::DeArray> = None;
    for part in place.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let value = if let Ok(index) = part.parse::<usize>() {
            array?.get(index)?
        } else {
            match table.iter().find(|(key, _)| key.get_ref().as_ref() == part) {
                Some((key, value)) => {
                    found = Some(key.span().start);
                    value
                }
                None => break,
            }
        };
        if array.is_some() {
            found = Some(value.span().start);
        }
        array = None;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(inner) => array = Some(inner),
            _ => break,
        }
    }
    found.map(|offset| line_of(text, offset))
}

/// Fills in what the file leaves out.
fn complete(table: &mut Table) -> Result<()> {
    let switches = Switches::from_value(table.remove("preset"))?;
    table.insert("preset".into(), Value::String(switches.base.name().into()));
    table.entry("dt").or_insert(Value::Float(1.0));
    let dt = match table.get("dt") {
        Some(Value::Float(dt)) => *dt,
        Some(Value::Integer(dt)) => *dt as f64,
        _ => return Err(Error::network("dt", "must be a number of ms")),
    };
    let Some(layers) = table.get_mut("layer") else { return Ok(()) };
    let Value::Array(layers) = layers else {
        return Err(Error::network("layer", "write each layer as a table [[layer]]"));
    };
    let count = layers.len();
    for (index, layer) in layers.iter_mut().enumerate() {
        let place = format!("layer[{index}]");
        let Value::Table(layer) = layer else { return Err(Error::network(place, "must be a table")) };
        complete_layer(layer, &switches, dt, index + 1 == count, &place)?;
    }
    let spiking = layers.last().is_some_and(|layer| {
        let kind = layer.get("neuron").and_then(|neuron| neuron.get("kind")).and_then(Value::as_str);
        kind != Some("li")
    });
    match table.entry("readout").or_insert(Value::Table(Table::new())) {
        Value::Table(readout) => super::loss::complete(readout, spiking),
        _ => Err(Error::network("readout", "must be a table [readout]")),
    }
}

fn fill(table: &mut Table, defaults: Table) {
    for (key, value) in defaults {
        table.entry(key).or_insert(value);
    }
}

fn subtable<'a>(table: &'a mut Table, key: &str, place: &str) -> Result<&'a mut Table> {
    match table.entry(key).or_insert(Value::Table(Table::new())) {
        Value::Table(inner) => Ok(inner),
        _ => Err(Error::network(format!("{place}.{key}"), "must be a table { … }")),
    }
}

fn complete_layer(layer: &mut Table, switches: &Switches, dt: f64, last: bool, place: &str) -> Result<()> {
    let recurrent = matches!(layer.get("recurrent"), Some(Value::Boolean(true)));
    let neuron = subtable(layer, "neuron", place)?;
    let kind: NeuronKind = match neuron.get("kind") {
        Some(value) => typed(value.clone()).map_err(|error| match error {
            Error::Network { message, .. } => Error::network(format!("{place}.neuron.kind"), message),
            other => other,
        })?,
        None if last => NeuronKind::Li,
        None => switches.hidden,
    };
    neuron_keys(neuron, kind, dt, place)?;
    let mut defaults = switches.neuron(kind, recurrent);
    neuron_keys(&mut defaults, kind, dt, place)?;
    for (key, value) in defaults.remove("parameters").and_then(|own| own.as_table().cloned()).into_iter().flatten() {
        subtable(neuron, "parameters", &format!("{place}.neuron"))?.entry(key).or_insert(value);
    }
    fill(neuron, defaults);
    if neuron.get("tau_syn") == Some(&Value::Boolean(false)) {
        neuron.remove("tau_syn");
    }
    if kind == NeuronKind::Slstm {
        layer.entry("recurrent").or_insert(Value::Boolean(true));
    }
    if kind != NeuronKind::Li {
        let surrogate = subtable(layer, "surrogate", place)?;
        complete_surrogate(surrogate, switches.surrogate);
    }
    Ok(())
}

/// Brings the keys of a neuron into the form that the types have: decays become time constants, a snippet's own parameters
/// go into `parameters`.
fn neuron_keys(neuron: &mut Table, kind: NeuronKind, dt: f64, place: &str) -> Result<()> {
    if kind.leak() == Leak::None {
        for key in ["tau_mem", "beta"] {
            if neuron.contains_key(key) {
                let name = kind.name();
                return Err(Error::network(format!("{place}.neuron.{key}"), format!("the neuron {name:?} has none")));
            }
        }
    }
    let leak = kind.leak();
    time_constant(neuron, "beta", "tau_mem", place, |beta| match leak {
        Leak::Exponential | Leak::None => -dt / beta.ln(),
        Leak::Euler | Leak::Logistic => dt / (1.0 - beta),
    })?;
    time_constant(neuron, "alpha", "tau_syn", place, |alpha| -dt / alpha.ln())?;
    let Some(snippet) = kind.snippet() else { return Ok(()) };
    own_parameters(neuron, snippet, dt, place)?;
    let own = snippet.parameters.iter().map(|spec| spec.name);
    let known: Vec<&str> = crate::neuron::KEYS.iter().copied().filter(|key| *key != "parameters").chain(own).collect();
    match neuron.keys().find(|key| *key != "parameters" && !known.contains(&key.as_str())) {
        Some(key) => {
            let message = crate::suggest::unknown("key", key, &known);
            Err(Error::network(format!("{place}.neuron.{key}"), message))
        }
        None => Ok(()),
    }
}

/// Moves the keys of a snippet's own parameters to `parameters`, and turns words and truth values into their numbers.
fn own_parameters(neuron: &mut Table, snippet: &Snippet, dt: f64, place: &str) -> Result<()> {
    for spec in snippet.parameters {
        if spec.transform == Transform::Decay {
            time_constant(neuron, spec.constant, spec.name, place, |factor| -dt / factor.ln())?;
        }
        let Some(mut value) = neuron.remove(spec.name) else { continue };
        let mistake = |allowed: &str| {
            Err(Error::network(format!("{place}.neuron.{}", spec.name), format!("is {value}, allowed: {allowed}")))
        };
        match (spec.meaning, &value) {
            (Meaning::Flag, Value::Boolean(on)) => value = Value::Float(if *on { 1.0 } else { 0.0 }),
            (Meaning::Choice(words), Value::String(word)) => match words.iter().position(|known| known == word) {
                Some(at) => value = Value::Float(at as f64),
                None => return mistake(&words.join(", ")),
            },
            (Meaning::Flag, Value::Float(_) | Value::Integer(_)) => {}
            (Meaning::Flag, _) => return mistake("true, false"),
            (Meaning::Choice(_), Value::Float(_) | Value::Integer(_)) => {}
            (Meaning::Choice(words), _) => return mistake(&words.join(", ")),
            _ => {}
        }
        let place = format!("{place}.neuron");
        subtable(neuron, "parameters", &place)?.insert(spec.name.into(), value);
    }
    Ok(())
}

/// Turns a decay factor (`beta`) into its time constant (`tau_mem`) by `tau_of`.
fn time_constant(neuron: &mut Table, factor: &str, tau: &str, place: &str, tau_of: impl Fn(f64) -> f64) -> Result<()> {
    let Some(value) = neuron.remove(factor) else { return Ok(()) };
    let place = format!("{place}.neuron.{factor}");
    if neuron.contains_key(tau) {
        return Err(Error::network(place, format!("give {factor} or {tau}, not both")));
    }
    let convert = |value: &Value, place: &str| -> Result<Value> {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return Err(Error::network(place, "must be a number between 0 and 1")),
        };
        if number > 0.0 && number < 1.0 {
            Ok(Value::Float(tau_of(number)))
        } else {
            Err(Error::network(place, format!("must lie between 0 and 1, both excluded, is {number}")))
        }
    };
    let all = |value: &Value| -> Result<Value> {
        match value {
            Value::Array(values) => {
                let values: Result<Vec<Value>> =
                    values.iter().enumerate().map(|(j, value)| convert(value, &format!("{place}[{j}]"))).collect();
                Ok(Value::Array(values?))
            }
            other => convert(other, &place),
        }
    };
    let converted = match value {
        Value::Table(mut full) => {
            // A larger factor is a larger time constant, so bounds stay what they are.
            for key in ["value", "min", "max"] {
                if let Some(inner) = full.get(key) {
                    let inner = all(inner)?;
                    full.insert(key.into(), inner);
                }
            }
            Value::Table(full)
        }
        other => all(&other)?,
    };
    neuron.insert(tau.into(), converted);
    Ok(())
}
