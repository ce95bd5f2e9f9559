//! What can be asked for.

use clap::{Args, Parser, Subcommand, ValueEnum};
use spikegrad::engine::{Budget, TapeKind, Wish};
use std::path::PathBuf;

/// What the program's exit status says.
const STATUS: &str = "Exit status: 0 done; 1 training diverged, or an audit found a wrong gradient; 2 what was asked for cannot be \
                      done, and one line on stderr says why.";

/// Train spiking neural networks by surrogate gradients, on any GPU and without one.
#[derive(Debug, Parser)]
#[command(name = "spikegrad", version, about, after_help = STATUS, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network and write a run directory
    Train(Train),
    /// Measure a run on its validation and test sets
    Eval(Eval),
    /// Write one HTML page about a run, or about several beside each other (docs/report.md)
    Report(Report),
    /// List what can compute here, and what would be used
    Devices(Devices),
    /// One forward and backward pass from files to a file, to check the numbers (docs/grad.md)
    Grad(Grad),
    /// Compare gradients with difference quotients: of a network, or of everything that there is
    Audit(Audit),
    /// List the presets, or print one as the beginning of a network file
    Preset(Preset),
    /// Measure training steps of named workloads, and the limits of the machine (docs/performance.md)
    Bench(Box<Bench>),
    /// Show where the time of a training step goes, by kernel and layer (docs/performance.md)
    Profile(Profile),
    /// Experiments of the papers: many networks that differ in a few switches (docs/studies.md)
    #[command(subcommand)]
    Study(Study),
    /// Data sets: list, fetch, convert, look at them (docs/data.md)
    Data(Data),
}

#[derive(Debug, Subcommand)]
pub enum Study {
    /// Accuracy over shape, slope and learning rate of the surrogate on random manifolds (Zenke & Vogels 2021, Fig. 3 and 5)
    Surrogates(StudySurrogates),
    /// Accuracy over spikes per inference, with the upper-bound regulariser (Zenke & Vogels 2021, Fig. 6)
    Sparsity(StudySparsity),
}

#[derive(Debug, Args)]
pub struct StudyRun {
    /// Epochs of each network
    #[arg(long, allow_negative_numbers = true)]
    pub epochs: Option<usize>,
    /// Seeds, from 1 up: means are over them
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Networks at once, each on a thread of its own [default: one for each core]
    #[arg(long, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Directory of the results: what is there already is not run again [default: runs/study-<name>]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StudySurrogates {
    /// Slopes and learning rates: 4 × 3, or the paper's 12 × 6
    #[arg(long, value_enum, default_value_t = Grid::Small)]
    pub grid: Grid,
    /// Recipe or training file whose first layer is varied
    #[arg(long, default_value = "randman")]
    pub recipe: String,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub run: StudyRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grid {
    Small,
    Paper,
}

#[derive(Debug, Args)]
pub struct StudySparsity {
    /// Recipes or training files
    #[arg(long, value_delimiter = ',', default_value = "randman")]
    pub recipes: Vec<String>,
    /// Strength of the regulariser
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub strength: f64,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub run: StudyRun,
}

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub what: Option<DataCommand>,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Sizes, labels and activity of a data set
    Info(DataInfo),
    /// Draw a sample
    View(DataView),
    /// Make event files, which training reads, from published files
    Convert(DataConvert),
    /// Download published files and check them
    Fetch(DataFetch),
}

#[derive(Debug, Args)]
pub struct DataInfo {
    /// A data set, or a training file (.toml) that says how it is prepared
    pub name: String,
}

#[derive(Debug, Args)]
pub struct DataView {
    /// A data set, or a training file (.toml), whose encoder is used
    pub name: String,
    /// Which part: train, valid, test
    #[arg(long, default_value = "test")]
    pub part: String,
    /// Which sample
    #[arg(long, default_value_t = 0)]
    pub sample: usize,
    /// Vary it as in this epoch, where the training file says how
    #[arg(long, value_name = "EPOCH")]
    pub varied: Option<usize>,
    /// Where the picture goes (.png)
    #[arg(long, default_value = "sample.png")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct DataConvert {
    /// shd, ssc, nmnist or dvs-gesture
    pub name: String,
}

#[derive(Debug, Args)]
pub struct DataFetch {
    /// A data set
    pub name: String,
    /// Another place that holds the same files
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// Measures a GPU for the choice of kernel forms and keeps the result; runs use it where SPIKEGRAD_CALIBRATED is set
    #[arg(long)]
    pub calibrate: bool,
    /// The GPU to measure: gpu, gpu:N
    #[arg(long, default_value = "gpu", requires = "calibrate")]
    pub device: String,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    pub what: Option<Measure>,
    #[command(flatten)]
    pub steps: BenchSteps,
}

#[derive(Debug, Subcommand)]
pub enum Measure {
    /// Memory of training steps
    Memory(BenchMemory),
    /// Time of training steps over steps, samples, neurons and activity, with a picture
    Sweep(BenchSweep),
}

#[derive(Debug, Args)]
pub struct BenchSteps {
    /// Workloads: W1, W2, W3-512, W3-4096, W3-8192, W3-16384, W4, W6
    #[arg(long, value_delimiter = ',', default_value = "W1,W2,W3-512,W4", value_name = "NAMES")]
    pub workload: Vec<String>,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of the CPU backend [default: one for each core]
    #[arg(long, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Surrogate of the hidden layers: that of the workload, or a triangle that is 0 away from the threshold
    #[arg(long, value_enum, default_value_t = Variants::Default)]
    pub surrogate: Variants,
    /// Steps that are timed [default: 10, 3 with --quick]
    #[arg(long, allow_negative_numbers = true)]
    pub repetitions: Option<usize>,
    /// Fewer repetitions, and limits of smaller arrays
    #[arg(long)]
    pub quick: bool,
    /// Measures public libraries in turn, with these Python interpreters (benches/peers)
    #[arg(long, value_delimiter = ',', value_name = "PYTHON")]
    pub vs: Vec<PathBuf>,
    /// Which libraries [default: torch-fused, torch, snntorch, spikingjelly, norse, sinabs, spyx, where they are installed]
    #[arg(long, value_delimiter = ',', value_name = "NAMES", requires = "vs")]
    pub peers: Vec<String>,
    /// Writes the numbers there as well (.json)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// One measurement, for a process of its own
    #[arg(long, hide = true)]
    pub one: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Variants {
    Default,
    Compact,
    Both,
}

#[derive(Debug, Args)]
pub struct BenchSweep {
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of the CPU backend [default: one for each core]
    #[arg(long, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Fewer sizes and repetitions
    #[arg(long)]
    pub quick: bool,
    /// Where the picture goes (.png)
    #[arg(long, default_value = "sweep.png")]
    pub picture: PathBuf,
    /// Writes the numbers there as well (.json)
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Profile {
    /// A workload (W1, W2, W3-512, W4, …), a recipe (randman, …) or a training file (.toml)
    pub what: String,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of the CPU backend [default: one for each core]
    #[arg(long, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Steps that are profiled
    #[arg(long, default_value_t = 3, allow_negative_numbers = true)]
    pub repetitions: usize,
    /// A triangle that is 0 away from the threshold in the hidden layers of a workload
    #[arg(long)]
    pub compact: bool,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Writes every call there, for chrome://tracing or ui.perfetto.dev (.json)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchMemory {
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Leaves out what takes minutes
    #[arg(long)]
    pub quick: bool,
    /// Writes the numbers there as well (.json)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// One measurement, for a process of its own
    #[arg(long, hide = true)]
    pub one: Option<String>,
}

#[derive(Debug, Args)]
pub struct Preset {
    /// Its name; left out: all names
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Train {
    /// A recipe (randman, braille, mnist-latency, …; a wrong name lists them) or a training file (.toml)
    pub recipe: Option<String>,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Passes over the training set
    #[arg(long, allow_negative_numbers = true)]
    pub epochs: Option<usize>,
    /// Samples of a batch
    #[arg(long, allow_negative_numbers = true)]
    pub batch: Option<usize>,
    /// Seed of weights, data and order
    #[arg(long, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Learning rate
    #[arg(long, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Run directory [default: runs/<recipe>-<seed>]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Go on with a run: RUN, or --out, or the newest run of the recipe
    #[arg(long, num_args = 0..=1, value_name = "RUN")]
    pub resume: Option<Option<PathBuf>>,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Writes events for TensorBoard into the run directory as well
    #[arg(long)]
    pub tensorboard: bool,
    #[command(flatten)]
    pub memory: Memory,
}

#[derive(Debug, Args)]
pub struct Report {
    /// Run directories; those that differ only in seed are taken together
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where the page goes [default: RUN/report.html, of several runs report.html]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub memory: Memory,
}

#[derive(Debug, Args)]
pub struct Memory {
    /// Memory of the run on its device: 512MiB, 2GiB, max, or auto (half of a machine's memory, 2GiB of a GPU's)
    #[arg(long, default_value = "auto", value_name = "BYTES")]
    pub memory: String,
    /// What is kept of the potentials: whole or replay (to the same bits), or half (in 16 bits) [default: what fits]
    #[arg(long, value_enum)]
    pub tape: Option<Tape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tape {
    Whole,
    Half,
    Replay,
}

impl Memory {
    /// As the engine takes it.
    pub fn parse(&self) -> spikegrad::Result<(Budget, Wish)> {
        let tape = self.tape.map(|tape| match tape {
            Tape::Whole => TapeKind::Whole,
            Tape::Half => TapeKind::Half,
            Tape::Replay => TapeKind::Replay,
        });
        Ok((self.memory.parse()?, Wish { tape, ..Wish::default() }))
    }
}

#[derive(Debug, Args)]
pub struct Eval {
    /// Run directory
    pub run: PathBuf,
    /// Shows which classes of the test set are taken for which
    #[arg(long)]
    pub confusion: bool,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Directory of the data sets [default: $SPIKEGRAD_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub memory: Memory,
}

#[derive(Debug, Args)]
pub struct Grad {
    /// Network file
    pub network: PathBuf,
    /// Input spikes or values and labels (.safetensors)
    #[arg(long)]
    pub input: PathBuf,
    /// Parameters under the names of a checkpoint (.safetensors)
    #[arg(long)]
    pub params: PathBuf,
    /// Where the results go (.safetensors)
    #[arg(long)]
    pub out: PathBuf,
    /// Number type; f64 runs on the CPU
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub dtype: Dtype,
    /// Where to compute: auto, cpu, gpu, gpu:N
    #[arg(long, default_value = "auto")]
    pub device: String,
}

#[derive(Debug, Args)]
pub struct Audit {
    /// Network or training file; left out: every neuron, reset, surrogate, loss and regulariser
    pub network: Option<PathBuf>,
    /// Steps of the sequence
    #[arg(long, default_value_t = 12)]
    pub steps: usize,
    /// Samples
    #[arg(long, default_value_t = 2)]
    pub batch: usize,
    /// Seed of parameters, input and loss
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Entries of each parameter that are moved
    #[arg(long, default_value_t = 40)]
    pub entries: usize,
    /// Without a file: only these neurons
    #[arg(long, value_name = "NAME", conflicts_with = "network")]
    pub neuron: Vec<String>,
    /// Without a file: a line for each network
    #[arg(long, conflicts_with = "network")]
    pub all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    F32,
    F64,
}
