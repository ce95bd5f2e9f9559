//! A network from a TOML file: what is left out comes from the preset, every mistake is named with its line.

use super::*;
use crate::error::{Error, Result};
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
        let message = message.lines().next().unwrap_or_default().trim().to_string();
        Error::network(if place == "." { "network".to_string() } else { place }, message)
    })
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
    let preset: Preset = match table.get("preset") {
        Some(value) => typed(value.clone()).map_err(|_| unknown_preset(value))?,
        None => Preset::default(),
    };
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
        complete_layer(layer, preset, dt, index + 1 == count, &place)?;
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

fn unknown_preset(value: &Value) -> Error {
    let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    Error::network("preset", format!("unknown preset {value}, known: {}", names.join(", ")))
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

fn complete_layer(layer: &mut Table, preset: Preset, dt: f64, last: bool, place: &str) -> Result<()> {
    let recurrent = matches!(layer.get("recurrent"), Some(Value::Boolean(true)));
    let neuron = subtable(layer, "neuron", place)?;
    let kind: NeuronKind = match neuron.get("kind") {
        Some(value) => typed(value.clone()).map_err(|_| {
            Error::network(format!("{place}.neuron.kind"), format!("unknown neuron {value}, known: lif, cuba_lif, li"))
        })?,
        None if last => NeuronKind::Li,
        None => preset.hidden_kind(),
    };
    time_constant(neuron, "beta", "tau_mem", dt, place)?;
    time_constant(neuron, "alpha", "tau_syn", dt, place)?;
    fill(neuron, Table::try_from(preset.neuron(kind, recurrent)).expect("plain data"));
    if neuron.get("tau_syn") == Some(&Value::Boolean(false)) {
        neuron.remove("tau_syn");
    }
    if kind != NeuronKind::Li {
        let surrogate = subtable(layer, "surrogate", place)?;
        let defaults = preset.surrogate();
        let named = surrogate.get("kind").and_then(|kind| kind.as_str()).map(str::to_string);
        if named.is_none_or(|name| name == defaults.kind.name()) {
            let given_slope = surrogate.contains_key("slope");
            let mut defaults = Table::try_from(defaults).expect("plain data");
            if given_slope {
                // A scale that belongs to the preset's own slope does not belong to another.
                defaults.remove("scale");
            }
            fill(surrogate, defaults);
        }
    }
    Ok(())
}

/// Turns a decay factor (`beta`) into its time constant (`tau_mem`): `τ = −dt / ln(factor)`.
fn time_constant(neuron: &mut Table, factor: &str, tau: &str, dt: f64, place: &str) -> Result<()> {
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
            Ok(Value::Float(-dt / number.ln()))
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
            if let Some(inner) = full.get("value") {
                let inner = all(inner)?;
                full.insert("value".into(), inner);
            }
            Value::Table(full)
        }
        other => all(&other)?,
    };
    neuron.insert(tau.into(), converted);
    Ok(())
}
