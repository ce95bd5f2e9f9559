//! The tape of a layer with a compact surrogate: at each step the neurons whose σ' is not 0, which are few, in place of V of all;
//! and the kicks of the adjoint at those neurons. See [`crate::kernels::Forward::active`] and [`crate::kernels::KickGradient`].

use super::float::Float;
use super::memory::{Entry, Ledger};
use super::surrogate;
use crate::kernels::Shape;
use crate::network::Surrogate;
use pulp::Simd;
use std::ops::Range;
use std::sync::Arc;

/// The active neurons of a layer in a sequence, their kicks, and its filtered sources where windows meet.
#[derive(Debug)]
pub struct Kicks<F> {
    pub(super) logs: Vec<Log<F>>,
    /// u and x̃ after the last window, `[2][B][pad(in)]`: of the weights, and of the recurrent ones.
    pub(super) filters: [Vec<F>; 2],
    entry: Entry,
}

/// The active neurons of one sample, from the first step to the last.
#[derive(Clone, Debug, Default)]
pub struct Log<F> {
    ends: Vec<u32>,
    neurons: Vec<u32>,
    /// σ' of each.
    derivatives: Vec<F>,
    /// κ of each, once the adjoint has met it.
    kicks: Vec<F>,
}

/// Room that a list has from the start, and that a plan counts: for an active neuron in so many neuron-steps. (Triangles of slope
/// 25 have one in 50 to 80.) A list that needs more takes more.
const EXPECTED: usize = 32;

/// Finds active neurons.
#[derive(Clone, Copy)]
pub struct Finder<F> {
    surrogate: Surrogate,
    /// Farther from the threshold σ' is 0.
    reach: F,
}

impl<F: Float> Finder<F> {
    /// By such a surrogate, which is compact.
    pub fn new(surrogate: Surrogate) -> Self {
        // What is rounded to the edge is looked at, too.
        let reach = surrogate.reach().map_or(f64::INFINITY, |reach| reach * 1.0001);
        Finder { surrogate, reach: F::from_f64(reach) }
    }
}

impl<F: Float> Log<F> {
    /// Begins a list for a sequence of so many steps.
    pub fn begin(&mut self, steps: usize, expected: usize) {
        self.clear();
        self.ends.reserve(steps);
        self.neurons.reserve(expected);
        self.derivatives.reserve(expected);
        self.kicks.reserve(expected);
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.neurons.clear();
        self.derivatives.clear();
        self.kicks.clear();
    }

    /// Adds the next step: the neurons `from` and up with these V and θ.
    #[inline(always)]
    pub fn find<S: Simd>(&mut self, simd: S, finder: Finder<F>, from: u32, (v, theta): (&[F], &[F])) {
        for (w, (v, theta)) in (0..).zip(v.chunks_exact(32).zip(theta.chunks_exact(32))) {
            let mut near = F::near_word(simd, finder.reach, v, theta);
            while near != 0 {
                let bit = near.trailing_zeros();
                near &= near - 1;
                let derivative = surrogate::at(finder.surrogate, v[bit as usize] - theta[bit as usize]);
                if derivative != F::ZERO {
                    self.neurons.push(from + 32 * w + bit);
                    self.derivatives.push(derivative);
                }
            }
        }
        self.ends.push(self.neurons.len() as u32);
    }

    /// Adds the next step in parts, one neuron after the other.
    #[inline(always)]
    pub fn join<'a>(&mut self, parts: impl Iterator<Item = (&'a [u32], &'a [F])>) {
        for (neurons, derivatives) in parts {
            // One or two: a call that copies takes longer.
            for (&neuron, &derivative) in neurons.iter().zip(derivatives) {
                self.neurons.push(neuron);
                self.derivatives.push(derivative);
            }
        }
        self.ends.push(self.neurons.len() as u32);
    }

    #[inline(always)]
    fn at(&self, t: usize) -> Range<usize> {
        let begun = if t == 0 { 0 } else { self.ends[t - 1] as usize };
        begun..self.ends[t] as usize
    }

    /// Active neurons of step `t`, ascending.
    #[inline(always)]
    pub fn neurons(&self, t: usize) -> &[u32] {
        &self.neurons[self.at(t)]
    }

    /// The same with their σ'.
    #[inline(always)]
    pub fn derivatives(&self, t: usize) -> (&[u32], &[F]) {
        let range = self.at(t);
        (&self.neurons[range.clone()], &self.derivatives[range])
    }

    /// The same with their κ.
    #[inline(always)]
    pub fn kicks(&self, t: usize) -> (&[u32], &[F]) {
        let range = self.at(t);
        (&self.neurons[range.clone()], &self.kicks[range])
    }

    /// Active neurons of step `t`, their σ', and where their kicks go.
    #[inline(always)]
    pub fn step(&mut self, t: usize) -> (&[u32], &[F], &mut [F]) {
        let range = self.at(t);
        (&self.neurons[range.clone()], &self.derivatives[range.clone()], &mut self.kicks[range])
    }

    fn bytes(&self) -> usize {
        let numbers = self.derivatives.capacity() + self.kicks.capacity();
        4 * (self.ends.capacity() + self.neurons.capacity()) + size_of::<F>() * numbers
    }
}

impl<F: Float> Kicks<F> {
    /// None yet.
    pub fn new(ledger: &Arc<Ledger>) -> Self {
        Kicks { logs: Vec::new(), filters: Default::default(), entry: ledger.enter(0) }
    }

    /// Begins the lists of the samples of `shape` for a sequence of so many `steps`.
    pub fn begin(&mut self, shape: Shape, steps: usize) {
        self.logs.resize_with(shape.batch.max(self.logs.len()), Log::default);
        for log in &mut self.logs[..shape.batch] {
            log.begin(steps, steps * shape.units / EXPECTED);
        }
    }

    /// The lists of the first samples.
    pub fn of(&mut self, samples: usize) -> &mut [Log<F>] {
        &mut self.logs[..samples]
    }

    /// Makes room for the kicks of the first samples, once all steps are there.
    pub fn ready(&mut self, samples: usize) {
        for log in &mut self.logs[..samples] {
            log.kicks.resize(log.neurons.len(), F::ZERO);
        }
        self.enter();
    }

    /// Enters the bytes that it takes by now.
    pub fn enter(&mut self) {
        let logs = self.logs.iter().map(Log::bytes).sum::<usize>();
        let filters = self.filters.iter().map(|filter| filter.capacity() * size_of::<F>()).sum::<usize>();
        self.entry.set((logs + filters) as u64);
    }

    /// Active neurons of some samples in some steps.
    pub fn count(&self, samples: Range<usize>, steps: Range<usize>) -> usize {
        let log = |log: &Log<F>| steps.clone().map(|t| log.at(t).len()).sum::<usize>();
        self.logs[samples].iter().map(log).sum()
    }

    /// Bytes of the lists of some samples between forward and backward pass.
    pub fn kept(&self, samples: usize) -> u64 {
        let log = |log: &Log<F>| 4 * (log.ends.len() + log.neurons.len()) + size_of::<F>() * log.derivatives.len();
        self.logs.iter().take(samples).map(log).sum::<usize>() as u64
    }

    /// Bytes that a sequence of such a shape needs besides those that are there: for the lists, a sorted copy, and so many
    /// numbers of filtered source between windows.
    pub fn more(&self, Shape { steps, batch, units }: Shape, filtered: usize) -> u64 {
        let real = size_of::<F>();
        let expected = steps * units / EXPECTED;
        let (list, sorted) = (steps * 4 + expected * (4 + 2 * real), steps * 4 + expected * (4 + real));
        ((filtered * real + batch * (list + sorted)) as u64).saturating_sub(self.entry.bytes())
    }
}
