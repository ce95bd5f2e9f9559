//! A preset as a file has it: its name, or its name with switches of its own.
//!
//! ```toml
//! preset = "snntorch"
//! # or
//! preset.base = "snntorch"
//! preset.hidden = "lif"                     # kind of a hidden layer that names none
//! preset.surrogate.slope = 5.0
//! preset.lif.reset = "zero_before"          # every lif of this file
//! preset.recurrent.lif.detach_reset = false # and those of recurrent layers
//! ```

use super::file::typed;
use super::*;
use crate::error::{Error, Result};
use crate::suggest;
use toml::{Table, Value};

/// What a layer takes the keys from that its file leaves out.
pub(super) struct Switches {
    /// Where everything comes from that is not said otherwise.
    pub base: Preset,
    /// The kind of a hidden layer that names none.
    pub hidden: NeuronKind,
    /// The surrogate of a layer that names none.
    pub surrogate: Surrogate,
    /// Keys of neurons, by kind.
    neurons: Table,
    /// The same for recurrent layers.
    recurrent: Table,
}

/// Kinds that a preset prints.
const PRINTED: [NeuronKind; 3] = [NeuronKind::Lif, NeuronKind::CubaLif, NeuronKind::Li];

fn table_of(neuron: &Neuron) -> Table {
    Table::try_from(neuron).expect("plain data")
}

/// The name of a kind in a file.
fn name_of(kind: NeuronKind) -> String {
    kind.name().to_string()
}

fn into_table(value: Value, place: &str) -> Result<Table> {
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(Error::network(place, "must be a table { … }")),
    }
}

/// Checks the keys of neurons of each kind in `table`.
fn check_neurons(table: &Table, place: &str, recurrent: bool, base: Preset) -> Result<()> {
    for (kind, keys) in table {
        let place = format!("{place}.{kind}");
        let known = typed::<NeuronKind>(Value::String(kind.clone()));
        let kind = known.map_err(|_| {
            let mut names: Vec<String> = PRINTED.map(name_of).to_vec();
            names.extend(["base", "hidden", "surrogate", "recurrent"].map(String::from));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Error::network(&place, suggest::unknown("key of a preset", kind, &names))
        })?;
        let keys = into_table(keys.clone(), &place)?;
        let known = table_of(&base.neuron(kind, recurrent));
        let mut names: Vec<&str> = known.keys().map(String::as_str).filter(|key| *key != "kind").collect();
        names.extend(["beta", "alpha", "steps"]);
        let own = kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
        names.extend(own.iter().flat_map(|spec| [spec.name, spec.constant]));
        if let Some(key) = keys.keys().find(|key| !names.contains(&key.as_str())) {
            return Err(Error::network(format!("{place}.{key}"), suggest::unknown("key", key, &names)));
        }
    }
    Ok(())
}

impl Switches {
    /// From the value of `preset`; None is the default preset.
    ///
    /// # Errors
    /// [`Error::Network`] with the key.
    pub fn from_value(value: Option<Value>) -> Result<Switches> {
        let plain = |base: Preset| Switches {
            base,
            hidden: base.hidden_kind(),
            surrogate: base.surrogate(),
            neurons: Table::new(),
            recurrent: Table::new(),
        };
        let mut table = match value {
            None => return Ok(plain(Preset::default())),
            Some(Value::Table(table)) => table,
            Some(name) => return Ok(plain(preset(&name, "preset")?)),
        };
        let base = match table.remove("base") {
            Some(name) => preset(&name, "preset.base")?,
            None => Preset::default(),
        };
        let mut switches = plain(base);
        if let Some(kind) = table.remove("hidden") {
            switches.hidden = typed(kind).map_err(|error| moved(error, "preset.hidden"))?;
        }
        if let Some(surrogate) = table.remove("surrogate") {
            let mut surrogate = into_table(surrogate, "preset.surrogate")?;
            complete_surrogate(&mut surrogate, base.surrogate());
            switches.surrogate = typed(Value::Table(surrogate)).map_err(|error| moved(error, "preset.surrogate"))?;
        }
        if let Some(recurrent) = table.remove("recurrent") {
            switches.recurrent = into_table(recurrent, "preset.recurrent")?;
        }
        check_neurons(&table, "preset", false, base)?;
        check_neurons(&switches.recurrent, "preset.recurrent", true, base)?;
        switches.neurons = table;
        Ok(switches)
    }

    /// All keys of a neuron, as a file would have them.
    pub fn neuron(&self, kind: NeuronKind, recurrent: bool) -> Table {
        let mut keys = table_of(&self.base.neuron(kind, recurrent));
        let own = [Some(&self.neurons), recurrent.then_some(&self.recurrent)];
        for table in own.into_iter().flatten() {
            let Some(Value::Table(own)) = table.get(&name_of(kind)) else { continue };
            for (key, value) in own {
                // A decay factor and its time constant are one thing.
                match key.as_str() {
                    "beta" => drop(keys.remove("tau_mem")),
                    "alpha" => drop(keys.remove("tau_syn")),
                    "tau_mem" => drop(keys.remove("beta")),
                    "tau_syn" => drop(keys.remove("alpha")),
                    _ => {}
                }
                keys.insert(key.clone(), value.clone());
            }
        }
        keys
    }
}

/// The preset of that name.
fn preset(name: &Value, place: &str) -> Result<Preset> {
    let Value::String(name) = name else {
        return Err(Error::network(place, "must be a name, or keys as spikegrad preset prints them"));
    };
    Preset::named(name).map_err(|message| Error::network(place, message))
}

/// A mistake of a part at the place of the part.
fn moved(error: Error, place: &str) -> Error {
    match error {
        Error::Network { place: inner, message } if inner == "network" => Error::network(place, message),
        Error::Network { place: inner, message } => Error::network(format!("{place}.{inner}"), message),
        other => other,
    }
}

/// Fills in what a surrogate leaves out, where it is of the kind of `defaults`.
pub(super) fn complete_surrogate(surrogate: &mut Table, defaults: Surrogate) {
    let named = surrogate.get("kind").and_then(|kind| kind.as_str());
    if named.is_some_and(|name| name != defaults.kind.name()) {
        return;
    }
    let mut keys = Table::try_from(defaults).expect("plain data");
    if surrogate.contains_key("slope") {
        // A scale that belongs to the preset's own slope does not belong to another.
        keys.remove("scale");
    }
    for (key, value) in keys {
        surrogate.entry(key).or_insert(value);
    }
}

impl Preset {
    /// The preset of that name.
    ///
    /// # Errors
    /// A message with the nearest name and all names.
    pub fn named(name: &str) -> std::result::Result<Preset, String> {
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| suggest::unknown("preset", name, &names))
    }

    /// The preset with every switch written out, as a network file can begin.
    pub fn to_toml(self) -> String {
        let mut text = format!("# {}: {}\n", self.name(), self.description());
        let mut lines = |place: &str, table: &Table| {
            for (key, value) in table.iter().filter(|(key, _)| *key != "kind" || place.ends_with("surrogate")) {
                text += &format!("{place}.{key} = {value}\n");
            }
        };
        let mut top = Table::new();
        top.insert("base".into(), Value::String(self.name().into()));
        top.insert("hidden".into(), Value::String(name_of(self.hidden_kind())));
        lines("preset", &top);
        lines("preset.surrogate", &Table::try_from(self.surrogate()).expect("plain data"));
        for kind in PRINTED {
            let (plain, recurrent) = (table_of(&self.neuron(kind, false)), table_of(&self.neuron(kind, true)));
            lines(&format!("preset.{}", name_of(kind)), &plain);
            if kind == NeuronKind::Li {
                continue;
            }
            let differs = recurrent.into_iter().filter(|(key, value)| plain.get(key) != Some(value)).collect();
            lines(&format!("preset.recurrent.{}", name_of(kind)), &differs);
        }
        text
    }
}
