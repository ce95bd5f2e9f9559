//! Reports: one page that needs nothing else, whose numbers are those of the run.

use super::{SMALL, bad, good, program};
use spikegrad::engine::{Budget, Device, Engine, OptimiserState};
use spikegrad::io::{Checkpoint, Progress, RunDirectory};
use spikegrad::learn::Recipe;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The small training file with weights that make most of its neurons spike; 8 test samples of each of 3 classes.
fn lively() -> String {
    SMALL.replacen("gain = 6.0", "gain = 8.0", 1)
}

/// Trains the small network in `at`.
fn train(at: &Path, more: &[&str]) {
    std::fs::write(at.join("small.toml"), lively()).unwrap();
    good(at, &[&["train", "small.toml", "--device", "cpu"], more].concat());
}

fn page(path: &Path) -> String {
    let page = std::fs::read_to_string(path).unwrap();
    stands_alone(&page);
    page
}

/// Nothing in the page is fetched from elsewhere, and nothing in it runs.
fn stands_alone(page: &str) {
    for tag in
        ["<script", "<link", "<iframe", "<object", "<embed", "<img", "<base", "@import", "url(", "<image", "<use"]
    {
        assert!(!page.contains(tag), "{tag}");
    }
    for attribute in ["src=\"", "href=\"", "srcset=\"", "action=\""] {
        for value in page.split(&format!(" {attribute}")).skip(1) {
            assert!(value.starts_with("#run-"), "{attribute}{}", &value[..40]);
        }
    }
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for tag in ["section", "figure", "svg", "table", "div", "details", "pre", "g", "text"] {
        let (open, close) = (
            page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count(),
            page.matches(&format!("</{tag}>")).count(),
        );
        assert_eq!(open, close, "<{tag}>");
    }
}

/// What stands between the two, for every time that they are there.
fn between<'a>(page: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    page.split(from).skip(1).map(|rest| rest.split(to).next().unwrap()).collect()
}

/// A number of the page's first row of facts.
fn fact(page: &str, name: &str) -> f64 {
    let text = between(page, &format!("<dt>{name}</dt><dd>"), "<")[0];
    text.trim_end_matches("\u{202f}%").parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

/// Class, answer and samples of each entry of the confusion matrix.
fn confusion(page: &str) -> Vec<(String, String, u64)> {
    let entries = between(page, "<title>", "</title>").into_iter().filter_map(|title| {
        let (class, rest) = title.split_once(" taken for ")?;
        let (answer, rest) = rest.split_once(": ")?;
        Some((class.to_string(), answer.to_string(), rest.split(' ').next()?.parse().ok()?))
    });
    entries.collect()
}

fn summary(run: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("summary.json")).unwrap()).unwrap()
}

#[test]
fn the_page_of_a_run_has_its_parts_and_the_numbers_of_eval() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    train(at, &[]);
    let run = at.join("runs/small-1");
    assert!(good(at, &["report", "runs/small-1", "--device", "cpu"]).contains("report.html"));
    let page = page(&run.join("report.html"));
    for part in [
        "Learning curves",
        "Confusion matrix",
        "Samples",
        "Activity over epochs",
        "Firing rates on the test set",
        "Parameters",
        "Gradients",
        "Plan and device",
        "Configuration",
    ] {
        assert!(
            page.contains(&format!("<h2>{part}</h2>")) || page.contains(&format!("<summary>{part}</summary>")),
            "{part}"
        );
    }
    let summary = summary(&run);
    let number = |key: &str| summary[key].as_f64().unwrap();
    let evaluated = good(at, &["eval", "runs/small-1", "--device", "cpu"]);
    let accuracy = fact(&page, "test accuracy");
    assert!(evaluated.contains(&format!("test     accuracy {accuracy:.2} %")), "{accuracy}: {evaluated}");
    assert!((fact(&page, "test loss") / number("test_loss") - 1.0).abs() < 1e-3);
    assert!(number("spikes_per_sample") > 1.0, "{summary}");
    assert!((fact(&page, "hidden spikes") / number("spikes_per_sample") - 1.0).abs() < 1e-3);
    assert_eq!(fact(&page, "parameters"), number("parameters"));
    // Every test sample is in the matrix once, and the right ones are on its diagonal.
    let matrix = confusion(&page);
    let (all, right) = matrix.iter().fold((0, 0), |(all, right), (class, answer, samples)| {
        (all + samples, right + if class == answer { *samples } else { 0 })
    });
    assert_eq!(all, 24, "{matrix:?}");
    assert!((100.0 * right as f64 / all as f64 - accuracy).abs() < 0.01, "{right} of {all}, {accuracy} %");
    // A recall is the share of a class's samples that are on the diagonal.
    let of = |class: &str, answer: Option<&str>| -> u64 {
        let entries = matrix.iter().filter(|(c, a, _)| c == class && answer.is_none_or(|answer| answer == a));
        entries.map(|(.., samples)| samples).sum()
    };
    for class in ["0", "1", "2"] {
        let recall = 100.0 * of(class, Some(class)) as f64 / of(class, None) as f64;
        let row = between(&page, &format!("<th scope=\"row\">{class}</th>"), "</tr>")[0];
        let cells = between(row, "<td class=\"n\">", "</td>");
        assert_eq!((cells[0], cells[1]), (&*of(class, None).to_string(), &*format!("{recall:.1}\u{202f}%")), "{row}");
    }
    // A histogram of a layer's rates counts its neurons, and one of its weights the weights.
    let counted = |figure: &str| -> u64 {
        let figure = between(&page, &format!("<figcaption>{figure}</figcaption>"), "</figure>")[0];
        let bars = between(figure, "<title>", "</title>").into_iter().filter_map(|bar| bar.split_once(" of "));
        bars.map(|(bar, _)| bar.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!(counted("layer 0: 16 cuba_lif recurrent"), 16);
    assert_eq!(counted("layer0.recurrent"), 16 * 16);
    // The same run gives the same page, except for what depends on nothing else.
    good(at, &["report", "runs/small-1", "--device", "cpu", "--out", "again.html"]);
    assert_eq!(std::fs::read_to_string(at.join("again.html")).unwrap(), page);
}

#[test]
fn runs_that_differ_in_seed_are_taken_together_and_others_by_what_differs() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    for more in [&["--seed", "1"][..], &["--seed", "2"], &["--seed", "1", "--lr", "0.1", "--out", "fast"]] {
        train(at, more);
    }
    let runs = ["runs/small-1", "runs/small-2", "fast", "runs/../runs/small-1"];
    good(at, &[&["report", "--device", "cpu"], &runs[..]].concat());
    let page = page(&at.join("report.html"));
    assert!(page.contains("<h1>3 runs</h1>"), "the same directory twice is one run");
    let accuracies =
        ["runs/small-1", "runs/small-2"].map(|run| 100.0 * summary(&at.join(run))["test_accuracy"].as_f64().unwrap());
    let mean = (accuracies[0] + accuracies[1]) / 2.0;
    let deviation = (accuracies[0] - accuracies[1]).abs() / 2f64.sqrt();
    let expected = format!("{mean:.2}\u{202f}% ± {deviation:.2}\u{202f}%");
    assert!(page.contains(&expected), "{expected}");
    let table = between(&page, "<h2>Differences</h2>", "</table>")[0];
    assert_eq!(between(table, "<th scope=\"row\">", "</th>"), ["train.optimiser.rate"], "{table}");
    assert_eq!(between(table, "<td>", "</td>"), ["0.02", "0.1"], "{table}");
    for run in 0..3 {
        assert!(
            page.contains(&format!("<a href=\"#run-{run}\">")) && page.contains(&format!("<section id=\"run-{run}\">"))
        );
    }
    assert!(page.contains("Mean over seeds; the band"), "the curves tell what the band is");
}

#[test]
fn a_killed_run_is_reported_as_far_as_it_went() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), lively().replace("epochs = 3", "epochs = 100000")).unwrap();
    let mut command = program(at);
    command.args(["train", "small.toml", "--device", "cpu", "--out", "run"]).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let epochs =
        || RunDirectory::open(&at.join("run")).and_then(|run| run.readable_metrics()).map_or(0, |all| all.len());
    while epochs() < 3 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(2));
    }
    good(at, &["report", "run", "--device", "cpu"]);
    let going = page(&at.join("run/report.html"));
    child.kill().unwrap();
    child.wait().unwrap();
    let state = between(&going, "<p class=\"state open\">", "<")[0];
    assert!(state.starts_with("still training, ") && state.ends_with(" of 100000 epochs"), "{state}");
    good(at, &["report", "run", "--device", "cpu"]);
    let killed = page(&at.join("run/report.html"));
    let done = Checkpoint::load(at.join("run/checkpoint.safetensors")).unwrap().progress.epoch;
    assert!(killed.contains(&format!("stopped after {done} of 100000 epochs")), "{done}");
    assert_eq!(confusion(&killed).iter().map(|(.., samples)| samples).sum::<u64>(), 24);
    assert!(killed.contains("Trained on cpu: "), "the device is known before the end");
}

#[test]
fn a_run_without_newer_files_and_fields_is_reported() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    train(at, &["--out", "old"]);
    let old = at.join("old");
    let mut lines = String::new();
    for line in std::fs::read_to_string(old.join("metrics.jsonl")).unwrap().lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("activity");
        lines += &format!("{line}\n");
    }
    // The last line was cut off.
    std::fs::write(old.join("metrics.jsonl"), &lines[..lines.len() - 20]).unwrap();
    for name in ["plan.txt", "summary.json", ".lock"] {
        std::fs::remove_file(old.join(name)).unwrap();
    }
    let out = good(at, &["report", "old", "--device", "cpu"]);
    assert!(out.contains("tells of 2 epochs only, of 3") && out.contains("plan.txt"), "{out}");
    let without = page(&old.join("report.html"));
    assert!(without.contains("<h2>Confusion matrix</h2>") && !without.contains("<h2>Activity over epochs</h2>"));
    // Without parameters, the curves are left.
    std::fs::remove_file(old.join("checkpoint.safetensors")).unwrap();
    good(at, &["report", "old", "--device", "cpu"]);
    let curves = page(&old.join("report.html"));
    assert!(curves.contains("There is no checkpoint") && curves.contains("<h2>Learning curves</h2>"));
    assert!(!curves.contains("<h2>Confusion matrix</h2>") && !curves.contains("<h2>Parameters</h2>"));
}

#[test]
fn without_the_data_set_the_rest_is_reported() {
    let place = tempfile::tempdir().unwrap();
    let recipe = Recipe::named("braille").unwrap();
    let directory = RunDirectory::create(Some(&place.path().join("run")), "braille", 1).unwrap();
    directory.write_config(&recipe.to_toml()).unwrap();
    let mut engine = Engine::new(recipe.network.clone(), Device::Cpu, Budget::default()).unwrap();
    engine.initialise(1).unwrap();
    let progress = Progress::start(recipe.to_toml(), 1);
    let parameters = engine.parameters().unwrap();
    let checkpoint = Checkpoint { progress, parameters, best: None, optimiser: OptimiserState::default() };
    checkpoint.save(directory.checkpoint()).unwrap();
    let out = good(place.path(), &["report", "run", "--device", "cpu"]);
    assert!(out.contains("The data set is not there") && out.contains("braille.npz"), "{out}");
    let page = page(&directory.file("report.html"));
    assert!(page.contains("The data set is not there") && page.contains("stopped after 0 of 100 epochs"));
    assert!(page.contains("<h2>Parameters</h2>") && !page.contains("<h2>Confusion matrix</h2>"));
}

#[test]
fn what_files_say_is_shown_and_not_obeyed() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let name = "<img src=x onerror=alert(1)>&\"'";
    train(at, &["--out", name]);
    let run = at.join(name);
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    std::fs::write(run.join("config.toml"), format!("# </pre><script>alert(2)</script>\n{config}")).unwrap();
    std::fs::write(run.join("plan.txt"), "cpu: <script>3</script>\n</pre><link href=\"http://x\">\n\u{0}\u{7f}")
        .unwrap();
    let mut summary = summary(&run);
    summary["device"] = "<iframe src=\"https://x\">".into();
    std::fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    good(at, &["report", name, "--device", "cpu", "--out", "page.html"]);
    let one = page(&at.join("page.html"));
    for shown in [
        "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;",
        "&lt;script&gt;alert(2)&lt;/script&gt;",
        "&lt;iframe src",
        "&lt;/pre&gt;&lt;link",
    ] {
        assert!(one.contains(shown), "{shown}");
    }
    assert!(!one.chars().any(|c| c.is_control() && c != '\n'));
    train(at, &["--lr", "0.5", "--out", "other"]);
    good(at, &["report", name, "other", "--device", "cpu", "--out", "page.html"]);
    assert!(page(&at.join("page.html")).contains("<h2>Differences</h2>"));
}

#[test]
fn a_directory_without_a_run_is_refused_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    bad(at, &["report"], &["RUN"]);
    bad(at, &["report", "nowhere"], &["nowhere", "no such run"]);
    bad(at, &["report", "."], &["not a run directory", "config.toml"]);
    train(at, &["--epochs", "1"]);
    bad(at, &["report", "runs/small-1", "nowhere", "--device", "cpu"], &["nowhere", "no such run"]);
    bad(at, &["report", "runs/small-1", "--device", "cpu", "--out", "runs"], &["runs", "is a directory", "--out"]);
    bad(
        at,
        &["report", "runs/small-1", "--device", "cpu", "--out", "no/such/page.html"],
        &["page.html", "cannot be written"],
    );
    bad(at, &["report", "runs/small-1", "--device", "tpu"], &["tpu"]);
    std::fs::write(at.join("runs/small-1/config.toml"), "inputs = 3\n[train]\n").unwrap();
    bad(at, &["report", "runs/small-1", "--device", "cpu"], &["config.toml"]);
    assert!(!at.join("report.html").exists() && !at.join("runs/small-1/report.html").exists());
}
