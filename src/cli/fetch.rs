//! `spikegrad data fetch`.

use super::arguments::DataFetch;
use super::data::bar;
use super::say;
use spikegrad::data::{Remote, SOURCES, Source, Task, fetch, unpack};
use spikegrad::{Error, Result};
use std::path::Path;

pub fn run(asked: &DataFetch, directory: &Path) -> Result<()> {
    let name = asked.name.as_str();
    let Some(source) = Source::named(name) else {
        if Task::NAMES.contains(&name) {
            return Err(Error::Input(format!("{name} is generated: there is nothing to fetch")));
        }
        let known: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        return Err(Error::Input(format!("unknown data set {name:?}, known: {}", known.join(", "))));
    };
    if source.files.is_empty() {
        return Err(Error::Input(format!("{name} cannot be fetched from {}: {}", source.page, source.then)));
    }
    say(&format!("{name}, {}, {}", source.licence, source.page));
    let own = directory.join(name);
    for remote in source.files {
        one(remote, &own, asked.from.as_deref())?;
    }
    if !source.then.is_empty() {
        say(&format!("next: {} --data {}", source.then, directory.display()));
    }
    Ok(())
}

fn one(remote: &Remote, own: &Path, from: Option<&str>) -> Result<()> {
    let address = match from {
        Some(place) => format!("{}/{}", place.trim_end_matches('/'), remote.name),
        None => remote.address.to_string(),
    };
    let path = own.join(remote.name);
    let bar = bar("bytes");
    bar.set_message(remote.name);
    let there = fetch(&address, &path, remote.checksum, |done, of| {
        bar.set_length(of.unwrap_or(done));
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    say(&format!("{} {}", if there { "there already:" } else { "written to" }, path.display()));
    for path in unpack(&path)? {
        say(&format!("unpacked {}", path.display()));
    }
    Ok(())
}
