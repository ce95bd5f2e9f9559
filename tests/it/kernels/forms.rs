//! The forms of a GPU scan: each equals the naive run, at widths around a word and a workgroup, with state handed over
//! in the middle of the sequence; resident and stepwise agree.

use super::backward::{self, Case as Adjoint};
use super::forward::{self, Case};
use super::*;
use spikegrad::cpu::{Cpu, Forms};
use spikegrad::kernels::*;
use spikegrad::network::{Surrogate, SurrogateKind};

/// A recurrent layer in a form, with few and many samples a workgroup and hand-over after every step or every third.
fn recurrent(random: &mut Random) -> Case {
    let units = one_of(random, &[1, 33, 33, 64, 100, 256]);
    wide(random, units)
}

pub fn wide(random: &mut Random, units: usize) -> Case {
    let steps = if units > 300 { 3 } else { one_of(random, &[1, 2, 5, 8]) };
    let shape = Shape { steps, batch: one_of(random, &[1, 3, 5]), units };
    let (tile, quantum) = (1 + random.below(4), one_of(random, &[1, 2, 3, 100]));
    Case {
        shape,
        model: model(random, true),
        recurrent: true,
        cuts: cuts(random, steps),
        form: Some(one_of(
            random,
            &[Form::Resident { tile, quantum }, Form::Resident { tile, quantum }, Form::Stepwise],
        )),
        reduce: None,
        ..forward::draw(random)
    }
}

on_every_backend!(recurrent_forward, 60, recurrent, check_forward);

fn check_forward<K: Kernels>(kernels: &mut K, case: &Case) {
    forward::check(kernels, case);
}

pub fn recurrent_adjoint(random: &mut Random) -> Adjoint {
    let run = recurrent(random);
    Adjoint { run, spikes: true, counts: chance(random, 0.5), potential: chance(random, 0.5) }
}

fn check_backward<K: Kernels>(kernels: &mut K, case: &Adjoint) {
    backward::check(kernels, case);
}

on_every_backend!(recurrent_backward, 60, recurrent_adjoint, check_backward);

/// A layer without recurrence, each neuron on its own.
fn scan(random: &mut Random) -> Case {
    Case { form: Some(Form::Scan), recurrent: false, ..forward::draw(random) }
}

on_every_backend!(scan_forward, 30, scan, check_forward);

fn scan_adjoint(random: &mut Random) -> Adjoint {
    let mut case = backward::draw(random);
    case.run = Case { form: Some(Form::Scan), recurrent: false, ..case.run };
    case
}

on_every_backend!(scan_backward, 30, scan_adjoint, check_backward);

/// A thousand neurons, forward and backward, in each form.
fn thousand(random: &mut Random) -> Case {
    wide(random, 1000)
}

fn check_thousand<K: Kernels>(kernels: &mut K, case: &Case) {
    forward::check(kernels, case);
    let run = Case { tape: true, ..case.clone() };
    backward::check(kernels, &Adjoint { run, spikes: true, counts: true, potential: false });
}

on_every_backend!(a_thousand_neurons, 4, thousand, check_thousand);

/// Resident and stepwise compute the same: equal spikes, and gradients within rounding.
fn check_agreement<K: Kernels>(kernels: &mut K, case: &Adjoint) {
    let (layer, drive, trace) = forward::set_up(&case.run);
    let (_, rounded, above) = backward::set_up_above(case);
    let forms = [
        Form::Resident { tile: 1, quantum: 2 },
        Form::Resident { tile: 2, quantum: 100 },
        Form::Resident { tile: 3, quantum: 1 },
        Form::Stepwise,
    ];
    let outcomes = forms.map(|form| {
        let mut case = case.clone();
        case.run.form = Some(form);
        (
            forward::run(kernels, &case.run, &layer, &drive, &trace),
            backward::run(kernels, &case, &layer, &rounded, &above),
        )
    });
    let tolerance = tolerance::<K>(1e-5);
    let (first, adjoint) = &outcomes[0];
    for (other, other_adjoint) in &outcomes[1..] {
        assert_eq!(first.spikes, other.spikes);
        for (first, other) in first.planes.iter().zip(&other.planes) {
            assert_close("planes", other, first, tolerance);
        }
        assert_close("χ", &other_adjoint.chi.values, &adjoint.chi.values, tolerance);
    }
}

on_every_backend!(forms_agree, 9, recurrent_adjoint, check_agreement);

/// A surrogate that is 0 over a range: for most neurons, for all of them (but at the threshold itself), or for none.
pub fn with_zeros(random: &mut Random) -> Surrogate {
    let kind = one_of(
        random,
        &[
            SurrogateKind::Triangle,
            SurrogateKind::Boxcar,
            SurrogateKind::SparseFastSigmoid { bound: 0.3 },
            SurrogateKind::LeakyRelu { leak: 0.0 },
        ],
    );
    let slope = one_of(random, &[5.0, 2.0, 1e5, 0.01]);
    Surrogate { kind, slope, scale: one_of(random, &[1.0, 0.25]) }
}

pub fn silent_recurrent(random: &mut Random) -> Adjoint {
    let mut case = recurrent_adjoint(random);
    case.run.model.surrogate = with_zeros(random);
    case
}

/// Wider than a workgroup: several neurons an invocation, lists of more than one round.
pub fn silent_wide(random: &mut Random) -> Adjoint {
    let mut case = silent_recurrent(random);
    let units = one_of(random, &[500, 777, 1024]);
    case.run = Case { tape: true, ..wide(random, units) };
    case.run.model.surrogate = Surrogate { slope: one_of(random, &[5.0, 0.01]), ..with_zeros(random) };
    case.run.model.recurrent_lag = 1;
    case
}

pub fn silent_below(random: &mut Random) -> Adjoint {
    let mut case = backward::spiking(random);
    case.run.model.surrogate = with_zeros(random);
    case
}

/// On the CPU: adjoints of neurons whose surrogate derivative is not 0, by their rows of the weights alone, or by a product with
/// all; planned, samples of one step differ.
#[test]
fn rows_of_active_neurons_give_the_gradient() {
    for rows in [When::Always, When::Never, When::Planned] {
        let mut kernels = Cpu::<f64>::with_forms(Forms { rows, ..Forms::default() });
        on_drawn(&mut kernels, 60, silent_recurrent, backward::check);
        on_drawn(&mut kernels, 60, silent_below, backward::check_fused);
        let mut kernels = Cpu::<f32>::with_forms(Forms { rows, ..Forms::default() });
        on_drawn(&mut kernels, 3, silent_wide, backward::check);
        on_drawn(&mut kernels, 30, silent_below, backward::check_fused);
    }
}

/// On the CPU: the products of a step over columns for all samples at once, and their tiles of samples, have the same bits.
#[test]
fn threads_that_share_columns_change_no_bit() {
    let kernels = |columns| Cpu::<f32>::with_forms(Forms { columns, ..Forms::default() });
    let same = |shared: &mut Cpu<f32>, case: &Adjoint| {
        let (layer, trace, above) = backward::set_up_above(case);
        let apart = backward::run(&mut kernels(When::Never), case, &layer, &trace, &above);
        let shared = backward::run(shared, case, &layer, &trace, &above);
        assert_eq!(shared.chi, apart.chi);
        assert_eq!(shared.planes, apart.planes);
    };
    let mut shared = kernels(When::Always);
    on_drawn(&mut shared, 60, recurrent_adjoint, same);
    on_drawn(&mut shared, 3, wide_adjoint, same);
    on_drawn(&mut shared, 60, backward::spiking, backward::check_fused);
}

fn wide_adjoint(random: &mut Random) -> Adjoint {
    let units = one_of(random, &[500, 777, 1024]);
    let run = Case { tape: true, ..wide(random, units) };
    Adjoint { run, spikes: true, counts: chance(random, 0.5), potential: chance(random, 0.5) }
}
