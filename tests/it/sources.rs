//! Sources of input: every one gives the same words for every window, and what is wrong with a file is said, whatever it is.

use serde_json::{Value, json};
use spikegrad::Error;
use spikegrad::spikes::{
    EventFile, EventWriter, Events, Random, Raster, RasterFile, RasterWriter, Selected, Source, words,
};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A raster with spikes at `density`.
fn raster(random: &mut Random, steps: usize, batch: usize, units: usize, density: f64) -> Raster {
    let mut raster = Raster::new(steps, batch, units);
    for t in 0..steps {
        for b in 0..batch {
            for n in 0..units {
                if random.uniform() < density {
                    raster.set(t, b, n);
                }
            }
        }
    }
    raster
}

/// The (step, channel) of each sample.
fn lists(raster: &Raster) -> Vec<Vec<(u32, u32)>> {
    let list = |b| {
        let spikes = (0..raster.steps()).flat_map(|t| (0..raster.units()).map(move |n| (t, n)));
        spikes.filter(|&(t, n)| raster.get(t, b, n)).map(|(t, n)| (t as u32, n as u32)).collect()
    };
    (0..raster.batch()).map(list).collect()
}

/// The words of a window, one after the other: what every source must give.
fn naive(raster: &Raster, steps: Range<usize>, samples: Range<usize>) -> Vec<u32> {
    let mut out = Vec::new();
    for t in steps {
        for b in samples.clone() {
            for w in 0..words(raster.units()) {
                let ones = (32 * w..raster.units().min(32 * w + 32)).filter(|&n| raster.get(t, b, n));
                out.push(ones.map(|n| 1 << (n % 32)).sum());
            }
        }
    }
    out
}

fn part(random: &mut Random, size: usize) -> Range<usize> {
    let (a, b) = (random.below(size + 1), random.below(size + 1));
    a.min(b)..a.max(b)
}

fn read(source: &dyn Source, steps: Range<usize>, samples: Range<usize>) -> spikegrad::Result<Vec<u32>> {
    // What was in it before does not matter.
    let mut out = vec![7; 3];
    source.read(steps, samples, &mut out).map(|()| out)
}

fn whole(source: &dyn Source) -> spikegrad::Result<Vec<u32>> {
    read(source, 0..source.steps(), 0..source.batch())
}

/// The message of a file error, which names the file and is one line.
fn complaint<T>(result: spikegrad::Result<T>, path: &Path) -> String {
    match result {
        Err(error @ Error::File { .. }) => {
            let text = error.to_string();
            assert!(text.starts_with(&path.display().to_string()), "{text}");
            assert!(!text.contains('\n') && text.len() < 400, "{text}");
            text
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no error"),
    }
}

fn refused<T>(result: spikegrad::Result<T>) -> String {
    match result {
        Err(Error::Input(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no error"),
    }
}

/// Names in a directory, hidden ones too.
fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

/// A new file: some file systems see one that is written over onto the disk, which takes its time.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// A safetensors file made by hand; `blanks` after the header move the data off its alignment.
fn container(metadata: Value, tensors: &[(&str, &str, Vec<usize>, Vec<u8>)], blanks: usize) -> Vec<u8> {
    let mut header = json!({ "__metadata__": metadata });
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header[*name] = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        data.extend(bytes);
    }
    let text = header.to_string() + &" ".repeat(blanks);
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &data].concat()
}

fn about(format: &str, steps: usize, samples: usize, units: usize) -> Value {
    json!({
        "format": format, "version": "1",
        "steps": steps.to_string(), "samples": samples.to_string(), "units": units.to_string(),
    })
}

fn le32(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn le64(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file of events made by hand.
fn events_by_hand(
    sizes: (usize, usize, usize),
    offsets: &[u64],
    steps: &[u32],
    channels: &[u32],
    blanks: usize,
) -> Vec<u8> {
    let tensors = [
        ("offsets", "U64", vec![offsets.len()], le64(offsets)),
        ("steps", "U32", vec![steps.len()], le32(steps)),
        ("channels", "U32", vec![channels.len()], le32(channels)),
    ];
    container(about("spikegrad-events", sizes.0, sizes.1, sizes.2), &tensors, blanks)
}

#[test]
fn every_source_gives_the_same_words_for_every_window() {
    let directory = tempfile::tempdir().unwrap();
    let (at, ev) = (directory.path().join("a.raster"), directory.path().join("a.events"));
    let mut random = Random::new(3, 0);
    for round in 0..40 {
        let sizes = [random.below(14), random.below(8), random.below(100)];
        let [steps, batch, units] = if round < 3 { [(); 3].map(|()| 0) } else { sizes };
        let density = [0.0, 0.02, 0.3, 1.0][random.below(4)];
        let truth = raster(&mut random, steps, batch, units, density);
        RasterFile::write(&at, &truth, None).unwrap();
        EventFile::write(&ev, &truth, None).unwrap();
        let order: Vec<usize> = (0..batch).collect();
        let sources: Vec<Arc<dyn Source>> = vec![
            Arc::new(truth.clone()),
            Arc::new(Events::new(steps, units, &lists(&truth)).unwrap()),
            Arc::new(RasterFile::open(&at).unwrap()),
            Arc::new(EventFile::open(&ev).unwrap()),
            Arc::new(Selected::new(Arc::new(truth.clone()), order).unwrap()),
        ];
        // Any samples in any order, and runs of neighbours.
        let mut picked: Vec<usize> =
            if batch == 0 { Vec::new() } else { (0..random.below(9)).map(|_| random.below(batch)).collect() };
        if random.below(2) == 0 {
            picked.sort_unstable();
        }
        for _ in 0..12 {
            let window = (part(&mut random, steps), part(&mut random, batch));
            let expected = naive(&truth, window.0.clone(), window.1.clone());
            let drawn = part(&mut random, picked.len());
            let columns: Vec<_> =
                picked[drawn.clone()].iter().map(|&b| naive(&truth, window.0.clone(), b..b + 1)).collect();
            let row = words(units);
            let interleaved: Vec<u32> = (0..window.0.len())
                .flat_map(|t| columns.iter().flat_map(move |column| &column[t * row..][..row]))
                .copied()
                .collect();
            for source in &sources {
                assert_eq!((source.steps(), source.batch(), source.units()), (steps, batch, units));
                assert_eq!(read(source.as_ref(), window.0.clone(), window.1.clone()).unwrap(), expected, "{source:?}");
                for b in window.1.clone() {
                    let spikes: u32 = naive(&truth, window.0.clone(), b..b + 1).iter().map(|w| w.count_ones()).sum();
                    assert_eq!(source.count(window.0.clone(), b).unwrap(), u64::from(spikes), "{source:?}");
                }
                let selected = Selected::new(source.clone(), picked.clone()).unwrap();
                assert_eq!(read(&selected, window.0.clone(), drawn.clone()).unwrap(), interleaved, "{selected:?}");
            }
        }
    }
}

#[test]
fn a_window_past_the_end_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (at, ev) = (directory.path().join("a.raster"), directory.path().join("a.events"));
    let truth = raster(&mut Random::new(1, 0), 5, 3, 40, 0.2);
    RasterFile::write(&at, &truth, None).unwrap();
    EventFile::write(&ev, &truth, None).unwrap();
    let sources: [Arc<dyn Source>; 5] = [
        Arc::new(truth.clone()),
        Arc::new(Events::new(5, 40, &lists(&truth)).unwrap()),
        Arc::new(RasterFile::open(&at).unwrap()),
        Arc::new(EventFile::open(&ev).unwrap()),
        Arc::new(Selected::new(Arc::new(truth), vec![2, 0, 1]).unwrap()),
    ];
    for source in &sources {
        assert_eq!(refused(read(source.as_ref(), 3..6, 0..1)), "steps 3..6 of input that has 5 steps");
        assert_eq!(refused(read(source.as_ref(), 0..1, 3..4)), "samples 3..4 of input that has 3 samples");
        refused(read(source.as_ref(), Range { start: 3, end: 2 }, 0..1));
        refused(read(source.as_ref(), 0..usize::MAX, 0..usize::MAX));
        refused(read(source.as_ref(), usize::MAX..usize::MAX, 0..1));
        refused(source.count(0..6, 0));
        refused(source.count(0..5, 3));
        refused(source.count(0..0, usize::MAX));
        assert_eq!(source.count(5..5, 2).unwrap(), 0);
        // A selection is refused when it is made.
        assert_eq!(refused(Selected::new(source.clone(), vec![0, 3])), "sample 3 of input that has 3 samples");
    }
}

#[test]
fn events_may_come_in_any_order_and_twice() {
    let shuffled = vec![vec![(2, 1), (0, 33), (2, 1), (0, 4), (2, 1)], vec![], vec![(1, 0)]];
    let events = Events::new(3, 40, &shuffled).unwrap();
    assert_eq!(events.sample(0).collect::<Vec<_>>(), [(0, 4), (0, 33), (2, 1)]);
    assert_eq!(events.count(0..3, 0).unwrap(), 3);
    assert_eq!(events.count(0..2, 0).unwrap(), 2);
    let flat = Events::from_flat(3, 40, vec![0, 5, 5, 6], vec![2, 0, 2, 0, 2, 1], vec![1, 33, 1, 4, 1, 0]).unwrap();
    assert_eq!(flat, events);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.events");
    let mut writer = EventWriter::create(&path, 3, 3, 40, None).unwrap();
    for sample in &shuffled {
        writer.write(sample).unwrap();
    }
    writer.finish().unwrap();
    let file = EventFile::open(&path).unwrap();
    assert_eq!(whole(&file).unwrap(), whole(&events).unwrap());

    // A file that someone else made may have them twice, but in order.
    put(&path, events_by_hand((3, 1, 40), &[0, 3], &[1, 1, 1], &[2, 2, 9], 0));
    let file = EventFile::open(&path).unwrap();
    assert_eq!(file.count(0..3, 0).unwrap(), 2);
    assert_eq!(read(&file, 1..2, 0..1).unwrap(), [1 << 2 | 1 << 9, 0]);
}

#[test]
fn events_that_make_no_sense_are_refused_when_they_are_handed_over() {
    let text = refused(Events::new(3, 4, &[vec![], vec![(3, 1)]]));
    assert_eq!(text, "sample 1 has an event of channel 1 at step 3, outside 4 channels × 3 steps");
    refused(Events::new(3, 4, &[vec![(0, 4)]]));
    for (offsets, step, channel) in [
        (vec![], vec![], vec![]),
        (vec![0], vec![1], vec![1]),
        (vec![1, 1], vec![1], vec![1]),
        (vec![0, 2], vec![1], vec![1]),
        (vec![0, 1, 0, 1], vec![1], vec![1]),
        (vec![0, 1], vec![1], vec![1, 2]),
    ] {
        refused(Events::from_flat(3, 4, offsets, step, channel));
    }
    assert_eq!(Events::from_flat(3, 4, vec![0], vec![], vec![]).unwrap().batch(), 0);
}

#[test]
fn files_hold_what_was_written_and_the_same_bytes_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let truth = raster(&mut Random::new(9, 0), 50, 6, 70, 0.1);
    let labels = [3, 1, 4, 1, 5, 9];
    for labels in [None, Some(labels.as_slice())] {
        RasterFile::write(path("a"), &truth, labels).unwrap();
        let file = RasterFile::open(path("a")).unwrap();
        assert_eq!(file.labels(), labels);
        assert_eq!(whole(&file).unwrap(), truth.words());
        // From one file into the other, and back.
        EventFile::write(path("b"), &file, labels).unwrap();
        let events = EventFile::open(path("b")).unwrap();
        assert_eq!(events.labels(), labels);
        RasterFile::write(path("c"), &events, labels).unwrap();
        assert_eq!(fs::read(path("a")).unwrap(), fs::read(path("c")).unwrap());
        EventFile::write(path("d"), &Events::new(50, 70, &lists(&truth)).unwrap(), labels).unwrap();
        assert_eq!(fs::read(path("b")).unwrap(), fs::read(path("d")).unwrap());

        // Steps in pieces of any size.
        let mut writer = RasterWriter::create(path("e"), 50, 6, 70, labels).unwrap();
        for range in [0..1, 1..1, 1..20, 20..21, 21..50] {
            writer.write(&truth.words()[range.start * 18..range.end * 18]).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(fs::read(path("a")).unwrap(), fs::read(path("e")).unwrap());
        // Any reader of safetensors can read them.
        let bytes = fs::read(path("b")).unwrap();
        let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(parsed.tensor("steps").unwrap().data().as_ptr() as usize % 4, bytes.as_ptr() as usize % 4);
        assert_eq!(parsed.tensor("channels").unwrap().shape(), [truth.count() as usize]);
    }
    // Nothing but what has a name was left.
    assert_eq!(names(directory.path()), ["a", "b", "c", "d", "e"].map(PathBuf::from));
}

#[test]
fn input_without_steps_samples_or_units_can_be_written_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    for (steps, batch, units) in [(0, 3, 4), (1 << 40, 0, 4), (1 << 20, 3, 0), (0, 0, 0)] {
        let nothing = Events::new(steps, units, &vec![vec![]; batch]).unwrap();
        RasterFile::write(&path, &nothing, None).unwrap();
        let file = RasterFile::open(&path).unwrap();
        assert_eq!((file.steps(), file.batch(), file.units()), (steps, batch, units));
        assert!(whole(&file).unwrap().is_empty());
        assert!((0..batch).all(|b| file.count(0..steps, b).unwrap() == 0));
        if steps <= 1 << 32 {
            EventFile::write(&path, &nothing, None).unwrap();
            assert!(whole(&EventFile::open(&path).unwrap()).unwrap().is_empty());
        }
    }
    refused(EventWriter::create(&path, 1 << 33, 0, 4, None));
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let truth = raster(&mut Random::new(2, 0), 4, 3, 40, 0.3);
    RasterFile::write(&path, &truth, Some(&[0, 1, 2])).unwrap();
    let raster = fs::read(&path).unwrap();
    EventFile::write(&path, &truth, None).unwrap();
    let events = fs::read(&path).unwrap();
    for length in (0..raster.len()).filter(|at| at % 5 == 0 || !(300..1000).contains(at)) {
        put(&path, &raster[..length]);
        complaint(RasterFile::open(&path), &path);
    }
    for length in (0..events.len()).filter(|at| at % 5 == 0 || !(300..1000).contains(at)) {
        put(&path, &events[..length]);
        complaint(EventFile::open(&path), &path);
    }
    put(&path, [&raster[..], &[0; 4]].concat());
    assert!(complaint(RasterFile::open(&path), &path).contains("longer or shorter than its header says"));
    // The one is not the other.
    put(&path, &events);
    assert!(complaint(RasterFile::open(&path), &path).contains("spikegrad-events"));
    put(&path, &raster);
    assert!(complaint(EventFile::open(&path), &path).contains("spikegrad-raster"));
    complaint(EventFile::open(directory.path()), directory.path());
    let missing = directory.path().join("missing");
    complaint(RasterFile::open(&missing), &missing);
}

#[test]
fn windows_that_make_up_all_steps_meet_every_event_that_is_out_of_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let mut random = Random::new(11, 0);
    for _ in 0..200 {
        let steps: Vec<u32> = (0..1 + random.below(12)).map(|_| random.below(9) as u32).collect();
        let sane = steps.is_sorted() && steps.iter().all(|&t| t < 8);
        let channels = vec![1; steps.len()];
        put(&path, events_by_hand((8, 1, 4), &[0, steps.len() as u64], &steps, &channels, 0));
        let file = EventFile::open(&path).unwrap();
        for width in 1..9 {
            let windows = (0..8).step_by(width).map(|first| first..8.min(first + width));
            let good = windows.filter(|window| read(&file, window.clone(), 0..1).is_ok()).count();
            assert_eq!(good == 8usize.div_ceil(width), sane, "{steps:?} in windows of {width}");
        }
    }
}

/// The same spikes, whatever else the sizes are.
fn same_spikes(source: &dyn Source, truth: &Raster) -> bool {
    let ones = |source: &dyn Source| -> spikegrad::Result<Vec<(usize, usize, usize)>> {
        let row = words(source.units());
        let read = whole(source)?;
        let bits = (0..32 * read.len()).filter(|at| read[at / 32] >> (at % 32) & 1 == 1);
        let place = |at: usize| {
            let pair = at / 32 / row;
            (pair / source.batch(), pair % source.batch(), at % (32 * row))
        };
        Ok(bits.map(place).collect())
    };
    // Sizes that a header may claim without a byte to show for them.
    if source.steps() > 1 << 16 || source.units() > 1 << 16 {
        return read(source, 0..1, 0..1).is_ok_and(|read| read.len() == words(source.units()));
    }
    match ones(source) {
        Ok(spikes) => Ok(spikes) == ones(truth).map_err(drop),
        Err(Error::File { .. }) => true,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_header_with_wrong_bytes_is_refused_or_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let truth = raster(&mut Random::new(4, 0), 12, 5, 40, 0.2);
    let mut random = Random::new(5, 0);
    RasterFile::write(&path, &truth, Some(&[1, 2, 3, 4, 5])).unwrap();
    let packed = fs::read(&path).unwrap();
    EventFile::write(&path, &truth, Some(&[1, 2, 3, 4, 5])).unwrap();
    let events = fs::read(&path).unwrap();
    let mut opened = 0;
    for round in 0..1600 {
        let mut bytes = if round % 2 == 0 { packed.clone() } else { events.clone() };
        let written = bytes[..1024].trim_ascii_end().len();
        // A digit becomes another now and then: other bytes rarely leave JSON.
        let digits: Vec<usize> = (8..written).filter(|&at| bytes[at].is_ascii_digit()).collect();
        for _ in 0..1 + random.below(3) {
            if random.below(2) == 0 {
                bytes[digits[random.below(digits.len())]] = b'0' + random.below(10) as u8;
            } else {
                bytes[random.below(written)] = random.bits() as u8;
            }
        }
        put(&path, &bytes);
        let result = catch_unwind(AssertUnwindSafe(|| -> spikegrad::Result<bool> {
            if round % 2 == 0 {
                Ok(same_spikes(&RasterFile::open(&path)?, &truth))
            } else {
                Ok(same_spikes(&EventFile::open(&path)?, &truth))
            }
        }));
        match result.unwrap_or_else(|_| panic!("a panic for {:?}", String::from_utf8_lossy(&bytes[..written]))) {
            Ok(same) => {
                assert!(same, "other spikes for {:?}", String::from_utf8_lossy(&bytes[..written]));
                opened += 1;
            }
            error => drop(complaint(error, &path)),
        }
    }
    assert!((20..800).contains(&opened), "{opened} files were opened");
}

#[test]
fn wrong_bytes_anywhere_in_a_file_of_events_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let truth = raster(&mut Random::new(6, 0), 12, 5, 40, 0.2);
    EventFile::write(&path, &truth, None).unwrap();
    let events = fs::read(&path).unwrap();
    let mut random = Random::new(7, 0);
    for _ in 0..600 {
        let mut bytes = events.clone();
        let at = 1024 + random.below(bytes.len() - 1024);
        bytes[at] = if random.below(2) == 0 { random.bits() as u8 } else { bytes[at] ^ 1 << random.below(8) };
        put(&path, &bytes);
        let Ok(file) = EventFile::open(&path) else { continue };
        for first in 0..12 {
            match read(&file, first..12, 0..5) {
                Ok(words) => assert_eq!(words.len(), (12 - first) * 10),
                error => drop(complaint(error, &path)),
            }
            let _ = file.count(first..first + 1, 2);
        }
    }
}

#[test]
fn a_header_that_lies_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let says = |bytes: Vec<u8>, expected: &str| {
        put(&path, bytes);
        let text = complaint(RasterFile::open(&path), &path);
        assert!(text.contains(expected), "{text}");
    };
    let spikes = |shape: &[usize]| ("spikes", "U32", shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()]);
    let raster = about("spikegrad-raster", 2, 3, 40);
    says(container(json!({}), &[spikes(&[2, 3, 2])], 0), "does not say that it is a file of format");
    says(container(about("other\nformat", 2, 3, 40), &[spikes(&[2, 3, 2])], 0), r#"format "other\nformat""#);
    says(container(about(&"x".repeat(5000), 2, 3, 40), &[], 0), "xxx...");
    let mut newer = raster.clone();
    newer["version"] = json!("2");
    says(container(newer, &[spikes(&[2, 3, 2])], 0), r#"version "2""#);
    for steps in ["-1", "2.0", "99999999999999999999999", ""] {
        let mut odd = raster.clone();
        odd["steps"] = json!(steps);
        says(container(odd, &[spikes(&[2, 3, 2])], 0), "as its number of steps");
    }
    says(container(raster.clone(), &[], 0), "has no tensor spikes");
    says(container(raster.clone(), &[spikes(&[2, 3, 1])], 0), "is U32 [2, 3, 1], expected U32 [2, 3, 2]");
    says(container(raster.clone(), &[spikes(&[3, 2, 2])], 0), "expected");
    says(container(raster.clone(), &[("spikes", "I32", vec![2, 3, 2], vec![0; 48])], 0), "is I32");
    says(container(raster.clone(), &[("spikes", "U32", vec![2, 3, 2], vec![0; 44])], 0), "damaged header");
    says(container(raster.clone(), &[("spikes", "U\n2", vec![2, 3, 2], vec![0; 48])], 0), "not JSON");
    says(container(raster.clone(), &[("spikes", "U32", vec![usize::MAX, 3, 2], vec![0; 48])], 0), "damaged header");
    says(container(raster.clone(), &[spikes(&[2, 3, 2]), ("more", "U8", vec![1], vec![0])], 0), "\"more\"");
    says(container(raster.clone(), &[spikes(&[2, 3, 2]), ("labels", "U32", vec![2], vec![0; 8])], 0), "labels");
    // A header of 2^60 bytes, and one of 90 MB that is there.
    says([&(1u64 << 60).to_le_bytes()[..], &[b' '; 100]].concat(), "header would have");
    says(container(raster, &[spikes(&[2, 3, 2])], 90 << 20), "header would have");
    says(vec![b'{'; 9], "header would have");

    let says = |bytes: Vec<u8>, expected: &str| {
        put(&path, bytes);
        let text = complaint(EventFile::open(&path), &path);
        assert!(text.contains(expected), "{text}");
    };
    for offsets in [[1, 1, 2], [0, 2, 1], [0, 3, 2], [0, 1, 1], [0, u64::MAX, 2], [0, 1, 3]] {
        says(events_by_hand((4, 2, 40), &offsets, &[0, 1], &[1, 1], 0), "offset");
    }
    says(events_by_hand((4, 1, 40), &[0, 1, 2], &[0, 1], &[1, 1], 0), "offsets is U64 [3], expected U64 [2]");
    says(events_by_hand((4, usize::MAX, 40), &[0, 1, 2], &[0, 1], &[1, 1], 0), "too many samples");
    says(events_by_hand((4, 2, 40), &[0, 1, 2], &[0, 1], &[1], 0), "channels is U32 [1], expected U32 [2]");
}

#[test]
fn sizes_without_bytes_to_show_for_them_are_an_error_and_no_allocation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    put(&path, events_by_hand((1 << 32, 1, usize::MAX), &[0, 1], &[5], &[1 << 31], 0));
    let file = EventFile::open(&path).unwrap();
    assert!(matches!(whole(&file), Err(Error::Memory { .. })));
    assert_eq!(file.count(0..1 << 32, 0).unwrap(), 1);
    assert!(read(&file, 3..3, 0..1).unwrap().is_empty());
}

#[test]
fn wrong_spikes_are_found_when_they_are_read_and_told_by_sample_and_step() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    // [3][2][2] words of 40 units; sample 1 has one of unit 40 at step 2.
    let mut data = [0u32; 12];
    data[2 * 4 + 3] = 1 << 8;
    let tensors = [("spikes", "U32", vec![3, 2, 2], le32(&data))];
    put(&path, container(about("spikegrad-raster", 3, 2, 40), &tensors, 0));
    let file = RasterFile::open(&path).unwrap();
    assert_eq!(read(&file, 0..2, 0..2).unwrap(), [0; 8]);
    assert_eq!(read(&file, 0..3, 0..1).unwrap(), [0; 6]);
    for (steps, samples) in [(0..3, 0..2), (2..3, 0..2), (1..3, 1..2)] {
        let text = complaint(read(&file, steps, samples), &path);
        assert!(text.contains("sample 1 has a spike at step 2 of a unit past the 40"), "{text}");
    }
    complaint(file.count(0..3, 1), &path);
    assert_eq!(file.count(0..2, 1).unwrap(), 0);
    assert_eq!(file.count(0..3, 0).unwrap(), 0);

    for (steps, channels, expected) in [
        ([0, 1, 3], [1, 1, 7], "sample 1 has an event of channel 7 at step 3, outside"),
        ([0, 1, 2], [1, 1, 40], "sample 1 has an event of channel 40 at step 2, outside"),
        ([0, 3, 2], [1, 1, 1], "sample 1 has an event of channel 1 at step 3, outside"),
        ([1, 0, 2], [1, 1, 1], "sample 1 are not sorted"),
        ([1, 1, 2], [9, 1, 1], "sample 1 are not sorted at step 1, channel 1"),
    ] {
        let steps: Vec<u32> = [0, 2].into_iter().chain(steps).collect();
        let channels: Vec<u32> = [9, 3].into_iter().chain(channels).collect();
        put(&path, events_by_hand((3, 2, 40), &[0, 2, 5], &steps, &channels, 0));
        let file = EventFile::open(&path).unwrap();
        let text = complaint(read(&file, 0..3, 0..2), &path);
        assert!(text.contains(expected), "{text}");
        complaint(file.count(0..3, 1), &path);
        // The other sample is as good as it was.
        assert_eq!(read(&file, 0..1, 0..1).unwrap(), [1 << 9, 0]);
    }
}

#[test]
fn data_at_any_address_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let truth = raster(&mut Random::new(8, 0), 4, 3, 40, 0.3);
    let samples = lists(&truth);
    let ends = samples.iter().scan(0, |end, sample| {
        *end += sample.len() as u64;
        Some(*end)
    });
    let offsets: Vec<u64> = std::iter::once(0).chain(ends).collect();
    let (step, channel): (Vec<u32>, Vec<u32>) = samples.iter().flatten().copied().unzip();
    for blanks in 0..8 {
        let tensors = [("spikes", "U32", vec![4, 3, 2], le32(truth.words()))];
        put(&path, container(about("spikegrad-raster", 4, 3, 40), &tensors, blanks));
        assert_eq!(whole(&RasterFile::open(&path).unwrap()).unwrap(), truth.words());
        put(&path, events_by_hand((4, 3, 40), &offsets, &step, &channel, blanks));
        assert_eq!(whole(&EventFile::open(&path).unwrap()).unwrap(), truth.words());
    }
}

#[test]
fn a_window_of_a_large_file_costs_the_window() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large");
    // 1 GiB that takes no room on the disk: [T][64][32] words, one spike.
    let (steps, batch, row) = (131_072, 64, 32);
    let size = 4 * steps * batch * row;
    let text = json!({
        "__metadata__": about("spikegrad-raster", steps, batch, 32 * row),
        "spikes": { "dtype": "U32", "shape": [steps, batch, row], "data_offsets": [0, size] },
    });
    let text = text.to_string();
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let begin = 8 + text.len();
    file.set_len((begin + size) as u64).unwrap();
    let at = (100_000 * batch + 7) * row + 2;
    file.seek(SeekFrom::Start((begin + 4 * at) as u64)).unwrap();
    file.write_all(&[1]).unwrap();
    drop(file);

    let file = RasterFile::open(&path).unwrap();
    let read = read(&file, 100_000..100_002, 6..8).unwrap();
    assert_eq!(read.iter().position(|&word| word == 1), Some(row + 2));
    assert_eq!(read.iter().sum::<u32>(), 1);
    assert_eq!(file.count(99_990..100_010, 7).unwrap(), 1);
    #[cfg(target_os = "linux")]
    {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let name = path.canonicalize().unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.ends_with(name.to_str().unwrap()));
        let resident = lines.find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")).unwrap();
        // The pages that were looked at, and what the system maps around them.
        assert!(resident.parse::<u64>().unwrap() < 16 << 10, "{resident} kB of a GiB were looked at");
    }
}

#[test]
fn a_writer_that_is_not_finished_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    put(&path, "before");
    let truth = raster(&mut Random::new(2, 0), 4, 3, 40, 0.3);
    let mut writer = RasterWriter::create(&path, 4, 3, 40, None).unwrap();
    writer.write(&truth.words()[..12]).unwrap();
    assert!(!writer.is_complete());
    assert_eq!(names(directory.path()).len(), 2);
    drop(writer);
    let mut writer = EventWriter::create(&path, 4, 3, 40, None).unwrap();
    writer.write(&[(0, 1)]).unwrap();
    assert_eq!(names(directory.path()).len(), 3);
    drop(writer);
    assert_eq!(names(directory.path()), [PathBuf::from("a")]);

    let mut writer = RasterWriter::create(&path, 4, 3, 40, None).unwrap();
    writer.write(&truth.words()[..12]).unwrap();
    assert_eq!(refused(writer.finish()), "a raster of 4 steps is not finished after 2 of them");
    let mut writer = EventWriter::create(&path, 4, 3, 40, None).unwrap();
    writer.write(&[]).unwrap();
    assert_eq!(refused(writer.finish()), "a file of 3 samples is not finished after 1 of them");
    assert_eq!(names(directory.path()), [PathBuf::from("a")]);
    assert_eq!(fs::read(&path).unwrap(), b"before");
    // Nor is a directory replaced, or made.
    complaint(RasterWriter::create(directory.path(), 1, 1, 1, None), directory.path());
    let nowhere = directory.path().join("b").join("c");
    complaint(EventWriter::create(&nowhere, 1, 1, 1, None), &nowhere);
}

#[test]
fn a_writer_takes_nothing_that_is_wrong_and_goes_on_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    refused(RasterWriter::create(&path, 2, 3, 40, Some(&[1, 2])));
    refused(EventWriter::create(&path, 2, 3, 40, Some(&[1, 2])));
    refused(RasterWriter::create(&path, usize::MAX, 3, 40, None));
    refused(RasterWriter::create(&path, 1 << 40, 1 << 20, 1, None));
    refused(EventWriter::create(&path, 2, usize::MAX, 40, None));

    let truth = raster(&mut Random::new(2, 0), 2, 3, 40, 0.3);
    let mut writer = RasterWriter::create(&path, 2, 3, 40, None).unwrap();
    writer.write(&truth.words()[..6]).unwrap();
    assert_eq!(refused(writer.write(&truth.words()[6..9])), "3 words are no whole steps: one has 6 of them");
    assert_eq!(refused(writer.write(truth.words())), "2 more steps of a raster that has 1 of its 2 already");
    let text = refused(writer.write(&[0, 0, 0, 1 << 9, 0, 0]));
    assert_eq!(text, "sample 1 has a spike at step 1 of a unit past the 40 that there are");
    writer.write(&truth.words()[6..]).unwrap();
    refused(writer.write(&truth.words()[6..]));
    writer.finish().unwrap();
    assert_eq!(whole(&RasterFile::open(&path).unwrap()).unwrap(), truth.words());

    let samples = lists(&truth);
    let mut writer = EventWriter::create(&path, 2, 3, 40, None).unwrap();
    for sample in &samples {
        refused(writer.write(&[(0, 1), (2, 1)]));
        refused(writer.write(&[(0, 40)]));
        writer.write(sample).unwrap();
    }
    refused(writer.write(&[]));
    writer.finish().unwrap();
    assert_eq!(whole(&EventFile::open(&path).unwrap()).unwrap(), truth.words());
}

#[test]
fn an_open_file_stays_what_it_was_when_another_takes_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let mut random = Random::new(2, 0);
    let [one, other] = [(); 2].map(|()| raster(&mut random, 300, 3, 400, 0.3));
    RasterFile::write(&path, &one, None).unwrap();
    let open = RasterFile::open(&path).unwrap();
    RasterFile::write(&path, &other, None).unwrap();
    assert_eq!(whole(&open).unwrap(), one.words());
    assert_eq!(whole(&RasterFile::open(&path).unwrap()).unwrap(), other.words());
}
