//! A steady training loop allocates nothing on the heap.
//!
//! **What is counted**: allocations and growths by the threads of a pool of the test's own, in which the whole loop of a case
//! runs: checking and uploading a batch, forward, backward and update. The batches are there before; they have one shape, but
//! differ in spikes, labels and lengths. **Not counted**: the first steps, which make plan, arrays and optimiser, and reading
//! results ([`Core::metrics`], of which the engine keeps up to 64 passes before it reads them itself, and everything of
//! `Outputs`), which hands vectors to the caller.
//!
//! What the library for dense products takes for itself passes ([`LEFT`]). One thread: of several, one makes room for a kernel
//! when it first gets a task of it, which may be in any step.
//!
//! Not in it are networks that see all steps at once (`psn`, `slstm`), whose kernels make their arrays anew at each call.
//!
//! rayon allocates nothing inside a pool once its queues have their size. A parallel section that is started from a thread
//! outside of the pool enters a queue of blocks: one block for every 63 sections.

use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Group, Optimiser, TapeKind, Wish};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::Network;
use spikegrad::spikes::encode::Rates;
use spikegrad::spikes::{Random, Raster, Trace};
use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Functions whose allocations are let pass: those of the library that it calls.
const LEFT: [&str; 1] = ["spikegrad::cpu::drive::matrix_product"];

/// What the threads of a pool allocated.
#[derive(Default)]
struct Counter {
    count: AtomicU64,
    /// The functions that led to it, innermost first, while this is asked for.
    places: Mutex<Option<Vec<String>>>,
}

thread_local! {
    /// The counter of this thread, if it is one of a pool that is counted.
    static COUNTER: Cell<Option<&'static Counter>> = const { Cell::new(None) };
}

struct Counting;

impl Counting {
    fn note(&self) {
        // While it notes, a thread does not count.
        let Ok(Some(counter)) = COUNTER.try_with(Cell::take) else { return };
        counter.count.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut places) = counter.places.try_lock()
            && let Some(places) = &mut *places
        {
            let trace = Backtrace::force_capture().to_string();
            let own = trace.lines().filter(|line| line.contains("spikegrad::") && !line.contains("GlobalAlloc"));
            places.push(own.map(str::trim).collect::<Vec<_>>().join(" < "));
        }
        COUNTER.set(Some(counter));
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.note();
        // SAFETY: by the caller.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const STEPS: usize = 40;
const SAMPLES: usize = 70;
const INPUTS: usize = 50;
const CLASSES: usize = 4;
/// Steps before anything is counted, and steps that are.
const FIRST: usize = 4;
const STEADY: usize = 3;

/// What is trained, how, and on what.
struct Case {
    network: &'static str,
    optimiser: Optimiser,
    groups: Vec<Group>,
    wish: Wish,
    batches: Vec<Batch>,
}

impl Case {
    fn new(network: &'static str) -> Self {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
        let optimiser = Optimiser { rule, rate: 1e-4, max_norm: Some(1.0), penalty: Penalty::default() };
        let batches = (0..3).map(spikes).collect();
        Case { network, optimiser, groups: Vec::new(), wish: Wish::default(), batches }
    }

    /// A step by each of the functions.
    fn step(&self, core: &mut Core<Cpu<f32>>, number: usize) {
        let batch = &self.batches[number % self.batches.len()];
        if number.is_multiple_of(2) {
            core.train(batch, &self.optimiser).unwrap();
        } else {
            core.forward(batch).unwrap();
            core.backward(&Gradient::loss()).unwrap();
            core.step(&self.optimiser).unwrap();
        }
    }

    /// Where the steady steps allocate.
    fn places(&self) -> Vec<String> {
        let counter: &'static Counter = Box::leak(Box::default());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
        let pool = pool.start_handler(move |_| COUNTER.set(Some(counter))).build().unwrap();
        pool.install(|| {
            let network = Network::from_toml(self.network).unwrap();
            let mut core = Core::new(network, Cpu::new(), Budget::Unbounded).unwrap();
            core.initialise(1).unwrap();
            core.set_groups(&self.groups).unwrap();
            core.set_memory(Budget::Unbounded, self.wish);
            for number in 0..FIRST {
                self.step(&mut core, number);
            }
            let metrics = core.metrics().unwrap();
            assert!(metrics.iter().all(|step| step.finite && step.spikes[0] > 0.0), "{metrics:?}");
            *counter.places.lock().unwrap() = Some(Vec::new());
            let before = counter.count.load(Ordering::Relaxed);
            for number in 0..STEADY {
                self.step(&mut core, number);
            }
            let count = counter.count.load(Ordering::Relaxed) - before;
            let places = counter.places.lock().unwrap().take().unwrap();
            println!("{} allocations in a step", count as f64 / STEADY as f64);
            places
        })
    }

    fn check(self) {
        let mut places = self.places();
        places.retain(|place| !LEFT.iter().any(|function| place.contains(function)));
        assert!(places.is_empty(), "{} allocations, by\n{}", places.len(), places.join("\n"));
    }
}

fn raster(seed: u64) -> Raster {
    let mut random = Random::new(seed, 0);
    let mut raster = Raster::new(STEPS, SAMPLES, INPUTS);
    for at in 0..STEPS * SAMPLES * INPUTS {
        if random.uniform() < 0.1 {
            raster.set(at / INPUTS / SAMPLES, at / INPUTS % SAMPLES, at % INPUTS);
        }
    }
    raster
}

fn labelled(batch: Batch, seed: u64) -> Batch {
    batch.with_labels((0..SAMPLES as u64).map(|b| ((b + seed) % CLASSES as u64) as u32).collect())
}

fn spikes(seed: u64) -> Batch {
    labelled(Batch::spikes(raster(seed)), seed)
}

/// Lengths that differ from sample to sample and from batch to batch.
fn lengths(seed: u64) -> Vec<u32> {
    (0..SAMPLES as u64).map(|b| STEPS as u32 - ((b * 7 + seed * 3) % 20) as u32).collect()
}

/// Current-based and recurrent, as in most speech benchmarks.
const RECURRENT: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "cuba_lif", tau_mem = 10.0, tau_syn = 5.0 }
    [[layer]]
    units = 4
    neuron = { kind = "li", tau_mem = 20.0 }
"#;

const TWO_LAYERS: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif", tau_mem = 10.0 }
    [[layer]]
    units = 40
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif", tau_mem = 10.0 }
    [[layer]]
    units = 4
"#;

const LEARNED: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    recurrent = true
    bias = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "cuba_lif", tau_mem = { value = 10.0, learned = true, min = 2.0 }, tau_syn = { value = 5.0, learned = true }, threshold = { value = 0.7, learned = true } }
    [[layer]]
    units = 4
    bias = true
    neuron = { kind = "li", tau_mem = { value = 20.0, learned = true } }
"#;

const REGULARISED: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif", tau_mem = 10.0 }
    regularise = [{ kind = "l2", strength = 0.01 }, { kind = "upper", strength = 0.1, target = 1.0 }, { kind = "lower", strength = 0.1, target = 5.0 }]
    [[layer]]
    units = 8
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif" }
    [readout]
    reduce = "count"
    classes = 4
"#;

const DROPOUT: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif" }
    dropout = { rate = 0.3, per = "step" }
    [[layer]]
    units = 40
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif" }
    dropout = { rate = 0.2 }
    [[layer]]
    units = 4
"#;

const EVERY_STEP: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "cuba_lif", lag = 1 }
    [[layer]]
    units = 4
    [readout]
    losses = [
        { reduce = "every_step" },
        { reduce = "sum", weight = 0.3, loss = { kind = "cross_entropy", label_smoothing = 0.1 } },
    ]
"#;

const OWN_STATES: &str = r#"
    inputs = 50
    [[layer]]
    units = 64
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "alif", tau_adaptation = { value = 30.0, learned = true } }
    [[layer]]
    units = 40
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "adlif" }
    [[layer]]
    units = 4
"#;

fn cut(tape: TapeKind, steps: Option<usize>, samples: Option<usize>) -> Wish {
    Wish { tape: Some(tape), steps, samples }
}

#[test]
fn a_recurrent_network_with_adam_and_clipping() {
    Case::new(RECURRENT).check();
}

#[test]
fn feed_forward_layers() {
    Case::new(TWO_LAYERS).check();
}

#[test]
fn learned_constants() {
    Case::new(LEARNED).check();
}

#[test]
fn regularisers_and_spike_counts() {
    Case::new(REGULARISED).check();
}

#[test]
fn dropout() {
    Case::new(DROPOUT).check();
}

#[test]
fn losses_on_every_step() {
    Case::new(EVERY_STEP).check();
}

#[test]
fn labels_and_a_mask_for_each_step() {
    let batches = (0..3).map(|seed| {
        let cells = STEPS * SAMPLES;
        let labels = (0..cells).map(|cell| ((cell as u64 + seed) % CLASSES as u64) as u32).collect();
        let mask = (0..cells).map(|cell| !(cell as u64 + seed).is_multiple_of(5)).collect();
        spikes(seed).with_step_labels(labels).with_mask(mask)
    });
    Case { batches: batches.collect(), ..Case::new(EVERY_STEP) }.check();
}

#[test]
fn samples_of_different_lengths() {
    for network in [RECURRENT, REGULARISED, EVERY_STEP] {
        let batches = (0..3).map(|seed| spikes(seed).with_lengths(lengths(seed)));
        Case { batches: batches.collect(), ..Case::new(network) }.check();
    }
}

#[test]
fn parameter_groups_and_penalties() {
    let group = |pattern: &str| Group { pattern: pattern.into(), rate_scale: None, weight_decay: None, frozen: None };
    let groups = vec![
        Group { rate_scale: Some(0.1), ..group("*.tau_mem") },
        Group { weight_decay: Some(0.01), ..group("layer0.recurrent") },
        Group { frozen: Some(true), ..group("layer1.*") },
        Group { rate_scale: Some(0.5), weight_decay: Some(0.1), ..group("*.threshold") },
    ];
    let plain = Case::new(LEARNED);
    for rule in [Rule::Sgd { momentum: 0.9 }, plain.optimiser.rule, Rule::Smorms3 { epsilon: 1e-16 }] {
        let optimiser = Optimiser { rule, penalty: Penalty { l2: 0.01, l1: 0.001 }, ..plain.optimiser };
        Case { optimiser, groups: groups.clone(), ..Case::new(LEARNED) }.check();
    }
}

#[test]
fn segments_and_replay() {
    for tape in TapeKind::ALL {
        Case { wish: cut(tape, Some(16), None), ..Case::new(LEARNED) }.check();
    }
    Case { wish: cut(TapeKind::Replay, Some(16), None), ..Case::new(DROPOUT) }.check();
}

#[test]
fn neurons_with_states_of_their_own() {
    Case::new(OWN_STATES).check();
    Case { wish: cut(TapeKind::Replay, Some(16), None), ..Case::new(OWN_STATES) }.check();
}

#[test]
fn micro_batches() {
    // 70 samples: the last micro-batch is smaller, so that arrays change their shape.
    Case { wish: cut(TapeKind::Whole, None, Some(32)), ..Case::new(RECURRENT) }.check();
    Case { wish: cut(TapeKind::Replay, Some(16), Some(32)), ..Case::new(REGULARISED) }.check();
}

#[test]
fn analogue_and_rate_coded_input() {
    let values = |seed: u64| {
        let mut random = Random::new(seed, 1);
        let values = (0..STEPS * SAMPLES * INPUTS).map(|_| random.uniform() as f32).collect();
        labelled(Batch::values(Trace::new(STEPS, SAMPLES, INPUTS, values).unwrap()), seed)
    };
    Case { batches: (0..3).map(values).collect(), ..Case::new(RECURRENT) }.check();
    let rates = |seed: u64| {
        let chances = (0..SAMPLES * INPUTS).map(|at| (at as u32 % 7) << 19).collect();
        let rates = Rates { steps: STEPS, batch: SAMPLES, units: INPUTS, first: 0, chances, key: seed };
        labelled(Batch::new(spikegrad::engine::Input::Rates(rates)), seed)
    };
    Case { batches: (0..3).map(rates).collect(), ..Case::new(RECURRENT) }.check();
}

#[test]
fn input_that_is_read_again() {
    let source = |seed: u64| labelled(Batch::source(Arc::new(raster(seed))), seed);
    let case = Case { wish: cut(TapeKind::Replay, Some(16), Some(32)), ..Case::new(RECURRENT) };
    Case { batches: (0..3).map(source).collect(), ..case }.check();
}

#[test]
fn outside_of_a_pool_rayon_makes_a_block_of_its_queue_for_63_sections() {
    let counter: &'static Counter = Box::leak(Box::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let sections = |count: usize| (0..count).for_each(|_| pool.install(|| ()));
    sections(100);
    COUNTER.set(Some(counter));
    sections(630);
    COUNTER.set(None);
    let count = counter.count.load(Ordering::Relaxed);
    assert!(count <= 11, "{count}");
}
