//! Event files for TensorBoard, read back byte by byte: framing, checksums, messages.

use super::{SMALL, good};
use spikegrad::io::{Checkpoint, EpochMetrics, RunDirectory};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// CRC32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    for byte in bytes {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = if remainder & 1 == 1 { 0x82f6_3b78 } else { 0 };
            remainder = (remainder >> 1) ^ carry;
        }
    }
    !remainder
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The records of a file, whose checksums are right.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(word(8), masked(&bytes[..8]), "checksum of a length");
        let record = &bytes[12..12 + length];
        assert_eq!(word(12 + length), masked(record), "checksum of a record");
        records.push(record);
        bytes = &bytes[16 + length..];
    }
    records
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Integer(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// The fields of a message by number, in their order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let field = match key & 7 {
            1 => Field::Double(f64::from_le_bytes(take(8).try_into().unwrap())),
            5 => Field::Float(f32::from_le_bytes(take(4).try_into().unwrap())),
            0 => Field::Integer(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(taken)
            }
            wire => panic!("no such wire type: {wire}"),
        };
        all.push((key >> 3, field));
    }
    all
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// A distribution: least, largest, number, sum, sum of squares, limits and counts.
#[derive(Clone, Debug, Default)]
struct Histogram {
    numbers: Vec<f64>,
    limits: Vec<f64>,
    counts: Vec<f64>,
}

/// What a file tells of a step.
#[derive(Clone, Debug, Default)]
struct Step {
    step: u64,
    scalars: BTreeMap<String, f32>,
    histograms: BTreeMap<String, Histogram>,
}

/// The steps of an event file, which begins with its version.
fn steps(path: &Path) -> Vec<Step> {
    let bytes = std::fs::read(path).unwrap();
    let records = records(&bytes);
    assert!(
        matches!(fields(records[0])[..], [(1, Field::Double(time)), (3, Field::Bytes(b"brain.Event:2"))] if time > 1e9)
    );
    records[1..].iter().map(|record| step(record)).collect()
}

fn step(record: &[u8]) -> Step {
    let mut out = Step::default();
    for (number, field) in fields(record) {
        match (number, field) {
            (1, Field::Double(time)) => assert!(time > 1e9, "seconds since 1970: {time}"),
            (2, Field::Integer(step)) => out.step = step,
            (5, Field::Bytes(summary)) => {
                for (number, value) in fields(summary) {
                    let (1, Field::Bytes(value)) = (number, value) else { panic!("{number}: {value:?}") };
                    let value = fields(value);
                    let [(1, Field::Bytes(tag)), value] = value[..] else { panic!("{value:?}") };
                    let tag = String::from_utf8(tag.to_vec()).unwrap();
                    match value {
                        (2, Field::Float(value)) => assert!(out.scalars.insert(tag, value).is_none()),
                        (5, Field::Bytes(message)) => {
                            let mut histogram = Histogram::default();
                            for field in fields(message) {
                                match field {
                                    (1..=5, Field::Double(value)) => histogram.numbers.push(value),
                                    (6, Field::Bytes(packed)) => histogram.limits = doubles(packed),
                                    (7, Field::Bytes(packed)) => histogram.counts = doubles(packed),
                                    other => panic!("{other:?}"),
                                }
                            }
                            assert!(out.histograms.insert(tag, histogram).is_none());
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    out
}

fn files(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents."))
        .collect();
    files.sort();
    files
}

#[test]
fn events_hold_the_numbers_of_the_epochs_and_a_resumed_run_goes_on() {
    // The checksum of nine digits that every description of CRC32C gives.
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    good(at, &["train", "small.toml", "--device", "cpu", "--out", "run", "--tensorboard"]);
    let run = at.join("run");
    let metrics = |epochs: usize| -> Vec<EpochMetrics> { RunDirectory::open(&run).unwrap().metrics(epochs).unwrap() };
    let first = steps(&files(&run)[0]);
    assert_eq!(files(&run).len(), 1);
    assert_eq!(first.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
    for (step, epoch) in first.iter().zip(metrics(3)) {
        let expected = [
            ("loss/train", epoch.train_loss),
            ("loss/valid", epoch.valid_loss.unwrap()),
            ("accuracy/train", epoch.train_accuracy),
            ("accuracy/valid", epoch.valid_accuracy.unwrap()),
            ("spikes_per_sample", epoch.spikes_per_sample),
            ("learning_rate", epoch.learning_rate),
            ("neuron_steps_per_s", epoch.neuron_steps_per_s),
            ("synaptic_operations", epoch.activity.synaptic_operations),
            ("spikes_per_neuron/layer0", epoch.activity.spikes_per_neuron[0]),
            ("dead_fraction/layer0", epoch.activity.dead_fraction[0]),
            ("saturated_fraction/layer0", epoch.activity.saturated_fraction[0]),
        ];
        let expected: BTreeMap<String, f32> =
            expected.into_iter().map(|(tag, value)| (tag.into(), value as f32)).collect();
        assert_eq!(step.scalars, expected);
    }
    // The last distribution is that of the parameters in the checkpoint.
    let parameters = Checkpoint::load(run.join("checkpoint.safetensors")).unwrap().parameters;
    let told = &first[2].histograms;
    let names: Vec<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(names, ["layer0/recurrent", "layer0/weight", "layer1/weight"]);
    for (name, histogram) in told {
        let values = &parameters[&name.replace('/', ".")].values;
        let Histogram { numbers, limits, counts } = histogram;
        let low = f64::from(values.iter().copied().fold(f32::INFINITY, f32::min));
        let high = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        for (told, expected) in numbers.iter().zip([low, high, values.len() as f64, sum, squares]) {
            assert!((told - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{name}: {told} {expected}");
        }
        assert_eq!((limits.len(), limits.last()), (counts.len(), Some(&high)), "{name}");
        assert!(limits.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {limits:?}");
        let below = |limit: f64| values.iter().filter(|value| f64::from(**value) < limit).count() as f64;
        assert_eq!(counts.iter().sum::<f64>(), values.len() as f64, "{name}");
        // Values on a limit may count on either side of it.
        assert!((counts[0] - below(limits[0])).abs() <= 1.0, "{name}");
    }
    good(at, &["train", "--resume", "run", "--device", "cpu", "--epochs", "5", "--tensorboard"]);
    assert_eq!(files(&run).len(), 2);
    let second = steps(&files(&run)[1]);
    assert_eq!(second.iter().map(|step| step.step).collect::<Vec<_>>(), [4, 5], "no epoch is told twice");
    // Without the option no file is written.
    good(at, &["train", "small.toml", "--device", "cpu", "--epochs", "1", "--out", "plain"]);
    assert!(files(&at.join("plain")).is_empty());
}
