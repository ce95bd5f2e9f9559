//! The command line of spikegrad.

mod cli;

fn main() -> std::process::ExitCode {
    // Vulkan's window-system code prints an error for each driver where no session has set this; nothing here opens a window.
    #[cfg(unix)]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the only thread so far.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    cli::main()
}
