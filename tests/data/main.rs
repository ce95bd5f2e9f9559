//! Data sets: what generators and loaders promise.

mod augment;
mod ecg;
#[cfg(feature = "cli")]
mod fetch;
mod files;
mod fsdd;
mod generated;
mod mnist;
mod recorded;

use spikegrad::data::{Activity, Braille, DataSet, Randman, Selection, Spectrum, order};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The (step, channel) of the spikes of a sample.
fn events(data: &DataSet, sample: usize) -> Vec<(u32, u32)> {
    data.sample(sample).unwrap().events().to_vec()
}

fn small() -> Randman {
    Randman { classes: 4, units: 7, train: 30, valid: 5, test: 6, ..Randman::default() }
}

#[test]
fn random_manifolds_are_a_function_of_the_seed() {
    let first = small().generate(3).unwrap();
    assert_eq!(first, small().generate(3).unwrap());
    assert_ne!(first, small().generate(4).unwrap());
    // A seed of the task's own goes before that of the run.
    assert_eq!(first, Randman { seed: Some(3), ..small() }.generate(9).unwrap());
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(first, one.install(|| small().generate(3).unwrap()));
}

#[test]
fn each_unit_of_a_random_manifold_fires_exactly_once_in_the_window() {
    for spectrum in [Spectrum::Paper, Spectrum::Code] {
        for dims in [1, 2] {
            let task = Randman { spectrum, dims, steps: 60, window: 25, ..small() };
            let split = task.generate(1).unwrap();
            for part in [&split.train, &split.valid, &split.test] {
                assert_eq!((part.steps(), part.inputs(), part.classes()), (60, 7, 4));
                for sample in 0..part.len() {
                    let mut units: Vec<u32> = events(part, sample).iter().map(|event| event.1).collect();
                    units.sort_unstable();
                    assert_eq!(units, (0..7).collect::<Vec<u32>>());
                    assert!(events(part, sample).iter().all(|event| event.0 < 25));
                }
            }
        }
    }
}

#[test]
fn a_class_uses_the_whole_window_in_every_unit() {
    // Standardised over the samples of the class: the earliest spike is at step 0, the latest at the last step or the
    // one before it.
    let split = Randman { valid: 0, test: 0, train: 200, ..small() }.generate(5).unwrap();
    for class in 0..4 {
        let samples: Vec<usize> = (0..split.train.len()).filter(|&i| split.train.labels()[i] == class).collect();
        for unit in 0..7 {
            let steps = samples
                .iter()
                .map(|&sample| events(&split.train, sample).iter().find(|event| event.1 == unit).unwrap().0);
            let (low, high) = steps.fold((u32::MAX, 0), |(low, high), step| (low.min(step), high.max(step)));
            assert!(low == 0 && high >= 48, "class {class}, unit {unit}: steps {low} to {high}");
        }
    }
}

#[test]
fn samples_of_a_manifold_lie_closer_to_their_own_class() {
    // With one dimension, the nearest other sample of all classes is nearly always of the same class.
    let split = Randman { train: 150, valid: 0, test: 0, ..Randman::default() }.generate(2).unwrap();
    let data = &split.train;
    let times: Vec<Vec<i64>> = (0..data.len())
        .map(|sample| {
            let mut times = vec![0; data.inputs()];
            for (step, unit) in events(data, sample) {
                times[unit as usize] = i64::from(step);
            }
            times
        })
        .collect();
    let distance = |a: usize, b: usize| times[a].iter().zip(&times[b]).map(|(x, y)| (x - y).pow(2)).sum::<i64>();
    let right = (0..data.len())
        .filter(|&a| {
            let nearest = (0..data.len()).filter(|&b| b != a).min_by_key(|&b| distance(a, b)).unwrap();
            data.labels()[a] == data.labels()[nearest]
        })
        .count();
    assert!(right as f64 > 0.9 * data.len() as f64, "{right} of {}", data.len());
}

#[test]
fn parts_of_random_manifolds_have_all_classes_alike() {
    let split = small().generate(1).unwrap();
    for (part, each) in [(&split.train, 30), (&split.valid, 5), (&split.test, 6)] {
        for class in 0..4 {
            assert_eq!(part.labels().iter().filter(|&&label| label == class).count(), each);
        }
    }
}

#[test]
fn the_number_of_terms_follows_the_smoothness() {
    let terms = |alpha| Randman { alpha, ..Randman::default() }.terms();
    assert_eq!((terms(0.5), terms(1.0), terms(2.0), terms(3.0)), (1000, 1000, 32, 10));
}

#[test]
fn a_batch_is_its_samples_side_by_side() {
    let split = small().generate(1).unwrap();
    let Selection { activity, labels, .. } = split.train.select(&[3, 40, 3]).unwrap();
    let Activity::Spikes(raster) = activity else { panic!("spikes") };
    assert_eq!((raster.steps(), raster.batch(), raster.units()), (100, 3, 7));
    assert_eq!(labels.unwrap(), [0, 1, 0]);
    assert_eq!(raster.count(), 21);
    for (b, sample) in [(0, 3), (1, 40), (2, 3)] {
        for (step, unit) in events(&split.train, sample) {
            assert!(raster.get(step as usize, b, unit as usize));
        }
    }
    let values = DataSet::values(2, 2, 1, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], vec![0, 0]).unwrap();
    let Activity::Values(trace) = values.select(&[1, 0]).unwrap().activity else { panic!("values") };
    assert_eq!(trace.values, [5.0, 6.0, 1.0, 2.0, 7.0, 8.0, 3.0, 4.0]);
}

#[test]
fn wrong_samples_are_refused() {
    let text = |result: spikegrad::Result<DataSet>| result.unwrap_err().to_string();
    assert!(text(DataSet::values(1, 1, 2, vec![0.0, f32::NAN], vec![0, 1])).contains("sample 1 has the value NaN"));
    assert!(text(DataSet::values(1, 1, 2, vec![0.0], vec![2])).contains("label 2"));
    assert!(text(DataSet::values(2, 1, 2, vec![0.0], vec![1])).contains("2 values, not 1"));
    assert!(text(DataSet::events(5, 2, 2, &[vec![(5, 0)]], vec![0])).contains("step 5"));
    assert!(text(DataSet::events(5, 2, 2, &[vec![(0, 2)]], vec![0])).contains("channel 2"));
}

#[test]
fn the_order_of_an_epoch_is_a_function_of_seed_and_epoch() {
    let first = order(100, 1, 0);
    assert_eq!(first, order(100, 1, 0));
    assert_ne!(first, order(100, 1, 1));
    assert_ne!(first, order(100, 2, 0));
    let mut sorted = first;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
}

/// The directory of the data sets, where the one that is asked for is there.
pub fn directory_of(set: &str) -> Option<PathBuf> {
    let named = std::env::var_os("SPIKEGRAD_DATA").map(PathBuf::from);
    let found = named.into_iter().chain([PathBuf::from("../shared/data")]).find(|path| path.join(set).is_dir());
    if found.is_none() {
        eprintln!("skipped: no {set} data set (set SPIKEGRAD_DATA, see docs/data.md)");
    }
    found
}

#[test]
fn braille_letters_are_split_by_letter() {
    let Some(directory) = directory_of("braille") else { return };
    let task = Braille { directory: Some(directory), ..Braille::default() };
    let split = task.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (27 * 36, 27 * 4, 27 * 10));
    assert_eq!((split.train.steps(), split.train.inputs(), split.train.classes()), (152, 4, 27));
    for letter in 0..27 {
        assert_eq!(split.test.labels().iter().filter(|&&label| label == letter).count(), 10);
    }
    assert_eq!(split, task.load(1).unwrap());
    assert_ne!(split.test, task.load(2).unwrap().test);
    // Standardised over the training trials; steps in between are interpolated, which lowers the variance.
    let all: Vec<usize> = (0..split.train.len()).collect();
    let Activity::Values(trace) = split.train.select(&all).unwrap().activity else { panic!("values") };
    for channel in 0..4 {
        let values: Vec<f64> = trace.values.iter().skip(channel).step_by(4).map(|&value| value.into()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (0.3..1.05).contains(&variance), "channel {channel}: {mean}, {variance}");
    }
}

/// A file of arrays as NumPy writes it, with the given header and bytes.
fn npz(path: &Path, arrays: &[(&str, &str, &str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, kind, shape, data) in arrays {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn a_file_that_is_not_the_data_set_is_named_with_what_is_wrong() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("braille.npz");
    let load = || {
        let task = Braille { directory: Some(place.path().to_path_buf()), ..Braille::default() };
        task.load(1).unwrap_err().to_string()
    };
    assert!(load().contains("not found"), "{}", load());
    std::fs::write(&path, b"").unwrap();
    assert!(load().contains("not a complete .npz"), "{}", load());
    std::fs::write(&path, [0x50; 4000]).unwrap();
    assert!(load().contains("not a complete .npz"), "{}", load());
    npz(&path, &[("labels", "|u1", "(3,)", b"abc")]);
    assert!(load().contains("has no array taxels"), "{}", load());
    npz(&path, &[("taxels", "|u1", "(3, 4, 12)", &[0; 144])]);
    assert!(load().contains("expected [1350, any, 12]"), "{}", load());
    // A header that claims far more than the file holds allocates nothing of that size.
    npz(&path, &[("taxels", "|u1", "(1350, 99999999999999, 12)", b"abc")]);
    assert!(load().contains("too large to be true"), "{}", load());
    npz(&path, &[("taxels", "|u1", "(1350, 16000, 12)", b"abc")]);
    assert!(load().contains("ends early"), "{}", load());
    npz(&path, &[("taxels", "|O", "(1350, 77, 12)", b"abc")]);
    assert!(load().contains("type '|O'"), "{}", load());
    let taxels = vec![255u8; 1350 * 3 * 12];
    let lengths: Vec<u8> = 3u16.to_le_bytes().repeat(1350);
    let mut letters: Vec<u8> = (0..1350).map(|trial| (trial / 50) as u8).collect();
    letters[0] = 26;
    let arrays = |letters: &[u8], lengths: &[u8]| {
        npz(
            &path,
            &[
                ("taxels", "|u1", "(1350, 3, 12)", &taxels),
                ("lengths", "<u2", "(1350,)", lengths),
                ("letter", "|u1", "(1350,)", letters),
            ],
        );
    };
    arrays(&letters, &lengths);
    assert!(load().contains("49 trials of letter 0"), "{}", load());
    letters[0] = 0;
    arrays(&letters, &9u16.to_le_bytes().repeat(1350));
    assert!(load().contains("lengths that do not fit"), "{}", load());
}
