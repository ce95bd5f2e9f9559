//! Recordings of events: the published formats, written here byte by byte, converted and trained from.

use super::events;
use super::files::fuzz;
use spikegrad::data::{DvsGesture, Nmnist, Parameters, Recorded, convert, read_aedat, read_aer};
use std::io::Write;
use std::path::Path;

/// An event of N-MNIST: (time in µs, column, row, brighter).
type Event = (u32, u8, u8, bool);

/// As the published recordings are written.
fn aer(events: &[Event]) -> Vec<u8> {
    let event = |&(time, column, row, brighter): &Event| {
        [column, row, (u8::from(brighter) << 7) | (time >> 16) as u8, (time >> 8) as u8, time as u8]
    };
    events.iter().flat_map(event).collect()
}

#[test]
fn address_events_are_times_pixels_and_polarities() {
    let bytes = aer(&[(5, 0, 0, false), (70_000, 33, 2, true), (300_123, 4, 33, false)]);
    let channel = |polarity: u32, row: u32, column: u32| (polarity * 34 + row) * 34 + column;
    let expected = vec![(5, channel(0, 0, 0)), (70_000, channel(1, 2, 33)), (300_123, channel(0, 33, 4))];
    assert_eq!(read_aer(&bytes).unwrap(), expected);
    // Row 240 sets the clock 2^13 µs later for what follows.
    let overflow = aer(&[(5, 1, 1, false), (9, 0, 240, false), (7, 1, 1, false)]);
    let times: Vec<u32> = read_aer(&overflow).unwrap().iter().map(|event| event.0).collect();
    assert_eq!(times, [5, 7 + 8192]);
    assert!(read_aer(&bytes[..7]).unwrap_err().contains("7 bytes"));
    assert!(read_aer(&aer(&[(0, 34, 0, false)])).unwrap_err().contains("column 34"));
    fuzz(&bytes, 5000, |bytes| drop(read_aer(bytes)));
}

/// An event of AEDAT 3.1: (time in µs, column, row, brighter).
type Polarity = (u32, u32, u32, bool);

/// An AEDAT 3.1 file of packets of polarity events, each with its number of overflows,
/// between packets of another kind.
fn aedat(packets: &[(u32, Vec<Polarity>)]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n".to_vec();
    let header = |kind: u16, overflows: u32, count: u32| {
        let mut header = [kind.to_le_bytes(), 1u16.to_le_bytes()].concat();
        for word in [8, 4, overflows, count, count, count] {
            header.extend(u32::to_le_bytes(word));
        }
        header
    };
    for (overflows, events) in packets {
        bytes.extend(header(0, *overflows, 1));
        bytes.extend([0xff; 8]);
        bytes.extend(header(1, *overflows, events.len() as u32));
        for &(time, column, row, brighter) in events {
            let address = column << 17 | row << 2 | u32::from(brighter) << 1 | 1;
            bytes.extend(address.to_le_bytes());
            bytes.extend(time.to_le_bytes());
        }
    }
    bytes
}

#[test]
fn aedat_packets_are_read_and_others_passed_over() {
    let bytes = aedat(&[(0, vec![(10, 3, 4, true), (20, 127, 0, false)]), (1, vec![(5, 0, 127, false)])]);
    let channel = |polarity: u32, row: u32, column: u32| (polarity * 128 + row) * 128 + column;
    let expected = vec![(10, channel(1, 4, 3)), (20, channel(0, 0, 127)), ((1 << 31) + 5, channel(0, 127, 0))];
    assert_eq!(read_aedat(&bytes).unwrap(), expected);
    // An event that is marked as invalid is none.
    let mut invalid = bytes.clone();
    let at = invalid.len() - 8;
    invalid[at] &= !1;
    assert_eq!(read_aedat(&invalid).unwrap(), expected[..2]);
    for cut in [bytes.len() - 1, bytes.len() - 9, 70, 20] {
        assert!(read_aedat(&bytes[..cut]).is_err(), "{cut}");
    }
    assert!(read_aedat(b"#!AER-DAT2.0\r\n").unwrap_err().contains("AEDAT 3.1"));
    let outside = aedat(&[(0, vec![(10, 128, 4, true)])]);
    assert!(read_aedat(&outside).unwrap_err().contains("column 128"));
    fuzz(&bytes, 5000, |bytes| drop(read_aedat(bytes)));
}

/// A recording of digit `digit`: one event of pixel (digit, row k) each 10 ms, brighter and darker in turn.
fn digit(digit: u8, events: u8) -> Vec<u8> {
    let all: Vec<Event> = (0..events).map(|k| (10_000 * u32::from(k) + 500, digit, k, k % 2 == 1)).collect();
    aer(&all)
}

/// `count` recordings of each digit, packed for training, unpacked for testing.
fn write_nmnist(place: &Path, count: usize) {
    let own = place.join("nmnist");
    std::fs::create_dir_all(&own).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(own.join("Train.zip")).unwrap());
    for label in 0..10 {
        std::fs::create_dir_all(own.join(format!("Test/{label}"))).unwrap();
        for number in 0..count {
            zip.start_file(format!("Train/{label}/{number:05}.bin"), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&digit(label, 30)).unwrap();
            std::fs::write(own.join(format!("Test/{label}/{number:05}.bin")), digit(label, 20)).unwrap();
        }
    }
    zip.finish().unwrap();
}

#[test]
fn digits_before_a_camera_are_converted_and_put_into_steps() {
    let place = tempfile::tempdir().unwrap();
    write_nmnist(place.path(), 3);
    let settings = |steps, duration, pool, merge_polarity| {
        let directory = Some(place.path().to_path_buf());
        let (steps, duration, pool) = (Some(steps), Some(duration), Some(pool));
        Nmnist(Recorded { directory, steps, duration, pool, merge_polarity, valid: Some(6), seed: None })
    };
    let error = settings(10, 300.0, 1, false).load(1).unwrap_err().to_string();
    assert!(error.contains("spikegrad data convert nmnist"), "{error}");
    let mut told = Vec::new();
    let written = convert("nmnist", place.path(), |done, of| told.push((done, of))).unwrap();
    assert_eq!((written.len(), told.len(), told[29]), (2, 60, (30, 30)));
    let split = settings(30, 300.0, 1, false).load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (24, 6, 30));
    assert_eq!((split.train.steps(), split.train.inputs(), split.train.classes()), (30, 2312, 10));
    for index in 0..30 {
        let label = split.test.labels()[index];
        assert_eq!(label as usize, index / 3);
        let expected: Vec<(u32, u32)> = (0..20).map(|k| (k, (k % 2 * 34 + k) * 34 + label)).collect();
        assert_eq!(events(&split.test, index), expected);
    }
    // 150 ms in steps of 50 ms, pixels in squares of 10, both polarities together: events k are at steps k/5, rows k/10.
    let coarse = settings(3, 150.0, 10, true).load(1).unwrap();
    assert_eq!((coarse.test.steps(), coarse.test.inputs()), (3, 16));
    let expected: Vec<(u32, u32)> = vec![(0, 0), (1, 0), (2, 4)];
    assert_eq!(events(&coarse.test, 3), expected);
    // What is usual is filled in.
    let usual = Nmnist(Recorded { directory: Some(place.path().into()), valid: Some(6), ..Recorded::default() });
    assert_eq!((usual.load(1).unwrap().train.steps(), usual.load(1).unwrap().train.inputs()), (300, 2312));
}

#[test]
fn a_recording_that_is_damaged_is_named_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    write_nmnist(place.path(), 1);
    let own = place.path().join("nmnist");
    std::fs::write(own.join("Test/4/00000.bin"), [1, 2, 3]).unwrap();
    let error = convert("nmnist", place.path(), |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("Test/4/00000.bin") && error.contains("3 bytes"), "{error}");
    let names: Vec<String> =
        std::fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.contains("test.events")), "{names:?}");
    let whole = std::fs::read(own.join("Train.zip")).unwrap();
    std::fs::write(own.join("Train.zip"), &whole[..whole.len() / 2]).unwrap();
    let error = convert("nmnist", place.path(), |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("Train.zip") && error.contains("fetch nmnist"), "{error}");
    let error = convert("mnist", place.path(), |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("did you mean nmnist"), "{error}");
}

#[test]
fn gestures_are_cut_out_of_their_recordings() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("dvs-gesture");
    std::fs::create_dir_all(&own).unwrap();
    // An event each millisecond at column = time / 10 ms.
    let recording = aedat(&[(0, (0..900).map(|t| (1000 * t, t / 10, 9, true)).collect())]);
    for name in ["user01_led", "user02_led"] {
        std::fs::write(own.join(format!("{name}.aedat")), &recording).unwrap();
        let labels = "class,startTime_usec,endTime_usec\n1,100000,200000\n11,500000,800000\n";
        std::fs::write(own.join(format!("{name}_labels.csv")), labels).unwrap();
    }
    std::fs::write(own.join("trials_to_train.txt"), "user01_led.aedat\n").unwrap();
    std::fs::write(own.join("trials_to_test.txt"), "user02_led.aedat\n\n").unwrap();
    convert("dvs-gesture", place.path(), |_, _| ()).unwrap();
    let directory = Some(place.path().to_path_buf());
    let (steps, duration) = (Some(10), Some(100.0));
    let task = DvsGesture(Recorded { directory, steps, duration, valid: Some(1), ..Recorded::default() });
    let split = task.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (1, 1, 2));
    // Squares of 4 × 4 pixels unless asked otherwise.
    assert_eq!((split.test.inputs(), split.test.classes(), split.test.labels()), (2048, 11, &[0, 10][..]));
    // The first 100 ms of the second gesture are 500 to 600 ms of the recording: columns 50 to 59, one a step.
    let expected: Vec<(u32, u32)> = (0..10).map(|t| (t, (32 + 9 / 4) * 32 + (50 + t) / 4)).collect();
    assert_eq!(events(&split.test, 1), expected);
    for (labels, word) in [
        ("class,a,b\n12,0,5\n", "line 2"),
        ("class,a,b\n1,5,5\n", "line 2"),
        ("", "no trial"),
        ("class,a,b\n", "no trial"),
    ] {
        std::fs::write(own.join("user02_led_labels.csv"), labels).unwrap();
        let error = convert("dvs-gesture", place.path(), |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("user02_led_labels.csv") && error.contains(word), "{error}");
    }
    // A list may not lead out of the directory.
    std::fs::write(own.join("trials_to_train.txt"), "../../secret.aedat\n").unwrap();
    let error = convert("dvs-gesture", place.path(), |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("which is no recording"), "{error}");
}

#[cfg(not(feature = "hdf5"))]
#[test]
fn a_build_without_hdf5_says_what_to_do() {
    let error = convert("shd", Path::new("/nowhere"), |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("--features hdf5"), "{error}");
}

#[cfg(feature = "hdf5")]
mod hdf5 {
    use super::*;
    use spikegrad::data::Shd;

    const FIXTURE: &str = "tests/fixtures/shd_tiny.h5";

    #[test]
    fn spoken_digits_as_h5py_writes_them_are_converted() {
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("shd");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(FIXTURE, own.join("shd_train.h5")).unwrap();
        let error = convert("shd", place.path(), |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("shd_test.h5") && error.contains("data fetch shd"), "{error}");
        std::fs::copy(FIXTURE, own.join("shd_test.h5")).unwrap();
        convert("shd", place.path(), |_, _| ()).unwrap();
        let directory = Some(place.path().to_path_buf());
        let (steps, duration) = (Some(1000), Some(1000.0));
        let task = Shd(Recorded { directory, steps, duration, valid: Some(0), ..Recorded::default() });
        let split = task.load(1).unwrap();
        assert_eq!((split.test.inputs(), split.test.labels()), (700, &[0, 4, 8, 12, 16][..]));
        for i in 0..5u32 {
            // 16 bits hold 0.35 s to a quarter of a millisecond.
            let found = events(&split.test, i as usize);
            assert_eq!(found.len() as u32, 3 + i);
            for (k, (step, channel)) in found.into_iter().enumerate() {
                let (k, expected) = (k as u32, 50.0 * (k as f64 + 1.0) + f64::from(i));
                assert_eq!(channel, 100 * i + 7 * k);
                assert!((f64::from(step) - expected).abs() <= 1.0, "{step} {expected}");
            }
        }
    }

    #[test]
    fn no_hdf5_file_makes_the_converter_panic() {
        let place = tempfile::tempdir().unwrap();
        let valid = std::fs::read(FIXTURE).unwrap();
        let path = place.path().join("shd_train.h5");
        fuzz(&valid, 1000, |bytes| {
            std::fs::write(&path, bytes).unwrap();
            let _ = convert("shd", place.path(), |_, _| ());
        });
    }
}
