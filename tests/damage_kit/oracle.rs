//! The judge: what the engine says of a damaged file, against what is really left of the data.
//!
//! Right is: an error in a sentence that names a place, and nothing left behind; or the data whole, row for row.
//! Wrong is everything else: a panic, reading without end, a lost or changed row that nobody tells.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use requorum::{
    bbolt::{ReadAt, View},
    domain::model::observations::Health,
    engine::{
        install,
        progress::Flow,
        restore::{RestoreSpec, initial_log::InitialLog},
        scan::{
            examine,
            row_scan::check_and_walk,
            status::{Status, Trailer, status},
        },
    },
    error::Error,
    etcd::version::Minor,
};
use sha2::{Digest, Sha256};

use super::{Damage, Fixture, candidates, layout::Role};

/// All rows of all buckets.
pub type Rows = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What a whole file holds.
pub struct Truth {
    /// Its rows.
    pub rows: Rows,
    /// Its status.
    pub status: Status,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Refused, in a sentence.
    Refused,
    /// Refused until the operator accepts the damage, and then every row is there and the same.
    Accepted,
    /// Told by the trailer alone.
    Hashed,
    /// Taken, and every row is there and the same.
    Whole,
    /// Taken; a row's own key or value differs, and the trailer was made to fit: no reader could know.
    Payload,
    /// Taken, though rows are lost or changed, and something in the file could have told: what the prototype says.
    Missed(Option<String>),
    /// Judged wrong.
    Wrong(String),
}

/// Reads all rows of a file's body; none if a page of them cannot be read.
pub fn rows(body: &[u8]) -> Option<Rows> {
    let view = View::open(body).ok()?;
    let mut all = Rows::new();
    for (name, bucket) in view.buckets().ok()? {
        let rows = all.entry(name).or_default();
        let mut cursor = view.cursor(&bucket);
        while let Some(row) = cursor.next().ok()? {
            rows.insert(row.key.to_vec(), row.value.to_vec());
        }
    }
    Some(all)
}

impl Truth {
    /// Of a whole file, which must be judged whole.
    pub fn of(fixture: &Fixture, dir: &Path) -> Truth {
        let bytes = Damage::new("whole", "").apply(fixture);
        let path = dir.join("whole.db");
        fs::write(&path, &bytes).unwrap();
        let status = status(&path, &mut |_| Flow::Go).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        assert_eq!(status.trailer, Trailer::Ok, "{}", fixture.name);
        Truth { rows: rows(&fixture.body).unwrap(), status }
    }
}

/// Which restores are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restores {
    /// None.
    No,
    /// Those that must be refused: they cost no more than the reading.
    Refused,
    /// Also those that must succeed, at 64 MB of log and some flushes each.
    All,
}

/// Judges one damaged file in `dir`.
pub fn judge(damage: &Damage, fixture: &Fixture, truth: &Truth, dir: &Path, restores: Restores) -> Verdict {
    match judged(damage, fixture, truth, dir, restores) {
        Ok(verdict) => verdict,
        Err(wrong) => Verdict::Wrong(wrong),
    }
}

/// Why a file is not to be trusted, of which there are figures.
fn told(status: &Status, path: &Path) -> Error {
    status.verdict(path).expect_err("a problem makes it an error")
}

fn judged(
    damage: &Damage,
    fixture: &Fixture,
    truth: &Truth,
    dir: &Path,
    restores: Restores,
) -> Result<Verdict, String> {
    let bytes = damage.apply(fixture);
    let body = &bytes[..if bytes.len() % 512 == 32 { bytes.len() - 32 } else { bytes.len() }];
    // Whatever the length: a hash of all before it, at some sector's end, is the trailer, and what follows is not of it.
    let sealed = (4096..bytes.len().saturating_sub(31)).step_by(512).find(|at| {
        // A digest each is slow: the files are small, and the hash is tried where it can be.
        let shape = View::open(&bytes[..]).ok().map(|view| (view.used_bytes() as usize, view.page_size() as usize));
        shape.is_some_and(|(mark, page)| *at >= mark && (*at - mark).is_multiple_of(page))
            && Sha256::digest(&bytes[..*at])[..] == bytes[*at..*at + 32]
    });
    let body = sealed.map_or(body, |at| &bytes[..at]);
    let trailer = match bytes.len() == body.len() {
        _ if sealed.is_some() => Trailer::Ok,
        true if odd_hash(&bytes) => Trailer::Wrong,
        true => Trailer::Missing,
        false if Sha256::digest(body)[..] == bytes[body.len()..] => Trailer::Ok,
        false => Trailer::Wrong,
    };
    let path = dir.join("damaged.db");
    fs::write(&path, &bytes).map_err(|e| e.to_string())?;
    bounded(body)?;

    let said = caught("status", || status(&path, &mut |_| Flow::Go))?;
    // Damage that may be accepted is refused without that; with it, the rows are those that can be read, all of them.
    let acceptable = said.as_ref().ok().and_then(|status| status.acceptable_revision);
    // Figures may be shown of a file that is not to be trusted; what counts is what they come with.
    let said = said.and_then(|status| if status.problems.is_empty() { Ok(status) } else { Err(told(&status, &path)) });
    let facts = caught("examine", || examine::examine(&path, &mut |_| Flow::Go))?.map_err(|e| e.to_string())?;
    let [strict, lenient] = [false, true].map(|skip| {
        let refused = said.is_err() || (trailer != Trailer::Ok && !skip);
        let go = restores == Restores::All || (refused && restores == Restores::Refused);
        go.then(|| restored(&path, dir, skip, None)).transpose()
    });
    let (strict, lenient) = (strict?, lenient?);

    let status = match said {
        Err(error) => {
            sentence(&error.to_string())?;
            match &facts.health {
                Health::Broken(why) => sentence(why)?,
                Health::Limited(damage) if acceptable == Some(damage.revision) => sentence(&damage.why)?,
                health => return Err(format!("status refuses it ({error}), examine says {health:?}")),
            }
            for (skip, outcome) in [("", strict), (" --skip-hash-check", lenient)] {
                match outcome {
                    Some(Err(error)) => sentence(&error)?,
                    None => {}
                    Some(Ok(_)) => return Err(format!("status refuses it ({error}), restore{skip} takes it")),
                }
            }
            let Some(revision) = acceptable else { return Ok(Verdict::Refused) };
            let left = rows(body).ok_or("it may be accepted, but its rows cannot all be read")?;
            if restores == Restores::All {
                placed(restored(&path, dir, true, Some(revision))??, &left)?;
                if restored(&path, dir, true, Some(revision + 1))?.is_ok() {
                    return Err("restored though another revision was accepted".into());
                }
            }
            return Ok(match left == truth.rows {
                true => Verdict::Accepted,
                false => Verdict::Missed(candidates::suspect(body, &left)),
            });
        }
        Ok(status) => status,
    };
    if status.trailer != trailer {
        return Err(format!("the trailer is {trailer:?}, status says {:?}", status.trailer));
    }
    if (trailer != Trailer::Ok) == status.trailer_problem.is_empty() {
        return Err(format!("the trailer is {trailer:?}, status explains {:?}", status.trailer_problem));
    }
    let health = match trailer {
        Trailer::Ok => matches!(facts.health, Health::Verified),
        Trailer::Missing => matches!(facts.health, Health::Unhashed),
        Trailer::Wrong => matches!(&facts.health, Health::Broken(why) if sentence(why).is_ok()),
    };
    if !health {
        return Err(format!("the trailer is {trailer:?}, examine says {:?}", facts.health));
    }
    let left = rows(body).ok_or("status takes it, but its rows cannot all be read")?;
    let same = left == truth.rows;
    if same {
        let figures = |s: &Status| (s.hash, s.revision, s.total_key, s.total_row);
        if figures(&status) != figures(&truth.status) {
            return Err(format!("the rows are the same, the figures are not: {:?}", figures(&status)));
        }
    }
    if let Some(outcome) = strict {
        match (trailer, outcome) {
            (Trailer::Ok, outcome) => placed(outcome?, &left)?,
            (_, Err(why)) => sentence(&why)?,
            (_, Ok(_)) => return Err("restored without its hash being right, and nobody asked for that".into()),
        }
    }
    if let Some(outcome) = lenient {
        placed(outcome?, &left)?;
    }
    Ok(match (same, trailer) {
        (true, _) => Verdict::Whole,
        (false, Trailer::Wrong) => Verdict::Hashed,
        (false, _) if payload(&left, &truth.rows) && only_rows(damage, fixture) => Verdict::Payload,
        (false, _) => Verdict::Missed(candidates::suspect(body, &left)),
    })
}

/// Whether what follows the pages of a file whose length is none of a database could be a hash and more: no text, no filling.
fn odd_hash(bytes: &[u8]) -> bool {
    let Ok(view) = View::open(bytes) else { return false };
    let (mark, page) = (view.used_bytes() as usize, view.page_size() as usize);
    let odd = bytes.len().saturating_sub(mark) % page;
    let hash = |at: usize, most: usize| {
        let Some(hash) = bytes.get(at..at + 32) else { return false };
        let text =
            std::str::from_utf8(hash).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
        let different = hash.iter().collect::<std::collections::BTreeSet<_>>().len();
        !text && different >= most && !hash.iter().all(|byte| *byte == 0 || *byte == 0x1a)
    };
    // Less than a hash: what is left of one, of other content.
    let rest = bytes.get(bytes.len() - odd..).unwrap_or_default();
    let text =
        std::str::from_utf8(rest).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    let filling = [0, 0x1a].iter().any(|fill| rest.iter().all(|byte| byte == fill));
    let fits = || Sha256::digest(&bytes[..bytes.len() - odd]).starts_with(rest);
    if (1..32).contains(&odd) && bytes.len() > mark {
        return !text && !filling && !fits();
    }
    odd > 0 && ((odd > 32 && hash(bytes.len() - odd, 0)) || (bytes.len() > mark + 32 && hash(mark, 20)))
}

/// Whether the damage changed nothing but rows' own keys and values.
fn only_rows(damage: &Damage, fixture: &Fixture) -> bool {
    let data = |at: usize| matches!(fixture.layout.roles[at], Role::RowKey | Role::RowValue | Role::Unused);
    let same = |at: usize, byte: u8| fixture.body[at] == byte;
    let mut pokes = damage.pokes.iter();
    damage.len.is_none() && pokes.all(|(at, poke)| (*at..).zip(poke).all(|(at, byte)| same(at, *byte) || data(at)))
}

/// Whether as many rows are left in each bucket as there were: one of them reads differently, none is lost.
fn payload(left: &Rows, truth: &Rows) -> bool {
    left.len() == truth.len()
        && truth.iter().all(|(name, rows)| left.get(name).is_some_and(|left| left.len() == rows.len()))
}

/// Runs it; a panic is a defect.
fn caught<T>(what: &str, run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| format!("{what} panicked"))
}

/// What a restore said; anything that it left behind after a refusal is an error.
type Outcome = Result<Vec<u8>, String>;

fn restored(path: &Path, dir: &Path, skip: bool, accept_damage: Option<i64>) -> Result<Outcome, String> {
    let target = dir.join("parent/member");
    fs::create_dir_all(dir.join("parent")).map_err(|e| e.to_string())?;
    let url = vec!["http://127.0.0.1:2380".to_string()];
    let genesis = InitialLog::new([("m1", &*url)], "token");
    let job = RestoreSpec {
        options: &requorum::domain::model::options::Options { accept_damage, ..Default::default() },
        source: path,
        pinned_sha256: None,
        skip_hash_check: skip,
        genesis: &genesis,
        name: "m1",
        data_dir: &target,
        wal_dir: None,
        target: Minor::V3_5,
        bump_revision: 0,
    };
    let outcome = caught("restore", || install::restore(&job, &mut |_| Flow::Go))?;
    let outcome = match outcome {
        Ok(_) => {
            let db = fs::read(target.join("member/snap/db")).map_err(|e| e.to_string());
            fs::remove_dir_all(&target).map_err(|e| e.to_string())?;
            Ok(db?)
        }
        Err(error) => Err(error.to_string()),
    };
    let behind: Vec<_> = fs::read_dir(dir.join("parent")).map_err(|e| e.to_string())?.collect();
    if !behind.is_empty() {
        return Err(format!("the restore left {behind:?} behind"));
    }
    Ok(outcome)
}

/// A restored database holds the snapshot's rows, membership and raft position aside.
fn placed(db: Vec<u8>, source: &Rows) -> Result<(), String> {
    let mut made = rows(&db).ok_or("the restored database cannot be read")?;
    let mut source = source.clone();
    for rows in [&mut made, &mut source] {
        rows.remove(&b"members"[..]);
        rows.remove(&b"members_removed"[..]);
        let meta = rows.entry(b"meta".to_vec()).or_default();
        meta.remove(&b"consistent_index"[..]);
        meta.remove(&b"term"[..]);
        rows.entry(b"cluster".to_vec()).or_default();
    }
    if made == source { Ok(()) } else { Err("the restored database has other rows".into()) }
}

/// Whether it is a sentence that names a place: a page, a bucket, an offset, a length.
fn sentence(text: &str) -> Result<(), String> {
    let places = ["page ", "pages ", "bucket", "offset", " bytes", "trailer", "not a bbolt database"];
    let named = places.iter().any(|place| text.contains(place));
    let raw = ["panicked", "Err(", "Some(", "Error {", "unwrap"].iter().any(|raw| text.contains(raw));
    if text.len() > 15 && named && !raw { Ok(()) } else { Err(format!("no sentence that names a place: {text:?}")) }
}

/// Counts what is read.
struct Counted<'b>(&'b [u8], Cell<u64>);

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.set(self.1.get() + buf.len() as u64);
        self.0.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// Check and walk read no more than a few times the file, whatever it says of itself.
fn bounded(body: &[u8]) -> Result<(), String> {
    let source = Counted(body, Cell::new(0));
    caught("the check", || {
        if let Ok(view) = View::open(&source) {
            let _ = check_and_walk(&view, &mut |_| Flow::Go);
        }
    })?;
    let (read, most) = (source.1.get(), 6 * body.len() as u64 + 65536);
    if read > most { Err(format!("{read} bytes were read of a file of {}", body.len())) } else { Ok(()) }
}
