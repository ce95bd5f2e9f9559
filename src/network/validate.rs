//! Every mistake that a network can hold, found before anything is allocated and named with its place.

use super::*;
use crate::error::{Error, Result};
use crate::neuron::{Leak, Meaning, ParameterSpec};

fn fail<T>(place: &str, message: impl Into<String>) -> Result<T> {
    Err(Error::network(place, message))
}

fn positive(place: &str, value: f64) -> Result<()> {
    // As f32, which most runs have: what rounds to 0 or to infinity is none.
    let rounded = value as f32;
    if rounded.is_finite() && rounded > 0.0 {
        Ok(())
    } else {
        fail(place, format!("must be a number above 0, is {value}"))
    }
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
    listed(place, parameter, units)?;
    for (j, &value) in parameter.values.iter().enumerate() {
        let place = if parameter.listed { format!("{place}[{j}]") } else { place.to_string() };
        positive(&place, value)?;
    }
    for (key, bound) in [("min", parameter.min), ("max", parameter.max)] {
        if let Some(bound) = bound {
            positive(&format!("{place}.{key}"), bound)?;
        }
    }
    bounds(place, parameter)
}

/// A bound holds what is learned, and the start lies inside.
fn bounds(place: &str, parameter: &Parameter) -> Result<()> {
    let (low, high) = (parameter.min.unwrap_or(f64::NEG_INFINITY), parameter.max.unwrap_or(f64::INFINITY));
    if low > high || low.is_nan() || high.is_nan() {
        return fail(&format!("{place}.min"), format!("{low} is above max = {high}"));
    }
    match parameter.values.iter().find(|&&value| value < low || value > high) {
        Some(value) => fail(place, format!("starts at {value}, outside {low} to {high}")),
        None => Ok(()),
    }
}

/// A parameter of a snippet's own.
fn own(place: &str, spec: &ParameterSpec, parameter: &Parameter, units: usize) -> Result<()> {
    listed(place, parameter, units)?;
    let (low, high) = spec.range;
    for &value in &parameter.values {
        if !value.is_finite() || value < low || value > high {
            return match spec.meaning {
                Meaning::Flag => fail(place, format!("must be true or false, is {value}")),
                Meaning::Choice(words) => fail(place, format!("must be one of {}, is {value}", words.join(", "))),
                Meaning::Count => fail(place, format!("must be a whole number up to {high}, is {value}")),
                Meaning::Real if low > 0.0 => fail(place, format!("must be a number above 0, is {value}")),
                Meaning::Real => fail(place, format!("must be a finite number, is {value}")),
            };
        }
        if spec.meaning != Meaning::Real && value.fract() != 0.0 {
            return fail(place, format!("must be a whole number, is {value}"));
        }
    }
    if parameter.log_normal != 0.0 && !spec.logarithmic() {
        return fail(&format!("{place}.log_normal"), "only what is always above 0 is drawn log-normal");
    }
    if parameter.learned && !spec.learnable() {
        return fail(place, "cannot be learned: it is a switch");
    }
    bounds(place, parameter)
}

fn listed(place: &str, parameter: &Parameter, units: usize) -> Result<()> {
    if parameter.listed && parameter.values.len() != units {
        return fail(place, format!("has {} values for {units} units", parameter.values.len()));
    }
    if !(0.0..=10.0).contains(&parameter.log_normal) {
        return fail(
            &format!("{place}.log_normal"),
            format!("must be a number from 0 to 10, is {}", parameter.log_normal),
        );
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
        Regulariser::Lower { strength, target } | Regulariser::L2Target { strength, target } => {
            not_negative(&format!("{place}.strength"), strength)?;
            not_negative(&format!("{place}.target"), target)
        }
        Regulariser::Upper { strength, target, exponent } | Regulariser::UpperNeuron { strength, target, exponent } => {
            not_negative(&format!("{place}.strength"), strength)?;
            not_negative(&format!("{place}.target"), target)?;
            one_of(&format!("{place}.exponent"), exponent, [1, 2])
        }
        Regulariser::L1 { strength } | Regulariser::L2 { strength } => {
            not_negative(&format!("{place}.strength"), strength)
        }
    }
}

fn class_weights(place: &str, weights: &[f64], classes: usize) -> Result<()> {
    let place = format!("{place}.class_weights");
    if weights.is_empty() {
        return Ok(());
    }
    if weights.len() != classes {
        return fail(&place, format!("has {} weights for {classes} classes", weights.len()));
    }
    for (class, &weight) in weights.iter().enumerate() {
        not_negative(&format!("{place}[{class}]"), weight)?;
    }
    if weights.iter().sum::<f64>() > 0.0 { Ok(()) } else { fail(&place, "must not all be 0") }
}

impl Loss {
    fn validate(&self, place: &str, reduce: Reduction, classes: usize) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        class_weights(place, self.class_weights(), classes)?;
        match self {
            Loss::CrossEntropy { label_smoothing, inverse, .. } => {
                not_negative(&at("label_smoothing"), *label_smoothing)?;
                if *label_smoothing > 1.0 {
                    return fail(&at("label_smoothing"), format!("must be at most 1, is {label_smoothing}"));
                }
                if *inverse != Inverse::Negate && reduce != Reduction::FirstSpike {
                    return fail(&at("inverse"), "only spike times are inverted: reduce = \"first_spike\"");
                }
            }
            Loss::Nll { .. } if reduce == Reduction::FirstSpike => {
                return fail(&at("kind"), "a spike time is no log-probability");
            }
            Loss::Nll { .. } => {}
            Loss::Mse { on_target, off_target, correct_rate, incorrect_rate, tolerance, .. } => {
                not_negative(&at("tolerance"), *tolerance)?;
                if self.is_given() && !self.class_weights().is_empty() {
                    return fail(&at("class_weights"), "targets of the batch have no class");
                }
                let pairs = [
                    ("on_target", on_target, "off_target", off_target),
                    ("correct_rate", correct_rate, "incorrect_rate", incorrect_rate),
                ];
                for (key, value, other_key, other) in pairs {
                    match (value, other) {
                        (Some(value), Some(other)) => {
                            finite(&at(key), *value)?;
                            finite(&at(other_key), *other)?;
                        }
                        (None, None) => {}
                        (Some(_), None) => return fail(&at(other_key), format!("{key} needs it")),
                        (None, Some(_)) => return fail(&at(key), format!("{other_key} needs it")),
                    }
                }
                if let (Some(correct), Some(incorrect)) = (correct_rate, incorrect_rate) {
                    if reduce != Reduction::Count {
                        return fail(&at("correct_rate"), "rates are targets of counts: reduce = \"count\"");
                    }
                    if on_target.is_some() {
                        return fail(&at("on_target"), "give targets or rates, not both");
                    }
                    not_negative(&at("correct_rate"), *correct)?;
                    not_negative(&at("incorrect_rate"), *incorrect)?;
                }
            }
        }
        Ok(())
    }
}

impl Term {
    fn validate(&self, place: &str, units: usize, spiking: bool) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        let of = self.of.unwrap_or(self.reduce.default_of(spiking));
        let name = self.reduce.name();
        if of == Of::Spikes && !spiking {
            let key = if self.of.is_some() { "of" } else { "reduce" };
            return fail(&at(key), "an li readout has no spikes: let the last layer spike, or read its potential");
        }
        if of == Of::Potential && matches!(self.reduce, Reduction::Count | Reduction::FirstSpike) {
            return fail(&at("of"), format!("{name} is of spikes"));
        }
        if self.spike == 0 {
            return fail(&at("spike"), "spikes are counted from 1");
        }
        if self.spike > 1 && self.reduce != Reduction::FirstSpike {
            return fail(&at("spike"), format!("reduce = \"first_spike\" alone asks which spike, not {name}"));
        }
        if let Some(classes) = self.classes
            && (classes == 0 || !units.is_multiple_of(classes))
        {
            return fail(
                &at("classes"),
                format!(
                    "a population code has the same number of units for each class: {units} units, {classes} classes"
                ),
            );
        }
        finite(&at("weight"), self.weight)?;
        self.loss.validate(&at("loss"), self.reduce, self.classes.unwrap_or(units))
    }
}

/// The largest width of a layer, so that sizes fit 32-bit indices in the shaders.
const WIDEST: usize = 1 << 20;

fn width(place: &str, units: usize) -> Result<()> {
    if (1..=WIDEST).contains(&units) { Ok(()) } else { fail(place, format!("must be 1 to {WIDEST}, is {units}")) }
}

impl Neuron {
    fn validate(&self, place: &str, units: usize, recurrent: bool, dt: f64) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        let name = self.kind.name();
        match (self.kind.leak(), self.tau_mem.is_absent()) {
            (Leak::None, true) => {}
            (Leak::None, false) => return fail(&at("tau_mem"), format!("the neuron {name:?} has none")),
            (_, true) => return fail(&at("tau_mem"), format!("the neuron {name:?} needs it, in ms")),
            (leak, false) => {
                parameter(&at("tau_mem"), &self.tau_mem, units)?;
                let steps = leak == Leak::Euler || leak == Leak::Logistic;
                if let Some(tau) = self.tau_mem.values.iter().find(|&&tau| steps && tau <= dt) {
                    return fail(&at("tau_mem"), format!("must be above dt = {dt} ms for this neuron, is {tau}"));
                }
            }
        }
        if let Some(snippet) = self.kind.snippet()
            && !snippet.resets.contains(&self.reset)
        {
            let names: Vec<&str> = snippet.resets.iter().map(|reset| reset.name()).collect();
            return fail(&at("reset"), format!("the neuron {name:?} has {}", names.join(", ")));
        }
        match (self.kind, self.max_spikes) {
            (NeuronKind::MultiSpike, Some(1..=255)) => {}
            (NeuronKind::MultiSpike, most) => {
                let most = most.map_or("left out".to_string(), |most| most.to_string());
                return fail(&at("max_spikes"), format!("must be 1 to 255, is {most}"));
            }
            (_, Some(_)) => return fail(&at("max_spikes"), "only a multi_spike has it"),
            (_, None) if self.periodic => return fail(&at("periodic"), "only a multi_spike has it"),
            _ => {}
        }
        if self.kind == NeuronKind::MultiSpike && matches!(self.reset, Reset::ZeroBefore | Reset::ZeroAfter) {
            return fail(
                &at("reset"),
                "a multi_spike has subtract_before, subtract_after, none: it subtracts θ for each spike",
            );
        }
        for (key, value) in &self.parameters {
            let known = self.kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
            let Some(spec) = known.iter().find(|spec| spec.name == key) else {
                let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
                let known = if names.is_empty() { "none of its own".into() } else { names.join(", ") };
                return fail(&at(key), format!("the neuron {name:?} has no such parameter; it has {known}"));
            };
            own(&at(key), spec, value, units)?;
        }
        if let Some(snippet) = self.kind.snippet() {
            let all: Vec<Vec<f64>> = (0..).map_while(|index| self.own(index)).map(|own| own.broadcast(units)).collect();
            for j in 0..units {
                let values: Vec<f64> = all.iter().map(|values| values[j]).collect();
                if let Err((index, message)) = (snippet.check)(&values, dt) {
                    return fail(&at(snippet.parameters[index].name), message);
                }
            }
        }
        match (&self.tau_syn, self.kind) {
            (Some(_), kind) if NeuronKind::WHOLE.contains(&kind) => {
                return fail(&at("tau_syn"), format!("a {name} has no synapse"));
            }
            (Some(_), NeuronKind::If | NeuronKind::Lif | NeuronKind::Plif) => {
                return fail(&at("tau_syn"), format!("a {name} has no synapse: use kind = \"cuba_lif\""));
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
        self.whole(place, recurrent)?;
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

/// Most steps of a `psn` and most taps of a `sliding_psn`.
const LONGEST: usize = 1 << 14;

impl Neuron {
    /// What a kind that is not walked step by step has, and what it has not.
    fn whole(&self, place: &str, recurrent: bool) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        let name = self.kind.name();
        let lengths = [("steps", self.steps, NeuronKind::Psn), ("order", self.order, NeuronKind::SlidingPsn)];
        for (key, value, kind) in lengths {
            match value {
                Some(_) if kind != self.kind => {
                    return fail(&at(key), format!("only a {} has it, not a {name}", kind.name()));
                }
                None if kind == self.kind => {
                    return fail(&at(key), format!("a {name} needs it: a number of steps, 1 to {LONGEST}"));
                }
                Some(value) if !(1..=LONGEST).contains(&value) => {
                    return fail(&at(key), format!("must be 1 to {LONGEST} steps, is {value}"));
                }
                _ => {}
            }
        }
        if !NeuronKind::WHOLE.contains(&self.kind) {
            return Ok(());
        }
        let over_time = self.kind.over_time();
        if recurrent == over_time {
            let place = place.replace(".neuron", ".recurrent");
            let why = if over_time { "sees all steps at once and cannot be recurrent" } else { "is always recurrent" };
            return fail(&place, format!("a {name} {why}: leave it out"));
        }
        if !self.kind.resets().contains(&self.reset) {
            let message = match over_time {
                true => format!("a {name} has no reset: leave it out or say \"none\""),
                false => format!("a {name} has none, subtract_after, zero_after"),
            };
            return fail(&at("reset"), message);
        }
        let neutral = [
            ("lag", self.lag == 0),
            ("recurrent_lag", self.recurrent_lag == 1),
            ("gain", self.gain == Gain::One),
            ("initial_potential", !over_time || self.initial_potential == 0.0),
            ("initial_current", !over_time || self.initial_current == 0.0),
        ];
        match neutral.iter().find(|(_, neutral)| !neutral) {
            Some((key, _)) => fail(&at(key), format!("a {name} has none: leave it out")),
            None => Ok(()),
        }
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
                if layer.neuron.kind.gates() > 1 {
                    return fail(&at("connection"), "an slstm has weights for each gate: connection = \"dense\"");
                }
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
            layer.neuron.validate(&at("neuron"), layer.units, layer.recurrent, self.dt)?;
            let first = self.layers.iter().find_map(|layer| layer.neuron.steps);
            if let (Some(own), Some(first)) = (layer.neuron.steps, first)
                && own != first
            {
                return fail(
                    &at("neuron.steps"),
                    format!("is {own}, but {first} in a layer below: all see one sequence"),
                );
            }
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
            layer.validate_between(&place, index == last)?;
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
        let top = &self.layers[last];
        if self.readout.losses.is_empty() {
            return fail("readout.losses", "is empty: a readout has at least one loss");
        }
        for (index, term) in self.readout.losses.iter().enumerate() {
            let place = self.readout.place(index);
            term.validate(&place, top.units, top.neuron.spiking())?;
            let classes = term.classes.unwrap_or(top.units);
            if classes != self.classes() {
                let first = self.classes();
                return fail(
                    &format!("{place}.classes"),
                    format!("all losses have the same classes: {classes} here, {first} in the first"),
                );
            }
        }
        match self.readout.accuracy_by {
            Some(Reduction::EveryStep) => fail(
                "readout.accuracy_by",
                "must be one answer for a sample: max, sum, mean, last, count or first_spike",
            ),
            Some(reduce @ (Reduction::Count | Reduction::FirstSpike)) if !top.neuron.spiking() => {
                fail("readout.accuracy_by", format!("an li readout has no spikes, so there is no {}", reduce.name()))
            }
            _ => Ok(()),
        }
    }
}
