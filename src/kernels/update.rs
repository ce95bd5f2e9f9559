//! The calls of the optimiser.

use super::*;

/// How a row of the neuron parameters (or a whole weight tensor) is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Not learned.
    Frozen,
    /// `p ← p − Δ`.
    Plain,
    /// `p ← p e^(−Δ)` with the gradient `p dL/dp`: the optimiser moves ln p, so a time constant or a
    /// threshold stays above 0.
    Logarithmic,
}

/// How the rows of the neuron parameters are learned: the mode, and whether one value serves the whole layer.
pub type Modes = Vec<(Mode, bool)>;

/// An optimiser's rule with this step's numbers. `g` is the gradient after clipping; m, v, … are rows of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `m ← momentum m + g`, `Δ = lr m` (one row of state; none is read where momentum is 0).
    Sgd { momentum: f64 },
    /// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `Δ = lr (m/c₁) / (√(v/c₂) + ε)`, `c_i = 1 − β_i^k` at step k
    /// (Kingma & Ba 2015). `decay` > 0: AdamW, `p ← p − lr decay p` besides, plain tensors only (Loshchilov & Hutter 2019).
    Adam { beta1: f64, beta2: f64, epsilon: f64, decay: f64 },
    /// `m` as Adam, `u ← max(β₂u, |g| + ε)`, `Δ = (lr/c₁) m/u`.
    Adamax { beta1: f64, beta2: f64, epsilon: f64 },
    /// `r = 1/(mem+1)`, `g1 ← (1−r)g1 + rg`, `g2 ← (1−r)g2 + rg²`, `x = g1²/(g2+ε)`, `mem ← 1 + mem(1−x)`,
    /// `Δ = min(lr, x) g/(√g2 + ε)`; rows g1, g2, mem − 1 (so that the start, mem = 1, is 0) (stork; S. Funk).
    Smorms3 { epsilon: f64 },
}

impl Rule {
    /// Rows of state, each the size of the tensor, 0 at the start.
    pub fn rows(&self) -> usize {
        match self {
            Rule::Sgd { .. } => 1,
            Rule::Adam { .. } | Rule::Adamax { .. } => 2,
            Rule::Smorms3 { .. } => 3,
        }
    }
}

/// What pulls weights to 0: adds `l2 p + l1 sign(p)` to the gradient g, after the clipping (the gradient of
/// `(l2/2) Σ p² + l1 Σ |p|`). Plain rows only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Of the squares: the classic weight decay.
    pub l2: f64,
    /// Of the absolute values.
    pub l1: f64,
}

/// One optimiser step on one tensor. Does nothing where the control says that the step is not finite.
pub struct Update<'a, K: Kernels> {
    /// Rule.
    pub rule: Rule,
    /// Learning rate.
    pub rate: f64,
    /// What is added to the gradient.
    pub penalty: Penalty,
    /// Number of this step, from 1.
    pub step: u64,
    /// Length of a row; a weight tensor is one row.
    pub row: usize,
    /// Mode of each row, and whether one value serves the row (its gradient stands in the row's first entry).
    pub modes: &'a [(Mode, bool)],
    /// Parameters.
    pub parameters: &'a mut K::Values,
    /// Gradient.
    pub gradient: &'a K::Values,
    /// State, `[rule.rows()][len]`.
    pub state: &'a mut K::Values,
    /// From [`Kernels::control`]: scale of the gradient, and whether the step is finite.
    pub control: &'a K::Values,
}

/// Holds weights to what they may be: those that do not exist become 0, and those whose sign is not their source's.
/// The source of the weight in row r, column j is `r + j mod modulo`.
pub struct Constrain<'a, K: Kernels> {
    /// Rows.
    pub rows: usize,
    /// Columns, unpadded.
    pub columns: usize,
    /// 1; of a current encoder the number of its channels.
    pub modulo: usize,
    /// Which weights exist: bit `j mod 32` of word `[r][j / 32]`. None: all.
    pub mask: Option<&'a K::Words>,
    /// Weights of sources below this one are ≥ 0, the others ≤ 0. None: any sign.
    pub excitatory: Option<usize>,
    /// Weights, or their gradients, `[rows][pad(columns)]`.
    pub values: &'a mut K::Values,
}
