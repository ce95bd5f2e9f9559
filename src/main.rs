//! The command line of spikegrad.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
