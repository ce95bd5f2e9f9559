//! `spikegrad bench sweep`: how the time of a step goes with steps, samples, neurons and activity.

use super::step::{Measured, Task};
use super::steps::{One, one, threads_fit, write_json};
use super::workload::{Sizes, Surrogates};
use crate::cli::arguments::BenchSweep;
use crate::cli::picture::{SweepLine, SweepPanel, sweep};
use crate::cli::say;
use serde::Serialize;
use spikegrad::Result;
use spikegrad::engine::Device;
use spikegrad::io::check_writable;

/// What is held still while something else is varied.
const BASE: Sizes = Sizes { steps: 200, batch: 32, units: 256, active: 0.05 };

/// What is varied: its name, what to make of a number, and the numbers, the quick ones first.
type Axis = (&'static str, fn(f64) -> Sizes, [f64; 3], &'static [f64]);
const AXES: [Axis; 4] = [
    ("T", |value| Sizes { steps: value as usize, ..BASE }, [50.0, 200.0, 800.0], &[100.0, 400.0]),
    ("B", |value| Sizes { batch: value as usize, ..BASE }, [8.0, 32.0, 128.0], &[16.0, 64.0]),
    ("N", |value| Sizes { units: value as usize, ..BASE }, [64.0, 256.0, 1024.0], &[128.0, 512.0]),
    ("activity", |value| Sizes { active: value, ..BASE }, [0.01, 0.05, 0.2], &[0.005, 0.02, 0.1]),
];

/// A measurement, and what was varied.
#[derive(Serialize)]
struct Point {
    axis: &'static str,
    value: f64,
    #[serde(flatten)]
    measured: Measured,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine, and of the files.
pub fn run(arguments: &BenchSweep) -> Result<()> {
    arguments.device.parse::<Device>()?.check()?;
    threads_fit(arguments.threads)?;
    check_writable(&arguments.picture)?;
    arguments.out.as_ref().map_or(Ok(()), check_writable)?;
    say("A training step of n → n recurrent → 20; what is not varied: T = 200, B = 32, N = 256, 5 % active");
    say("");
    say(&format!(
        "{:<9} {:>7}  {:<9} {:>10} {:>24}  {:>9}  {:>13}",
        "varied", "value", "surrogate", "step", "(least to most)", "activity", "neuron-steps"
    ));
    let mut points: Vec<Point> = Vec::new();
    for (axis, sizes, quick, more) in AXES {
        let more = if arguments.quick { &[][..] } else { more };
        let mut values = [&quick[..], more].concat();
        values.sort_by(f64::total_cmp);
        for value in values {
            for surrogate in [Surrogates::Default, Surrogates::Compact] {
                let repetitions = if arguments.quick { 3 } else { 7 };
                let device = arguments.device.clone();
                let sizes = Some(sizes(value));
                let task = Task { workload: "sweep".into(), surrogate, device, repetitions, brief: true, sizes };
                let measured: Measured = one(&One::Step(task), &format!("{axis} = {value}"), arguments.threads)?;
                let point = Point { axis, value, measured };
                say(&row(&point));
                points.push(point);
            }
        }
    }
    let title = match points.first() {
        Some(Point { measured, .. }) => format!("{}; medians, and from the least to the most", measured.device),
        None => String::new(),
    };
    sweep(&arguments.picture, &title, &AXES.map(|(axis, ..)| panel(axis, &points)))?;
    say(&format!("drawn to {}", arguments.picture.display()));
    match &arguments.out {
        Some(path) => write_json(path, &points),
        None => Ok(()),
    }
}

fn row(Point { axis, value, measured }: &Point) -> String {
    let times = &measured.step_ms;
    let value = if *axis == "activity" { format!("{:.1} %", 100.0 * value) } else { format!("{value}") };
    let range = format!("({:.1} to {:.1})", times.min, times.max);
    let activity = format!("{:.1} %", 100.0 * measured.activity[0]);
    let name = measured.surrogate.name();
    let speed = format!("{:.1} M/s", measured.neuron_steps_per_s / 1e6);
    format!("{axis:<9} {value:>7}  {name:<9} {:>7.1} ms {range:>24}  {activity:>9}  {speed:>13}", times.median)
}

/// What the picture shows of an axis: of the activity what was measured, in percent.
fn panel(axis: &'static str, points: &[Point]) -> SweepPanel {
    let line = |surrogate: Surrogates| {
        let own = points.iter().filter(|point| point.axis == axis && point.measured.surrogate == surrogate);
        let size = |point: &Point| if axis == "activity" { 100.0 * point.measured.activity[0] } else { point.value };
        SweepLine {
            name: format!("{} surrogate", surrogate.name()),
            points: own.clone().map(|point| (size(point), point.measured.step_ms.median)).collect(),
            ranges: own.map(|point| (point.measured.step_ms.min, point.measured.step_ms.max)).collect(),
        }
    };
    let name = match axis {
        "T" => "steps T",
        "B" => "samples B",
        "N" => "neurons N",
        _ => "active hidden neurons in a step (%)",
    };
    let lines = vec![line(Surrogates::Default), line(Surrogates::Compact)];
    SweepPanel { name, lines, linear: axis == "T" || axis == "B" }
}
