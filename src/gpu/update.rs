//! `update`: one optimiser step on one tensor.

use super::buffers::cuts;
use super::recorder::{Dispatch, read, write};
use super::{FLAT, Gpu, Permutation, flat};
use crate::kernels::{Mode, Rule, Update, row};

/// Rows of neuron parameters at most.
const ROWS: usize = row::ROWS + crate::neuron::MOST_PARAMETERS;

#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    modes: [u32; ROWS],
    len: u32,
    row: u32,
    rate: f32,
    beta1: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    c1: f32,
    c2: f32,
    epsilon: f32,
    decay: f32,
    l2: f32,
    l1: f32,
    first: u32,
    first_state: u32,
    stride: u32,
}

fn define(rule: Rule) -> &'static str {
    match rule {
        Rule::Sgd { .. } => "SGD",
        Rule::Adam { .. } => "ADAM",
        Rule::Adamax { .. } => "ADAMAX",
        Rule::Smorms3 { .. } => "SMORMS3",
    }
}

pub(super) fn update(gpu: &mut Gpu, call: Update<Gpu>) {
    assert!(call.modes.len() <= ROWS, "a tensor has at most {ROWS} rows with modes");
    let len = call.row * call.modes.len();
    let mut params = Params { len: len as u32, row: call.row as u32, rate: call.rate as f32, ..Params::default() };
    for (i, &(mode, shared)) in call.modes.iter().enumerate() {
        params.modes[i] = match mode {
            Mode::Frozen => 0,
            Mode::Plain => 1,
            Mode::Logarithmic => 2,
        };
        params.modes[i] |= u32::from(shared) << 2;
    }
    (params.l2, params.l1) = (call.penalty.l2 as f32, call.penalty.l1 as f32);
    // 1 − β^k in f64: at k = 1 with β = 0.999, f32 would lose four digits.
    let correction = |beta: f64| (1.0 - beta.powf(call.step as f64)) as f32;
    match call.rule {
        Rule::Sgd { momentum } => params.beta1 = momentum as f32,
        Rule::Adam { beta1, beta2, epsilon, decay } => {
            (params.beta1, params.beta2, params.epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
            (params.rest1, params.rest2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
            (params.c1, params.c2, params.decay) = (correction(beta1), correction(beta2), decay as f32);
        }
        Rule::Adamax { beta1, beta2, epsilon } => {
            (params.beta1, params.beta2, params.epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
            (params.rest1, params.c1) = ((1.0 - beta1) as f32, correction(beta1));
        }
        Rule::Smorms3 { epsilon } => params.epsilon = epsilon as f32,
    }
    let (parameters, state) = (&*call.parameters, &*call.state);
    let pieces = cuts(len, &[parameters.piece, state.piece]);
    assert!(pieces.len() <= 1 || (call.modes.len() == 1 && !call.modes[0].1), "only weights are in several arrays");
    assert_eq!(parameters.piece, call.gradient.piece, "weights of one shape are in the same pieces");
    for piece in pieces {
        let (index, of_state) = (piece.start / parameters.piece, piece.start / state.piece);
        params.len = piece.len() as u32;
        if call.modes.len() == 1 {
            params.row = params.len;
        }
        params.first = (piece.start % parameters.piece) as u32;
        params.first_state = (piece.start % state.piece) as u32;
        params.stride = if state.is_whole() { len } else { state.stride(of_state) } as u32;
        let bindings = [
            write(1, parameters.part(index)),
            read(2, call.gradient.part(index)),
            write(3, state.part(of_state)),
            read(4, &call.control.array),
        ];
        gpu.recorder.dispatch(Dispatch {
            permutation: Permutation::new("update").define(define(call.rule), true).constant("SIZE", FLAT),
            params: bytemuck::bytes_of(&params),
            changing: true,
            bindings: &bindings,
            groups: piece.len().div_ceil(FLAT) as u64,
            work: 16 * piece.len() as u64,
        });
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    ["SGD", "ADAM", "ADAMAX", "SMORMS3"].map(|rule| flat("update").define(rule, true)).to_vec()
}
