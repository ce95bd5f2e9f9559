//! Spoken digits: recordings by name, frames of a filter bank.

use super::directory_of;
use super::files::fuzz;
use spikegrad::data::{Fsdd, FsddSplit, Parameters, Scaling, read_wav};
use std::path::Path;

/// A recording in the layout of the published ones, byte by byte.
fn wav(rate: u32, channels: u16, bits: u16, sound: &[i16]) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + 2 * sound.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels * bits / 8)).to_le_bytes());
    bytes.extend((channels * bits / 8).to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((2 * sound.len() as u32).to_le_bytes());
    bytes.extend(sound.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// A tone of the digit, as long as the number says.
fn tone(digit: usize, take: usize) -> Vec<i16> {
    let turn = std::f64::consts::TAU * (300.0 + 300.0 * digit as f64) / 8000.0;
    (0..800 + 80 * take).map(|n| (8000.0 * (turn * n as f64).sin()) as i16).collect()
}

fn write(place: &Path, speakers: &[&str], takes: usize) -> Fsdd {
    let directory = place.join("fsdd/recordings");
    std::fs::create_dir_all(&directory).unwrap();
    for digit in 0..10 {
        for speaker in speakers {
            for take in 0..takes {
                let path = directory.join(format!("{digit}_{speaker}_{take}.wav"));
                std::fs::write(path, wav(8000, 1, 16, &tone(digit, take))).unwrap();
            }
        }
    }
    std::fs::write(directory.join("notes.txt"), "no recording").unwrap();
    Fsdd { directory: Some(place.to_path_buf()), verify: false, valid: 1, steps: 15, bands: 20, ..Fsdd::default() }
}

#[test]
fn recordings_are_split_by_number_or_by_speaker() {
    let place = tempfile::tempdir().unwrap();
    let task = write(place.path(), &["anna", "bert"], 8);
    let split = task.load(1).unwrap();
    // Numbers 0 to 4 are tested on; of 5 to 7 one of each digit and speaker is held out.
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (40, 20, 100));
    let of_digit = |digit: u32| split.test.labels().iter().filter(|&&label| label == digit).count();
    assert!((0..10).all(|digit| of_digit(digit) == 10));
    let speaker = Fsdd { split: FsddSplit::Speaker, held_out: Some("bert".into()), ..task.clone() };
    let held_out = speaker.load(1).unwrap();
    assert_eq!((held_out.train.len(), held_out.valid.len(), held_out.test.len()), (70, 10, 80));
    let nobody = Fsdd { held_out: Some("carl".into()), ..speaker.clone() }.load(1).unwrap_err().to_string();
    assert!(nobody.contains("they are anna, bert"), "{nobody}");
    assert!(Fsdd { held_out: None, ..speaker }.load(1).unwrap_err().to_string().contains("data.held_out"));
    let all = Fsdd { verify: true, ..task }.load(1).unwrap_err().to_string();
    assert!(all.contains("160 recordings, expected 3000"), "{all}");
}

#[test]
fn frames_end_with_their_recording_and_tell_tones_apart() {
    let place = tempfile::tempdir().unwrap();
    let task = Fsdd { scale: Scaling::None, ..write(place.path(), &["anna"], 8) };
    let split = task.load(1).unwrap();
    assert_eq!((split.test.steps(), split.test.inputs()), (15, 20));
    for index in 0..split.test.len() {
        // 800 + 80·take samples in frames of 200 every 80: 9 + take frames (the last one is not full), 15 at most.
        let take = index % 5;
        assert_eq!(split.test.length(index), (9 + take).min(15));
        let sample = split.test.sample(index).unwrap();
        let rows: Vec<&[f32]> = sample.values().chunks_exact(20).collect();
        assert_eq!(rows.len(), 15);
        // Past its end the last frame goes on.
        assert!(rows[split.test.length(index) - 1..].windows(2).all(|rows| rows[0] == rows[1]));
        // The higher the tone, the higher the loudest band.
        let digit = split.test.labels()[index] as f64;
        let loudest = (0..20).max_by(|&a, &b| rows[3][a].total_cmp(&rows[3][b])).unwrap();
        let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
        let expected = 21.0 * (mel(300.0 + 300.0 * digit) - mel(20.0)) / (mel(4000.0) - mel(20.0)) - 1.0;
        assert!((loudest as f64 - expected).abs() <= 1.0, "digit {digit}: band {loudest}, expected {expected:.1}");
    }
    let lengths = split.test.select(&[0, 4]).unwrap().lengths;
    assert_eq!(lengths, Some(vec![9, 13]));
    assert_eq!(Fsdd { lengths: false, ..task }.load(1).unwrap().test.select(&[0, 4]).unwrap().lengths, None);
}

#[test]
fn bands_are_standardised_over_the_training_recordings() {
    let place = tempfile::tempdir().unwrap();
    let task = write(place.path(), &["anna"], 9);
    let split = task.load(1).unwrap();
    let mut sums = [(0.0f64, 0.0f64); 20];
    let mut frames = 0.0;
    for index in 0..split.train.len() {
        let sample = split.train.sample(index).unwrap();
        for row in sample.values().chunks_exact(20).take(split.train.length(index)) {
            frames += 1.0;
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = (sum.0 + f64::from(value), sum.1 + f64::from(value).powi(2));
            }
        }
    }
    for (sum, squares) in sums {
        assert!((sum / frames).abs() < 1e-3 && (squares / frames - 1.0).abs() < 0.02, "{sum} {squares} {frames}");
    }
}

#[test]
fn wrong_recordings_are_named() {
    let place = tempfile::tempdir().unwrap();
    let task = write(place.path(), &["anna"], 7);
    let path = place.path().join("fsdd/recordings/3_anna_2.wav");
    let load = || task.load(1).unwrap_err().to_string();
    let sound = tone(3, 2);
    std::fs::write(&path, wav(16_000, 1, 16, &sound)).unwrap();
    assert!(load().contains("3_anna_2.wav") && load().contains("16000 Hz"), "{}", load());
    std::fs::write(&path, wav(8000, 2, 16, &sound)).unwrap();
    assert!(load().contains("2 channels"), "{}", load());
    std::fs::write(&path, &wav(8000, 1, 16, &sound)[..300]).unwrap();
    assert!(load().contains("3_anna_2.wav") && load().contains("fetch fsdd"), "{}", load());
    std::fs::write(&path, b"").unwrap();
    assert!(load().contains("is not a WAV file"), "{}", load());
    // A header that claims four gigabytes.
    let mut huge = wav(8000, 1, 16, &sound);
    huge[40..44].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    std::fs::write(&path, &huge).unwrap();
    assert!(load().contains("which it does not hold"), "{}", load());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(place.path().join("fsdd/recordings/eleven.wav"), b"").unwrap();
    assert!(load().contains("eleven.wav: is not named"), "{}", load());
}

#[test]
fn no_recording_makes_the_reader_panic() {
    let sound = tone(1, 0);
    let valid = wav(8000, 1, 16, &sound[..100]);
    let read = read_wav(&valid).unwrap();
    assert!(read.iter().zip(&sound).all(|(read, value)| *read == f32::from(*value) / 32768.0) && read.len() == 100);
    fuzz(&valid, 5000, |bytes| drop(read_wav(bytes)));
}

#[test]
fn the_published_recordings_are_whole() {
    let Some(directory) = directory_of("fsdd") else { return };
    let task = Fsdd { directory: Some(directory), ..Fsdd::default() };
    let split = task.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (2400, 300, 300));
    assert_eq!((split.train.steps(), split.train.inputs(), split.train.classes()), (80, 40, 10));
    let whole = (0..2400).filter(|&index| split.train.length(index) < 80).count();
    assert!(whole > 2300, "{whole} of 2400 are shorter than 80 steps");
    let speaker = Fsdd { split: FsddSplit::Speaker, held_out: Some("theo".into()), ..task };
    assert_eq!(speaker.load(1).unwrap().test.len(), 500);
}
