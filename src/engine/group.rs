//! Parameter groups: learning rate, weight decay and freezing by the names of parameters.

use super::core::{Core, LayerState};
use super::parameters::{neuron_row, split};
use super::update::Optimiser;
use crate::error::{Error, Result};
use crate::kernels::{Kernels, Mode, Modes, Penalty, Rule, row};

/// What holds for the parameters whose name matches a pattern. Of several that match the last one that says something counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// A name as in [`super::shapes`], `*` stands for any text: `layer0.*`, `*.tau_mem`.
    pub pattern: String,
    /// Factor on the learning rate.
    pub rate_scale: Option<f64>,
    /// Weight decay in place of the optimiser's: decoupled for Adam, of the squares for the others.
    pub weight_decay: Option<f64>,
    /// Whether training leaves them as they are.
    pub frozen: Option<bool>,
}

/// What holds for one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setting {
    pub scale: f64,
    pub decay: Option<f64>,
    pub frozen: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Setting { scale: 1.0, decay: None, frozen: false }
    }
}

/// Settings of a layer's parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub weight: Setting,
    pub recurrent: Setting,
    /// Scale and shift of a normalised drive.
    pub norm: [Setting; 2],
    /// Weights and bias over time.
    pub time: [Setting; 2],
    /// By row of the neuron parameters.
    pub rows: Vec<Setting>,
    unused: Setting,
}

impl Settings {
    fn part(&mut self, index: Option<usize>, part: &str) -> &mut Setting {
        match index {
            None => match part {
                "weight" => &mut self.weight,
                "recurrent" => &mut self.recurrent,
                "norm_scale" => &mut self.norm[0],
                "norm_shift" => &mut self.norm[1],
                "time" => &mut self.time[0],
                "time_bias" => &mut self.time[1],
                // Running statistics are not learned.
                _ => &mut self.unused,
            },
            Some(row) => {
                if self.rows.len() <= row {
                    self.rows.resize(row + 1, Setting::default());
                }
                &mut self.rows[row]
            }
        }
    }

    /// Of a row of the neuron parameters.
    pub fn row(&self, row: usize) -> Setting {
        self.rows.get(row).copied().unwrap_or_default()
    }

    /// `modes` with what is frozen.
    pub fn modes(&self, modes: &[(Mode, bool)]) -> Modes {
        let mut modes: Vec<(Mode, bool)> = modes.to_vec();
        for (row, mode) in modes.iter_mut().enumerate() {
            if self.row(row).frozen {
                mode.0 = Mode::Frozen;
            }
        }
        modes
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl<K: Kernels> Core<K> {
    /// Sets the parameter groups, in place of those before. They hold until the next call.
    ///
    /// # Errors
    /// [`Error::Input`] where a pattern matches nothing or a number is not one.
    pub fn set_groups(&mut self, groups: &[Group]) -> Result<()> {
        let mut settings: Vec<Settings> = vec![Settings::default(); self.layers.len()];
        let shapes = super::shapes(&self.network);
        for group in groups {
            let pattern = &group.pattern;
            for (key, value) in [("rate_scale", group.rate_scale), ("weight_decay", group.weight_decay)] {
                if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                    return Err(Error::Input(format!("group {pattern:?}: {key} must be a number of at least 0")));
                }
            }
            let mut found = false;
            for (name, _) in shapes.iter().filter(|(name, _)| matches(pattern, name)) {
                found = true;
                let (index, part) = split(name).expect("made by `shapes`");
                let row = neuron_row(&self.layers[index].model, part);
                let setting = settings[index].part(row, part);
                setting.scale = group.rate_scale.unwrap_or(setting.scale);
                setting.decay = group.weight_decay.or(setting.decay);
                setting.frozen = group.frozen.unwrap_or(setting.frozen);
            }
            if !found {
                let names: Vec<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
                let near = crate::suggest::did_you_mean(pattern, names.iter().copied());
                let names = names.join(", ");
                let message = format!("group {pattern:?} matches no parameter{near} There are {names}");
                return Err(Error::Input(message.replace("parameter There", "parameter; there")));
            }
        }
        for (layer, settings) in self.layers.iter_mut().zip(settings) {
            layer.learning = settings.modes(&layer.modes);
            layer.settings = settings;
        }
        self.planned = None;
        Ok(())
    }

    /// How the next steps of `optimiser` update each tensor: the same until its rule, its penalty or the groups change.
    pub(super) fn plan_updates(&mut self, optimiser: &Optimiser) {
        let wanted = Some((optimiser.rule, optimiser.penalty));
        if self.planned == wanted {
            return;
        }
        for layer in &mut self.layers {
            for at in 0..layer.optimiser.len() {
                layer.optimiser[at].updates = layer.updates(layer.optimiser[at].name, optimiser);
            }
        }
        self.planned = wanted;
    }
}

/// One update of a tensor.
pub(super) struct Step {
    pub rule: Rule,
    pub penalty: Penalty,
    /// Factor on the learning rate.
    pub scale: f64,
    /// Of its rows.
    pub modes: Vec<(Mode, bool)>,
}

impl<K: Kernels> LayerState<K> {
    /// What holds for its own tensor `name`.
    pub(super) fn own_setting(&self, name: &str) -> Setting {
        match name {
            "time" => self.settings.time[0],
            "time_bias" => self.settings.time[1],
            // The bias of gates.
            _ => self.settings.row(row::BIAS),
        }
    }

    /// The updates of the tensor `part`. Rows of the neuron
    /// parameters that differ in rate or decay are updated one after the other, each time the others are frozen.
    fn updates(&self, part: &str, optimiser: &Optimiser) -> Vec<Step> {
        let with_decay = |own: Option<f64>, usual: bool| {
            let mut penalty = if usual { optimiser.penalty } else { Penalty::default() };
            let rule = match optimiser.rule {
                Rule::Adam { beta1, beta2, epsilon, decay } => {
                    let decay = own.unwrap_or(if usual { decay } else { 0.0 });
                    Rule::Adam { beta1, beta2, epsilon, decay }
                }
                rule => {
                    penalty.l2 = own.unwrap_or(penalty.l2);
                    rule
                }
            };
            (rule, penalty)
        };
        if let Some(own) = self.own.iter().find(|own| own.name == part) {
            let setting = self.own_setting(part);
            let (rule, penalty) = with_decay(setting.decay, own.decays);
            let step = Step { rule, penalty, scale: setting.scale, modes: own.modes.clone() };
            return if setting.frozen { Vec::new() } else { vec![step] };
        }
        let whole = match part {
            "weight" => Some(self.settings.weight),
            "recurrent" => Some(self.settings.recurrent),
            _ => None,
        };
        if let Some(setting) = whole {
            let mode = (Mode::Plain, false);
            return if setting.frozen {
                Vec::new()
            } else {
                let (rule, penalty) = with_decay(setting.decay, true);
                vec![Step { rule, penalty, scale: setting.scale, modes: vec![mode] }]
            };
        }
        let (modes, settings): (Modes, Vec<Setting>) = if part == "norm" {
            let mode = |setting: &Setting| (if setting.frozen { Mode::Frozen } else { Mode::Plain }, false);
            (self.settings.norm.iter().map(mode).collect(), self.settings.norm.to_vec())
        } else {
            let settings = (0..self.modes.len()).map(|row| self.settings.row(row)).collect();
            (self.learning.clone(), settings)
        };
        let mut updates: Vec<Step> = Vec::new();
        for (row, &mode) in modes.iter().enumerate().filter(|(_, mode)| mode.0 != Mode::Frozen) {
            let setting = settings[row];
            let ((rule, penalty), scale) = (with_decay(setting.decay, false), setting.scale);
            let same = |step: &&mut Step| step.rule == rule && step.penalty == penalty && step.scale == scale;
            match updates.iter_mut().find(same) {
                Some(step) => step.modes[row] = mode,
                None => {
                    let mut own = vec![(Mode::Frozen, false); modes.len()];
                    own[row] = mode;
                    updates.push(Step { rule, penalty, scale, modes: own });
                }
            }
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("layer0.weight", "layer0.weight", true),
            ("layer0.weight", "layer0.weights", false),
            ("layer0.*", "layer0.tau_mem", true),
            ("layer0.*", "layer10.tau_mem", false),
            ("*.tau_*", "layer3.tau_syn", true),
            ("*.tau_*", "layer3.threshold", false),
            ("*", "layer0.bias", true),
            ("layer*t", "layer0.weight", true),
            ("layer*tt", "layer0.weight", false),
            ("", "layer0.weight", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
