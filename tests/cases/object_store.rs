//! Snapshots in an object store, against a server that speaks S3 (moto, which `tests/servers/get` fetches); ignored with

//! the reason where there is none. Between the two stands a door that cuts a connection when it is told to.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::support::{fixture, requorum, said, wait_until};
use libtest_mimic::{Completion, Trial};

type Case = (&'static str, fn(&Moto));

const CASES: [Case; 7] = [
    ("what_lies_in_a_bucket_is_listed_and_fetched", listed_and_fetched),
    ("a_download_that_is_cut_off_goes_on", cut_off),
    ("an_object_that_changed_is_never_mixed_with_the_old", changed),
    ("a_part_that_others_planted_is_not_taken", planted),
    ("refusals_say_the_way", refused),
    ("a_session_token_travels_in_a_header_alone", tokens),
    ("an_object_larger_than_the_disk_is_not_begun", announced),
];

/// The cases.
pub fn trials(_: bool) -> Vec<Trial> {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/moto_server");
    let trials = CASES.map(|(name, case)| {
        let server = server.clone();
        Trial::ignorable_test(format!("object_store::{name}"), move || {
            if !server.is_file() {
                return Ok(Completion::ignored_with("no server that speaks S3 here; tests/servers/get was not run"));
            }
            case(&Moto::start(&server));
            Ok(Completion::Completed)
        })
    });
    trials.into()
}

/// A server with the bucket `backups`, ended with the value.
struct Moto {
    child: Child,
    at: SocketAddr,
    dir: tempfile::TempDir,
}

impl Moto {
    fn start(server: &Path) -> Moto {
        loop {
            let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = Command::new(server);
            command.args(["-H", "127.0.0.1", "-p", &at.port().to_string()]);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut moto = Moto { child, at, dir: tempfile::tempdir().unwrap() };
            let ready = wait_until("the server", Duration::from_secs(60), || {
                // Between the look for a free port and its start another program may have taken it.
                if moto.child.try_wait().unwrap().is_some() {
                    return Ok(false);
                }
                let answer = moto.try_put("/backups", b"").map_err(|e| e.to_string())?;
                if answer.starts_with("HTTP/1.1 200") { Ok(true) } else { Err(answer) }
            });
            if ready {
                return moto;
            }
        }
    }

    fn put(&self, path: &str, body: &[u8]) {
        let answer = self.try_put(path, body).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A PUT, as plain as it gets: moto asks for no signature.
    fn try_put(&self, path: &str, body: &[u8]) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.at)?;
        let auth = "AWS4-HMAC-SHA256 Credential=AK/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {auth}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.at,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs requorum against `at`.
    fn run_at(&self, at: SocketAddr, args: &[&str]) -> Output {
        let mut command = requorum(["snapshot"]);
        command.env("HOME", self.dir.path()).env("AWS_ENDPOINT_URL_S3", format!("http://{at}"));
        command.env("AWS_ACCESS_KEY_ID", "AK").env("AWS_SECRET_ACCESS_KEY", "SK");
        command.args(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_at(self.at, args)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A door before `to`: of the first answers only so many bytes come through, the later ones whole. What was asked is kept.
struct Cutter {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Cutter {
    fn start(to: SocketAddr, cuts: &[usize]) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let cuts = cuts.to_vec();
        let mut cuts = cuts.into_iter();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                let mut server = TcpStream::connect(to).unwrap();
                server.write_all(&head).unwrap();
                let mut room = cuts.next().unwrap_or(usize::MAX);
                let mut buffer = [0; 8192];
                while room > 0 {
                    let most = buffer.len().min(room);
                    let came = server.read(&mut buffer[..most]).unwrap_or(0);
                    if came == 0 || client.write_all(&buffer[..came]).is_err() {
                        break;
                    }
                    room -= came;
                }
                let _ = client.shutdown(Shutdown::Both);
            }
        });
        Cutter { at, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn listed_and_fetched(moto: &Moto) {
    let snapshot = fs::read(fixture("s35.db")).unwrap();
    moto.put("/backups/prod/etcd%200200.db", &snapshot);
    moto.put("/backups/prod/torn.db", &snapshot[..snapshot.len() - 5000]);
    moto.put("/backups/test/other.db", b"x");
    let text = ok(moto.run(&["list", "s3://backups/prod/", "-w", "json"]));
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let urls: Vec<&str> = list.as_array().unwrap().iter().map(|o| o["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["s3://backups/prod/etcd 0200.db", "s3://backups/prod/torn.db"]);
    assert_eq!(list[0]["bytes"], snapshot.len());
    assert!(list[0]["modified"].as_str().unwrap().starts_with("20"), "{list}");

    let file = moto.file("fetched.db");
    let text = ok(moto.run(&["fetch", "s3://backups/prod/etcd 0200.db", file.to_str().unwrap()]));
    assert!(text.contains("SHA-256"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), snapshot);
    let again = moto.run(&["fetch", "s3://backups/prod/etcd 0200.db", file.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    assert_eq!(fs::read(&file).unwrap(), snapshot, "what is there is not written over");
    let torn = moto.file("torn.db");
    let output = moto.run(&["fetch", "s3://backups/prod/torn.db", torn.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let left: Vec<_> = fs::read_dir(moto.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

fn cut_off(moto: &Moto) {
    let snapshot = fs::read(fixture("seed-3.5.16.db")).unwrap();
    moto.put("/backups/a.db", &snapshot);
    let begins = |head: &String| {
        let head = head.to_lowercase();
        head.contains("range: bytes=") && head.contains("if-match: ")
    };
    let fetch = |at, file: &Path| moto.run_at(at, &["fetch", "s3://backups/a.db", file.to_str().unwrap()]);
    // Cut twice, and made whole in the same run.
    let (file, cutter) = (moto.file("a.db"), Cutter::start(moto.at, &[6000, 6000]));
    ok(fetch(cutter.at, &file));
    assert_eq!(fs::read(&file).unwrap(), snapshot);
    let asked = cutter.asked();
    assert_eq!(asked.iter().map(begins).collect::<Vec<_>>(), [false, true, true], "{asked:?}");

    // Nothing ever came: nothing stays.
    let (file, part) = (moto.file("b.db"), moto.file("b.db.part"));
    let lost = fetch(Cutter::start(moto.at, &[0; 9]).at, &file);
    assert_eq!(lost.status.code(), Some(5), "{}", said(&lost));
    assert!(!part.exists());
    // Cut until it is given up: the next run goes on where that ended.
    let lost = fetch(Cutter::start(moto.at, &[6000, 0, 0, 0, 0]).at, &file);
    assert_eq!(lost.status.code(), Some(5), "{}", said(&lost));
    assert!(!file.exists() && part.exists());
    let came = fs::metadata(&part).unwrap().len();
    let whole = Cutter::start(moto.at, &[]);
    ok(fetch(whole.at, &file));
    assert_eq!(fs::read(&file).unwrap(), snapshot);
    assert!(came > 0 && whole.asked()[0].contains(&format!("bytes={came}-")), "{came}: {:?}", whole.asked());
    assert!(!part.exists() && !moto.file("b.db.part.from").exists());
}

fn changed(moto: &Moto) {
    let (old, new) = (fs::read(fixture("seed-3.5.16.db")).unwrap(), fs::read(fixture("s35.db")).unwrap());
    let (file, url) = (moto.file("a.db"), "s3://backups/a.db");
    moto.put("/backups/a.db", &old);
    // a part of the old one, as a run that was killed leaves it
    let whole = moto.file("whole.db");
    ok(moto.run(&["fetch", url, whole.to_str().unwrap()]));
    let note = serde_json::json!({"url": url, "etag": "\"another\"", "bytes": old.len()});
    fs::write(moto.file("a.db.part"), &old[..5000]).unwrap();
    fs::write(moto.file("a.db.part.from"), note.to_string()).unwrap();
    moto.put("/backups/a.db", &new);
    ok(moto.run(&["fetch", url, file.to_str().unwrap()]));
    assert_eq!(fs::read(&file).unwrap(), new);
    // a part that nobody can tell of is not written over
    fs::write(moto.file("b.db.part"), b"mine").unwrap();
    let output = moto.run(&["fetch", url, moto.file("b.db").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(fs::read(moto.file("b.db.part")).unwrap(), b"mine");
}

/// In a directory of another user's: what has the names of a begun download there is neither written through nor taken.
fn planted(moto: &Moto) {
    const EVE: u32 = 61_234;
    let root = rustix::process::geteuid().is_root();
    let (snapshot, url) = (fs::read(fixture("s35.db")).unwrap(), "s3://backups/a.db");
    moto.put("/backups/a.db", &snapshot);
    // A whole download tells the note that she would have to forge; its URL is enough.
    let note = serde_json::json!({"url": url, "etag": "\"any\"", "bytes": snapshot.len()}).to_string();
    let give = |path: &Path| {
        if root {
            lchown(path, Some(EVE), Some(EVE)).unwrap()
        }
    };
    for (at, plant) in ["link", "open", "note-link", "note-open"].into_iter().enumerate() {
        let dir = moto.file(&format!("hers-{at}"));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        give(&dir);
        let (part, from, victim) = (dir.join("a.db.part"), dir.join("a.db.part.from"), moto.file("victim"));
        let as_note = plant.starts_with("note");
        let (hers, other) = if as_note { (&from, &part) } else { (&part, &from) };
        let text = |path: &Path| if path == from { note.as_str() } else { "begun" };
        fs::write(other, text(other)).unwrap();
        fs::write(&victim, text(hers)).unwrap();
        match plant.ends_with("link") {
            true => symlink(&victim, hers).unwrap(),
            false => {
                fs::write(hers, text(hers)).unwrap();
                fs::set_permissions(hers, fs::Permissions::from_mode(0o666)).unwrap();
            }
        }
        [&part, &from].into_iter().for_each(|path| give(path));
        let output = moto.run(&["fetch", url, dir.join("a.db").to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{plant}: {}", said(&output));
        assert!(!dir.join("a.db").exists(), "{plant}");
        for path in [hers.as_path(), other.as_path(), victim.as_path()] {
            assert_eq!(fs::read_to_string(path).unwrap(), text(if path == victim { hers } else { path }), "{plant}");
        }
        // Under another name it is fetched there, and is root's alone.
        let file = dir.join("b.db");
        ok(moto.run(&["fetch", url, file.to_str().unwrap()]));
        let meta = fs::symlink_metadata(&file).unwrap();
        assert!(meta.is_file() && meta.mode() & 0o022 == 0, "{plant}: {:o}", meta.mode());
        assert_eq!((fs::read(&file).unwrap(), meta.uid()), (snapshot.clone(), rustix::process::geteuid().as_raw()));
    }
}

/// A session token is in no URL, which proxies and stores write into their logs, and in nothing that is printed.
fn tokens(moto: &Moto) {
    let snapshot = fs::read(fixture("s35.db")).unwrap();
    moto.put("/backups/a%20b.db", &snapshot);
    let (door, file) = (Cutter::start(moto.at, &[]), moto.file("a.db"));
    for args in [&["list", "s3://backups/a"][..], &["fetch", "s3://backups/a b.db", file.to_str().unwrap()]] {
        let mut command = requorum(["snapshot"]);
        command.env("HOME", moto.dir.path()).env("AWS_ENDPOINT_URL_S3", format!("http://{}", door.at));
        command.env("AWS_ACCESS_KEY_ID", "AK").env("AWS_SECRET_ACCESS_KEY", "hidden-secret");
        command.env("AWS_SESSION_TOKEN", "hidden-token").args(args);
        let text = ok(command.output().unwrap());
        assert!(!text.contains("hidden"), "{text}");
    }
    assert_eq!(fs::read(&file).unwrap(), snapshot);
    let asked = door.asked();
    assert!(asked.len() >= 2, "{asked:?}");
    for head in asked {
        let (line, headers) = head.split_once("\r\n").unwrap();
        assert!(!line.contains("hidden") && !line.contains("X-Amz") && !line.contains("AK"), "{line}");
        assert!(headers.contains("x-amz-security-token: hidden-token\r\n"), "{headers}");
        assert!(headers.contains("authorization: AWS4-HMAC-SHA256 Credential=AK/"), "{headers}");
        assert!(!headers.contains("hidden-secret"), "{headers}");
    }
}

/// A store that announces more than any disk has: refused at once, and nothing is left.
fn announced(moto: &Moto) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let answer = format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n", 1u64 << 62);
            let _ = client.write_all(answer.as_bytes());
            while client.write_all(&[0; 8192]).is_ok() {}
        }
    });
    let output = moto.run_at(at, &["fetch", "s3://backups/a.db", moto.file("a.db").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!(fs::read_dir(moto.dir.path()).unwrap().count(), 0);
}

fn refused(moto: &Moto) {
    let file = moto.file("x.db");
    let file = file.to_str().unwrap();
    for (args, code, words) in [
        (["fetch", "s3://backups/none.db", file], 1, "NoSuchKey"),
        (["fetch", "s3://nobody/none.db", file], 1, "NoSuchBucket"),
        (["fetch", "s3://backups/../x", file], 2, "names no object"),
        (["fetch", "s3://backups/prod/", file], 2, "not a single object"),
        (["fetch", "https://backups/x", file], 2, "names no object"),
    ] {
        let output = moto.run(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = moto.run_at(closed, &["list", "s3://backups/"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(fs::read_dir(moto.dir.path()).unwrap().count(), 0);
}
