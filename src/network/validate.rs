//! Every mistake that a network can hold, found before anything is allocated and named with its place.

use super::*;
use crate::error::{Error, Result};

fn fail<T>(place: &str, message: impl Into<String>) -> Result<T> {
    Err(Error::network(place, message))
}

fn positive(place: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { fail(place, format!("must be a number above 0, is {value}")) }
}

fn finite(place: &str, value: f64) -> Result<()> {
    if value.is_finite() { Ok(()) } else { fail(place, format!("must be a finite number, is {value}")) }
}

fn not_negative(place: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        fail(place, format!("must be a finite number of at least 0, is {value}"))
    }
}

fn one_of(place: &str, value: u32, allowed: [u32; 2]) -> Result<()> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        fail(place, format!("must be {} or {}, is {value}", allowed[0], allowed[1]))
    }
}

fn parameter(place: &str, parameter: &Parameter, units: usize) -> Result<()> {
    if parameter.listed && parameter.values.len() != units {
        return fail(place, format!("has {} values for {units} units", parameter.values.len()));
    }
    if !(0.0..=10.0).contains(&parameter.log_normal) {
        return fail(
            &format!("{place}.log_normal"),
            format!("must be a number from 0 to 10, is {}", parameter.log_normal),
        );
    }
    for (j, &value) in parameter.values.iter().enumerate() {
        let place = if parameter.listed { format!("{place}[{j}]") } else { place.to_string() };
        positive(&place, value)?;
    }
    Ok(())
}

fn init(place: &str, init: &Init) -> Result<()> {
    match *init {
        Init::Uniform { gain } => not_negative(&format!("{place}.gain"), gain),
        Init::Normal { gain, mean } => {
            not_negative(&format!("{place}.gain"), gain)?;
            finite(&format!("{place}.mean"), mean)
        }
        Init::Constant { value } => finite(&format!("{place}.value"), value),
        Init::Fluctuation { sigma_u, mu_u, rate, share } => {
            positive(&format!("{place}.sigma_u"), sigma_u)?;
            finite(&format!("{place}.mu_u"), mu_u)?;
            positive(&format!("{place}.rate"), rate)?;
            positive(&format!("{place}.share"), share)?;
            if share > 1.0 { fail(&format!("{place}.share"), format!("must be at most 1, is {share}")) } else { Ok(()) }
        }
    }
}

fn shape(place: &str, kind: SurrogateKind) -> Result<()> {
    let at = |key: &str| format!("{place}.{key}");
    let within = |key: &str, value: f64, from: f64, to: f64| {
        if (from..=to).contains(&value) {
            Ok(())
        } else {
            fail(&at(key), format!("must be a number from {from} to {to}, is {value}"))
        }
    };
    match kind {
        SurrogateKind::MultiGaussian { height, ratio } => {
            within("height", height, 0.0, 1.0)?;
            within("ratio", ratio, 1.0, 1e6)
        }
        SurrogateKind::LeakyRelu { leak } => within("leak", leak, 0.0, 1.0),
        SurrogateKind::SpikeRateEscape { offset } => within("offset", offset, -1e6, 1e6),
        SurrogateKind::SparseFastSigmoid { bound } => {
            positive(&at("bound"), bound)?;
            within("bound", bound, 0.0, 1e6)
        }
        _ => Ok(()),
    }
}

fn regulariser(place: &str, regulariser: &Regulariser) -> Result<()> {
    match *regulariser {
        Regulariser::Lower { strength, target } => {
            not_negative(&format!("{place}.strength"), strength)?;
            not_negative(&format!("{place}.target"), target)
        }
        Regulariser::Upper { strength, target, exponent } => {
            not_negative(&format!("{place}.strength"), strength)?;
            not_negative(&format!("{place}.target"), target)?;
            one_of(&format!("{place}.exponent"), exponent, [1, 2])
        }
        Regulariser::L1 { strength } | Regulariser::L2 { strength } => {
            not_negative(&format!("{place}.strength"), strength)
        }
    }
}

/// The largest width of a layer, so that sizes fit 32-bit indices in the shaders.
const WIDEST: usize = 1 << 20;

fn width(place: &str, units: usize) -> Result<()> {
    if (1..=WIDEST).contains(&units) { Ok(()) } else { fail(place, format!("must be 1 to {WIDEST}, is {units}")) }
}

impl Neuron {
    fn validate(&self, place: &str, units: usize, recurrent: bool) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        parameter(&at("tau_mem"), &self.tau_mem, units)?;
        match (&self.tau_syn, self.kind) {
            (Some(_), NeuronKind::Lif) => {
                return fail(&at("tau_syn"), "a lif has no synapse: use kind = \"cuba_lif\"");
            }
            (None, NeuronKind::CubaLif) => return fail(&at("tau_syn"), "a cuba_lif needs it, in ms"),
            (Some(tau), _) => parameter(&at("tau_syn"), tau, units)?,
            (None, _) => {}
        }
        match (&self.threshold, self.spiking()) {
            (Some(theta), true) => parameter(&at("threshold"), theta, units)?,
            (None, true) => return fail(&at("threshold"), "a spiking neuron needs one"),
            (Some(_), false) => return fail(&at("threshold"), "an li readout does not spike and has none"),
            (None, false) => {}
        }
        if !self.spiking() {
            if self.reset != Reset::None {
                return fail(&at("reset"), "an li readout does not reset: leave it out or say \"none\"");
            }
            if self.emit_lag != 0 {
                return fail(&at("emit_lag"), "an li readout emits no spikes: leave it out");
            }
            if recurrent {
                return fail(
                    &place.replace(".neuron", ".recurrent"),
                    "an li readout cannot be recurrent: it has no spikes to send back",
                );
            }
        }
        one_of(&at("lag"), self.lag, [0, 1])?;
        one_of(&at("emit_lag"), self.emit_lag, [0, 1])?;
        one_of(&at("input_delay"), self.input_delay, [0, 1])?;
        one_of(&at("recurrent_lag"), self.recurrent_lag, [1, 2])?;
        finite(&at("reset_potential"), self.reset_potential)?;
        if self.reset_potential != 0.0 && self.reset != Reset::ZeroBefore {
            return fail(&at("reset_potential"), "only reset = \"zero_before\" has one");
        }
        finite(&at("initial_potential"), self.initial_potential)?;
        finite(&at("initial_current"), self.initial_current)
    }
}

impl Network {
    /// Checks everything that can be wrong with the description.
    ///
    /// # Errors
    /// [`Error::Network`] with the place of the first mistake (`layer[1].neuron.tau_mem`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        positive("dt", self.dt)?;
        width("inputs", self.inputs)?;
        if self.layers.is_empty() {
            return fail("layer", "a network needs at least one [[layer]]");
        }
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let place = format!("layer[{index}]");
            let at = |key: &str| format!("{place}.{key}");
            width(&at("units"), layer.units)?;
            if layer.connection == Connection::Current {
                if index > 0 {
                    return fail(&at("connection"), "only the first layer can take a current");
                }
                if !layer.units.is_multiple_of(self.inputs) {
                    let (units, inputs) = (layer.units, self.inputs);
                    return fail(
                        &at("units"),
                        format!(
                            "a current encoder has the same number of units for each input channel: {units} is not a multiple of {inputs}"
                        ),
                    );
                }
            }
            if !layer.neuron.spiking() && index < last {
                return fail(&at("neuron.kind"), "an li does not spike: only the last layer can be one");
            }
            layer.neuron.validate(&at("neuron"), layer.units, layer.recurrent)?;
            match (&layer.surrogate, layer.neuron.spiking()) {
                (Some(surrogate), true) => {
                    positive(&at("surrogate.slope"), surrogate.slope)?;
                    not_negative(&at("surrogate.scale"), surrogate.scale)?;
                    shape(&at("surrogate"), surrogate.kind)?;
                }
                (None, true) => return fail(&at("surrogate"), "a spiking layer needs one"),
                (Some(_), false) => return fail(&at("surrogate"), "an li readout does not spike and has none"),
                (None, false) => {}
            }
            layer.validate_constraints(&place)?;
            init(&at("init"), &layer.init)?;
            init(&at("recurrent_init"), &layer.recurrent_init)?;
            init(&at("bias_init"), &layer.bias_init)?;
            for (r, entry) in layer.regularise.iter().enumerate() {
                let place = at(&format!("regularise[{r}]"));
                if !layer.neuron.spiking() {
                    return fail(&place, "an li readout has no spikes to regularise");
                }
                regulariser(&place, entry)?;
            }
        }
        Ok(())
    }
}
