//! Runs of one recipe that differ in nothing but their seed, and the keys in which recipes differ.

use super::Reported;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Runs that differ in nothing but their seed.
#[derive(Debug)]
pub struct Family<'a> {
    /// A name that no other family has.
    pub name: String,
    /// At least one.
    pub runs: Vec<&'a Reported>,
}

/// The families of `runs`, in the order in which their first members come.
pub fn families(runs: &[Reported]) -> Vec<Family<'_>> {
    let mut found: Vec<(BTreeMap<String, String>, Vec<&Reported>)> = Vec::new();
    for run in runs {
        let keys = keys(&run.0.config);
        match found.iter_mut().find(|(known, _)| *known == keys) {
            Some((_, members)) => members.push(run),
            None => found.push((keys, vec![run])),
        }
    }
    let recipe = |members: &[&Reported]| members[0].0.recipe.train.name.clone();
    let name = |members: &Vec<&Reported>| match &members[..] {
        [(run, _)] => run.name.clone(),
        _ => {
            let same = found.iter().filter(|(_, others)| others.len() > 1 && recipe(others) == recipe(members)).count();
            // Where one name is not enough, the first run's directory tells which.
            if same > 1 { format!("{} ({} …)", recipe(members), members[0].0.name) } else { recipe(members) }
        }
    };
    let names: Vec<String> = found.iter().map(|(_, members)| name(members)).collect();
    names.into_iter().zip(found).map(|(name, (_, runs))| Family { name, runs }).collect()
}

/// The keys in which the families differ: key, and the value of each family (a dash where it has none).
pub fn differences(families: &[Family]) -> Vec<(String, Vec<String>)> {
    let all: Vec<BTreeMap<String, String>> = families.iter().map(|family| keys(&family.runs[0].0.config)).collect();
    let mut names: Vec<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    let value = |keys: &BTreeMap<String, String>, name: &str| keys.get(name).cloned().unwrap_or_else(|| "–".into());
    let rows = names.into_iter().map(|name| (name.clone(), all.iter().map(|keys| value(keys, name)).collect()));
    rows.filter(|(_, values): &(String, Vec<String>)| values.iter().any(|value| *value != values[0])).collect()
}

/// The configuration as dotted keys, without the seed, and without where data files lie.
fn keys(config: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let table: Table = config.parse().unwrap_or_default();
    flatten("", &Value::Table(table), &mut keys);
    keys.remove("train.seed");
    keys.remove("data.directory");
    keys
}

fn flatten(place: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                flatten(&place, value, keys);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{place}[{index}]"), item, keys);
            }
        }
        Value::String(text) => {
            keys.insert(place.to_string(), text.clone());
        }
        other => {
            keys.insert(place.to_string(), other.to_string());
        }
    }
}

/// Mean and standard deviation (of a sample, with n − 1); no deviation of one value.
pub fn mean(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt())))
}
