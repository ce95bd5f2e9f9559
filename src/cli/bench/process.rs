//! A measurement in a process of its own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use spikegrad::{Error, Result};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Plain data as one line.
pub fn plain(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("plain data")
}

/// What a process was told to do.
///
/// # Errors
/// [`Error::Input`] where it is no such thing.
pub fn task<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Input(format!("no task: {error}")))
}

/// Runs this program with `arguments` and the task after them, on so many threads; `what` names it where it fails.
///
/// # Errors
/// [`Error::Input`] with what the process said.
pub fn measure<T: DeserializeOwned>(
    arguments: &[&str],
    task: &impl Serialize,
    what: &str,
    threads: Option<usize>,
) -> Result<T> {
    let program = std::env::current_exe().map_err(|error| Error::Input(format!("cannot find myself: {error}")))?;
    let mut command = Command::new(program);
    command.args(arguments).args(["--one", &plain(task)]);
    if let Some(threads) = threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    let output = command.output().map_err(|error| Error::Input(format!("a measurement cannot be started: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ");
        let said = if said.is_empty() { format!("ended with {}", output.status) } else { said.to_string() };
        return Err(Error::Input(format!("{what}: {said}")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::Input(format!("a measurement said nothing: {error}")))
}

/// Runs a foreign program to its end, or until `most` is over; what it wrote on stdout.
///
/// # Errors
/// The last line of what it complained about, or that it took too long.
pub fn foreign(command: &mut Command, most: Duration) -> std::result::Result<String, String> {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    // Both are read while it runs: a full pipe would stop it.
    fn text(pipe: &mut Option<impl Read>) -> String {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What cannot be read was not said.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
    let (said, complained) = (std::thread::spawn(move || text(&mut out)), std::thread::spawn(move || text(&mut err)));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() > most => {
                // It may have ended by itself just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took more than {} s", most.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    };
    let (said, complained) = (said.join().unwrap_or_default(), complained.join().unwrap_or_default());
    match status.success() {
        true => Ok(said),
        false => Err(complained.trim().lines().last().unwrap_or("no message").trim().to_string()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_program_is_read_or_says_why_not() {
        let run = |script: &str, most| foreign(Command::new("sh").args(["-c", script]), Duration::from_millis(most));
        assert_eq!(run("echo 1; echo 2", 60_000), Ok("1\n2\n".into()));
        assert_eq!(run("echo first >&2; echo why >&2; exit 3", 60_000), Err("why".into()));
        assert_eq!(run("sleep 60", 50), Err("took more than 0 s".into()));
        assert!(foreign(&mut Command::new("/no/such/program"), Duration::ZERO).unwrap_err().contains("started"));
    }
}
