//! Memory on the command line: a bound changes no number, one that is too tight names what would do, and the measurement runs.

use super::{SMALL, bad, good, run};

#[test]
fn a_bound_on_memory_changes_no_number() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    let train = |out: &str, more: &[&str]| {
        let all = [&["train", "small.toml", "--device", "cpu", "--out", out][..], more].concat();
        let said = good(at, &all);
        let learned = std::fs::read(at.join(out).join("checkpoint.safetensors")).unwrap();
        let plan = std::fs::read_to_string(at.join(out).join("plan.txt")).unwrap();
        (said, learned, plan)
    };
    let (said, whole, plan) = train("whole", &[]);
    assert!(said.contains("memory   30 steps × 16 samples:") && said.contains("plan     in one piece"), "{said}");
    assert!(plan.contains("potentials kept"), "{plan}");
    let refused = run(at, &["train", "small.toml", "--device", "cpu", "--out", "no", "--memory", "10KiB"]);
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("the smallest that would do is"), "{refused}");
    assert!(!at.join("no").exists(), "nothing is written where nothing can run");
    let bytes = refused.split(" bytes), weights").next().and_then(|text| text.rsplit('(').next()).unwrap();
    let (said, _, plan) = train("least", &["--memory", bytes]);
    assert!(said.contains("segments") && plan.contains("% more work"), "{said} {plan}");
    let (_, replayed, plan) = train("replayed", &["--tape", "replay"]);
    assert!(plan.contains("potentials replayed"), "{plan}");
    assert!(replayed == whole, "a replayed tape gives the same checkpoint");
    let (_, half, _) = train("half", &["--tape", "half"]);
    assert!(half != whole, "16 bits are not 32");
    let evaluated = good(at, &["eval", "whole", "--device", "cpu"]);
    assert_eq!(evaluated, good(at, &["eval", "whole", "--device", "cpu", "--memory", "100KiB"]));
}

#[test]
fn amounts_of_memory_are_read_or_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("small.toml"), SMALL).unwrap();
    for amount in ["lots", "12parsecs", "-5", "0", "1e400", "MiB"] {
        bad(place.path(), &["train", "small.toml", &format!("--memory={amount}")], &["memory", "512MiB"]);
    }
    for amount in ["max", "auto", "1GiB", "1.5gib", "300000000", "64MB"] {
        good(place.path(), &["train", "small.toml", "--device", "cpu", "--epochs", "1", "--memory", amount]);
    }
}
