//! `spikegrad preset`: the presets, and what one of them switches.

use super::arguments::Preset as Arguments;
use super::say;
use spikegrad::network::Preset;
use spikegrad::{Error, Result};

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.name {
        None => {
            for preset in Preset::ALL {
                say(&format!("{:<14}{}", preset.name(), preset.description()));
            }
        }
        Some(name) => say(Preset::named(&name).map_err(Error::Input)?.to_toml().trim_end()),
    }
    Ok(())
}
