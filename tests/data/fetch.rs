//! Downloads, from a server on this machine.

use spikegrad::data::{Checksum, fetch, unpack};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What the server does with a request for bytes from `n` on.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Sends them.
    Resumes,
    /// Sends all of the file, whatever was asked for.
    Restarts,
    /// Breaks off after a thousand bytes.
    Breaks,
    /// Has no such file.
    Misses,
}

fn content() -> Vec<u8> {
    (0..5000u32).map(|n| (n * n % 251) as u8).collect()
}

const MD5: &str = "4d09076636335b918e22443f1fd554a9";
const SHA256: &str = "660faa7089afce64fd1e9dd44cdbce136859740a4fe371c564b58687a67f7b8b";

/// A server that answers one request after the other in these manners; gives its address and the ranges asked for.
fn serve(manners: Vec<Manner>) -> (String, Receiver<Option<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/file.bin", listener.local_addr().unwrap());
    let (asked, told) = channel();
    thread::spawn(move || {
        for manner in manners {
            let (mut stream, _) = listener.accept().unwrap();
            let mut from = None;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    from = range.trim_end_matches('-').parse().ok();
                }
                if line.is_empty() {
                    break;
                }
            }
            asked.send(from).unwrap();
            let all = content();
            let (status, range, body) = match (manner, from) {
                (Manner::Misses, _) => ("404 Not Found", String::new(), &all[..0]),
                (Manner::Resumes, Some(from)) if from >= all.len() => {
                    ("416 Range Not Satisfiable", String::new(), &all[..0])
                }
                (Manner::Resumes, Some(from)) => {
                    let range = format!("content-range: bytes {from}-{}/{}\r\n", all.len() - 1, all.len());
                    ("206 Partial Content", range, &all[from..])
                }
                _ => ("200 OK", String::new(), &all[..]),
            };
            let head =
                format!("HTTP/1.1 {status}\r\n{range}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            let sent = if manner == Manner::Breaks { &body[..1000] } else { body };
            // Whoever asked may have heard enough.
            let _ = stream.write_all(sent);
        }
    });
    (address, told)
}

fn get(address: &str, path: &Path, checksum: Option<Checksum>) -> spikegrad::Result<bool> {
    fetch(address, path, checksum, |done, total| assert!(total.is_none_or(|total| done <= total)))
}

#[test]
fn a_file_comes_whole_and_is_checked() {
    let place = tempfile::tempdir().unwrap();
    for (name, checksum) in [("a", Some(Checksum::Md5(MD5))), ("b", Some(Checksum::Sha256(SHA256))), ("c", None)] {
        let (address, told) = serve(vec![Manner::Resumes]);
        let path = place.path().join("new/directory").join(name);
        assert!(!get(&address, &path, checksum).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), content());
        assert_eq!(told.recv().unwrap(), None);
        assert!(!place.path().join(format!("new/directory/{name}.part")).exists());
        // It is there now: nobody is asked for it.
        assert!(get("http://127.0.0.1:1/nobody", &path, checksum).unwrap());
    }
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_stopped() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file.bin");
    let (address, told) = serve(vec![Manner::Breaks, Manner::Resumes]);
    let error = get(&address, &path, Some(Checksum::Md5(MD5))).unwrap_err().to_string();
    assert!(error.contains("fetch again to go on"), "{error}");
    assert!(!path.exists());
    let kept = std::fs::metadata(place.path().join("file.bin.part")).unwrap().len();
    assert_eq!(kept, 1000);
    get(&address, &path, Some(Checksum::Md5(MD5))).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [None, Some(1000)]);
}

#[test]
fn a_server_that_cannot_resume_sends_all_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file.bin");
    std::fs::write(place.path().join("file.bin.part"), &content()[..700]).unwrap();
    let (address, told) = serve(vec![Manner::Restarts]);
    get(&address, &path, Some(Checksum::Md5(MD5))).unwrap();
    assert_eq!((std::fs::read(&path).unwrap(), told.recv().unwrap()), (content(), Some(700)));
    // A part that is as long as the file, or longer, is begun anew.
    let path = place.path().join("long.bin");
    std::fs::write(place.path().join("long.bin.part"), vec![0; 6000]).unwrap();
    let (address, told) = serve(vec![Manner::Resumes, Manner::Resumes]);
    get(&address, &path, Some(Checksum::Md5(MD5))).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [Some(6000), None]);
}

#[test]
fn what_has_another_checksum_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file.bin");
    let (address, _told) = serve(vec![Manner::Resumes]);
    let error = get(&address, &path, Some(Checksum::Md5("00000000000000000000000000000000"))).unwrap_err().to_string();
    assert!(error.contains("published checksum") && error.contains("removed"), "{error}");
    assert!(!path.exists() && !place.path().join("file.bin.part").exists());
    std::fs::write(&path, b"something else").unwrap();
    let error = get(&address, &path, Some(Checksum::Md5(MD5))).unwrap_err().to_string();
    assert!(error.contains("is there, but"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}

#[test]
fn a_file_that_is_not_there_is_said_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let (address, _told) = serve(vec![Manner::Misses]);
    let error = get(&address, &place.path().join("file.bin"), None).unwrap_err().to_string();
    assert!(error.contains("not there any more") && !error.contains('\n'), "{error}");
    let error = get("http://127.0.0.1:1/file.bin", &place.path().join("file.bin"), None).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && !error.contains('\n'), "{error}");
}

#[test]
fn recordings_are_unpacked_and_nothing_lands_outside() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("fsdd/fsdd.zip");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let names = ["x-1.0/recordings/0_anna_0.wav", "x-1.0/README.md", "x-1.0/recordings/..", "../recordings/evil.wav"];
    for name in names {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"sound").unwrap();
    }
    zip.finish().unwrap();
    let mut written = unpack(&path).unwrap();
    written.sort();
    let own = place.path().join("fsdd/recordings");
    assert_eq!(written, [own.join("0_anna_0.wav"), own.join("evil.wav")]);
    assert_eq!(std::fs::read(&written[0]).unwrap(), b"sound");
    // What is there stays.
    assert!(unpack(&path).unwrap().is_empty());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 30]).unwrap();
    assert!(unpack(&path).unwrap_err().to_string().contains("cannot be unpacked"));
}
