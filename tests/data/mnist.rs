//! MNIST and Fashion-MNIST: idx files, packed or not, published or not.

use super::directory_of;
use super::files::fuzz;
use flate2::{Compression, write::GzEncoder};
use spikegrad::data::{FashionMnist, Idx, Mnist, Parameters, Scan};
use std::io::Write;
use std::path::Path;

fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A small set in the layout of the published one: pixel k of picture i is `i + k`, its label `i mod 10`.
fn write(directory: &Path, train: usize, test: usize) {
    std::fs::create_dir_all(directory).unwrap();
    for (name, count) in [("train", train), ("t10k", test)] {
        let pixels: Vec<u8> = (0..count).flat_map(|i| (0..784).map(move |k| (i + k) as u8)).collect();
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        let pictures = idx(&[count as u32, 28, 28], &pixels);
        std::fs::write(directory.join(format!("{name}-images-idx3-ubyte.gz")), packed(&pictures)).unwrap();
        // One file packed, one not.
        std::fs::write(directory.join(format!("{name}-labels-idx1-ubyte")), idx(&[count as u32], &labels)).unwrap();
    }
}

fn small(place: &Path) -> Mnist {
    Mnist { directory: Some(place.to_path_buf()), valid: 20, verify: false, ..Mnist::default() }
}

#[test]
fn pictures_are_read_split_and_scanned() {
    let place = tempfile::tempdir().unwrap();
    write(&place.path().join("mnist"), 120, 30);
    let task = small(place.path());
    let split = task.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (100, 20, 30));
    assert_eq!((split.train.steps(), split.train.inputs(), split.train.classes()), (1, 784, 10));
    // Every picture is in one part, and is what the file says.
    let mut places: Vec<usize> = (0..100).map(|index| split.train.place(index)).collect();
    places.extend((0..20).map(|index| split.valid.place(index)));
    for (index, &place) in places.iter().enumerate() {
        let (part, index) = if index < 100 { (&split.train, index) } else { (&split.valid, index - 100) };
        assert_eq!(part.labels()[index] as usize, place % 10);
        let sample = part.sample(index).unwrap();
        assert_eq!(sample.values()[5], ((place + 5) % 256) as f32 / 255.0);
    }
    places.sort_unstable();
    assert_eq!(places, (0..120).collect::<Vec<_>>());
    assert_ne!(split.valid, task.load(2).unwrap().valid);
    assert_eq!(split.valid, Mnist { seed: Some(1), ..task.clone() }.load(2).unwrap().valid);
    for (scan, steps) in [(Scan::Rows, 28), (Scan::Pixels, 784)] {
        let scanned = Mnist { scan, ..task.clone() }.load(1).unwrap();
        assert_eq!((scanned.test.steps(), scanned.test.inputs()), (steps, 784 / steps));
        assert_eq!(scanned.test.sample(3).unwrap(), split.test.sample(3).unwrap());
    }
    let normal = Mnist { normalise: Some([0.5, 0.25]), train: Some(60), test: Some(7), ..task }.load(1).unwrap();
    assert_eq!((normal.train.len(), normal.valid.len(), normal.test.len()), (40, 20, 7));
    assert_eq!(normal.test.sample(0).unwrap().values()[51], (0.2 - 0.5) / 0.25);
}

#[test]
fn what_is_missing_or_wrong_is_named_with_the_remedy() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("fashion-mnist");
    let load = |verify: bool| {
        let task = FashionMnist(Mnist { verify, ..small(place.path()) });
        task.load(1).unwrap_err().to_string()
    };
    let nowhere = Mnist::default().load(1).unwrap_err().to_string();
    assert!(nowhere.contains("--data DIR") && nowhere.contains("spikegrad data fetch mnist"), "{nowhere}");
    assert!(load(true).contains("not found: `spikegrad data fetch fashion-mnist`"), "{}", load(true));
    write(&directory, 120, 30);
    // A set of the right form that is not the published one.
    assert!(load(true).contains("is not the published file"), "{}", load(true));
    let pictures = directory.join("train-images-idx3-ubyte.gz");
    let whole = std::fs::read(&pictures).unwrap();
    for cut in [0, 5, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&pictures, &whole[..cut]).unwrap();
        let error = load(false);
        assert!(error.contains("train-images") && error.contains("fetch it again"), "{cut}: {error}");
    }
    std::fs::write(&pictures, packed(&idx(&[120, 28, 27], &[0; 120 * 28 * 27]))).unwrap();
    assert!(load(false).contains("expected [any, 28, 28]"), "{}", load(false));
    std::fs::write(&pictures, packed(&idx(&[119, 28, 28], &[0; 119 * 784]))).unwrap();
    assert!(load(false).contains("labels-idx1") && load(false).contains("expected [119]"), "{}", load(false));
    // A header that claims four billion pictures allocates nothing of that size.
    std::fs::write(&pictures, packed(&idx(&[u32::MAX, 28, 28], &[1, 2, 3]))).unwrap();
    assert!(load(false).contains("ends after 3 bytes"), "{}", load(false));
    write(&directory, 120, 30);
    let labels = directory.join("train-labels-idx1-ubyte");
    std::fs::write(&labels, idx(&[120], &[10; 120])).unwrap();
    assert!(load(false).contains("label 10"), "{}", load(false));
}

#[test]
fn no_idx_file_makes_the_reader_panic() {
    let valid = idx(&[5, 3, 2], &[7; 30]);
    assert!(Idx::parse(&valid, &[None, Some(3), Some(2)]).is_ok());
    let mut read = 0;
    fuzz(&valid, 5000, |bytes| read += usize::from(Idx::parse(bytes, &[None, Some(3), Some(2)]).is_ok()));
    // Changes within the pixels are no faults.
    assert!((100..4000).contains(&read), "{read}");
}

#[test]
fn the_published_digits_are_recognised_and_whole() {
    let Some(directory) = directory_of("mnist") else { return };
    let split = Mnist { directory: Some(directory), ..Mnist::default() }.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (55_000, 5000, 10_000));
    // The first test digits, as anybody knows them.
    assert_eq!(split.test.labels()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let mean = |part: &spikegrad::data::DataSet| {
        let picture = |index| part.sample(index).unwrap().values().iter().map(|&value| f64::from(value)).sum::<f64>();
        (0..part.len()).map(picture).sum::<f64>() / (part.len() * 784) as f64
    };
    // The published mean of all training pixels.
    let all = (mean(&split.train) * 55.0 + mean(&split.valid) * 5.0) / 60.0;
    assert!((all - 0.1307).abs() < 1e-4, "{all}");
}
