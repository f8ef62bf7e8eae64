//! Archives opened in passing: gzip, zip and zstd around a snapshot, unpacked into memory where that is little, else into
//! an unnamed temporary file that is gone with the process; and nothing beyond a bound: an archive can promise anything.

mod bound;
mod decode;

use crate::{bbolt::PageBuffer, text::number};
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use self::{
    bound::{Announced, Bound, IN_MEMORY, KEEP_FREE, Limit, MOST_BYTES, Refused, gzip_length, zstd_length},
    decode::{Frames, Members},
};
use super::{
    BLOCK_BYTES,
    filetype::{self, is_database},
    hex, step,
};
use crate::{
    engine::{
        durable_fs,
        progress::{Phase, ProgressFn},
    },
    text::value,
};
use crate::{
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// How much is unpacked between two looks at the free space.
const LOOK_EVERY: u64 = 64 << 20;
/// In so many files of a zip archive a snapshot is looked for.
const MOST_FILES: usize = 10_000;

/// The archive formats that are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// RFC 1952.
    Gzip,
    /// PKZIP, stored or deflated.
    Zip,
    /// Zstandard.
    Zstd,
}

/// What came out of an archive.
#[derive(Debug)]
pub(in crate::engine) struct Unpacked {
    /// The unnamed file.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// The name inside, for a zip archive.
    pub name: Option<String>,
}

impl Archive {
    /// Tells by the first bytes.
    pub fn from_head(head: &[u8]) -> Option<Archive> {
        let formats: [(&[u8], Archive); 3] =
            [(b"\x1f\x8b", Archive::Gzip), (b"PK\x03\x04", Archive::Zip), (b"\x28\xb5\x2f\xfd", Archive::Zstd)];
        formats.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, archive)| archive)
    }

    /// `a gzip archive`.
    pub fn words(self) -> &'static str {
        match self {
            Archive::Gzip => "a gzip archive",
            Archive::Zip => "a zip archive",
            Archive::Zstd => "a zstd archive",
        }
    }

    /// The command that unpacks it.
    pub fn command(self) -> &'static str {
        match self {
            Archive::Gzip => "gunzip -k FILE.gz",
            Archive::Zip => "unzip FILE.zip",
            Archive::Zstd => "unzstd FILE.zst",
        }
    }
}

impl Archive {
    /// How to get at a snapshot in what is in it.
    fn hint_for(self, head: &[u8], path: &Path) -> String {
        let path = filetype::quoted(path);
        let unpack = match self {
            Archive::Gzip => "gunzip -c",
            Archive::Zstd => "zstd -dc",
            Archive::Zip => return "Name the snapshot itself.".into(),
        };
        if filetype::is_tar(head) {
            return match velero(head) {
                true => "It holds objects of Kubernetes, which Velero restores. Name an etcd snapshot.".into(),
                false => format!("Unpack it first (tar -xf {path}), and name the snapshot that comes out."),
            };
        }
        if Archive::from_head(head) == Some(self) {
            return format!("Unpack it twice: {unpack} {path} | {unpack} > NEW.db");
        }
        match filetype::identify(head.get(..filetype::HEAD_BYTES).unwrap_or(head), Path::new("NEW")) {
            Some(found) if Archive::from_head(head).is_some() || found.kind != filetype::FileKind::Other => {
                format!("Unpack it first ({unpack} {path} > NEW). {}", found.hint)
            }
            _ => "Name the snapshot itself.".into(),
        }
    }
}

/// Whether the first member of a tar archive is one that Velero puts there.
fn velero(head: &[u8]) -> bool {
    [&b"metadata/version"[..], b"resources/"].iter().any(|name| head.starts_with(name))
}

/// Unpacks the snapshot in `file`, which stands at `path`.
///
/// # Errors
/// When it is damaged, holds no snapshot or several, would grow beyond its bound or the disk, or
/// `watch` says stop.
pub(in crate::engine) fn unpack(
    archive: Archive,
    file: &File,
    path: &Path,
    watch: &mut ProgressFn<'_>,
) -> Result<Unpacked> {
    let place = Place::choose();
    let broken = |e: String| {
        Error::new(ErrorKind::Input, format!("{} cannot be unpacked", path.shown()))
            .why(format!("it is {}, but {e}", archive.words()))
            .hint("Take another copy of it, or another snapshot.")
    };
    let mut packed = BufReader::with_capacity(1 << 16, file.try_clone().map_err(|e| broken(e.to_string()))?);
    packed.seek(SeekFrom::Start(0)).map_err(|e| broken(e.to_string()))?;
    let bound = |announced| {
        let free = place.free();
        Bound::new(announced, free).map_err(|refused| match refused {
            Refused::TooLarge(bytes) => broken(format!(
                "it announces {} bytes, which no etcd database has: at most {} are unpacked",
                number::thousands(bytes),
                number::thousands(MOST_BYTES)
            )),
            Refused::NoRoom(bytes) => no_room(
                path,
                &place,
                archive,
                &format!(
                    "it unpacks to {}, and {} free",
                    number::byte_count(bytes),
                    number::count(free, "byte is", "bytes are")
                ),
            )
            .fault(Fault::NoSpace),
        })
    };
    match archive {
        Archive::Gzip => {
            let bound = bound(gzip_length(file))?;
            pour(&mut Members::new(packed), archive, path, &place, bound, watch)
        }
        Archive::Zstd => {
            let bound = bound(zstd_length(file))?;
            pour(&mut Frames::new(packed), archive, path, &place, bound, watch)
        }
        Archive::Zip => {
            let mut zip = zip::ZipArchive::new(packed).map_err(|e| broken(format!("it does not open: {e}")))?;
            let locked = || {
                Error::new(ErrorKind::Input, format!("{} cannot be unpacked", path.shown()))
                    .why("it is a zip archive that is encrypted with a password")
                    .hint(filetype::ZIP_PASSWORD.replace("{}", &filetype::quoted(path)))
            };
            let (at, name) = match zip_member(&mut zip) {
                Ok(found) => found,
                Err(NoMember::Locked) => return Err(locked()),
                Err(NoMember::Other(why)) => return Err(broken(why)),
            };
            let mut member = zip.by_index(at).map_err(|e| broken(e.to_string()))?;
            let bound = bound(Announced::Exactly(member.size()))?;
            let mut unpacked = pour(&mut member, archive, path, &place, bound, watch)?;
            unpacked.name = Some(name);
            Ok(unpacked)
        }
    }
}

fn no_room(path: &Path, place: &Place, archive: Archive, why: &dyn std::fmt::Display) -> Error {
    let what = format!("{} cannot be unpacked", path.shown());
    Error::new(ErrorKind::Failed, what).why(format!("{}: {why}", place.dir.shown())).hint(format!(
        "Name a directory with more room in TMPDIR, or unpack it where there is room. Unpack it first: {}",
        archive.command()
    ))
}

/// Why no snapshot is found in a zip archive.
enum NoMember {
    /// There may be one among the files that are encrypted.
    Locked,
    /// Anything else, a clause.
    Other(String),
}

/// The one file in it that begins as a database does.
fn zip_member<R: Read + Seek>(zip: &mut zip::ZipArchive<R>) -> std::result::Result<(usize, String), NoMember> {
    let mut found: Option<(usize, String)> = None;
    let (files, mut locked) = (zip.len(), false);
    for at in 0..files.min(MOST_FILES) {
        if zip.by_index_raw(at).is_ok_and(|member| member.encrypted()) {
            locked = true;
            continue;
        }
        let broken = |e: zip::result::ZipError| NoMember::Other(format!("a file in it cannot be read: {e}"));
        let mut member = zip.by_index(at).map_err(broken)?;
        let mut head = Vec::new();
        if !member.is_file() || (&mut member).take(4096).read_to_end(&mut head).is_err() || !is_database(&head) {
            continue;
        }
        let name = value::brief(member.name_raw(), 200);
        if let Some((_, first)) = &found {
            let why = format!("more than one snapshot is in it: {first} and {name}; unpack the one you mean");
            return Err(NoMember::Other(why));
        }
        found = Some((at, name));
    }
    found.ok_or_else(|| match locked {
        true => NoMember::Locked,
        false if files > MOST_FILES => NoMember::Other(format!(
            "{} files are in it, of which the first {} were looked at, and none of these is a snapshot",
            number::thousands(files as u64),
            number::thousands(MOST_FILES as u64)
        )),
        false if files == 1 => NoMember::Other("the one file in it is no snapshot".into()),
        false => {
            NoMember::Other(format!("none of the {} in it is a snapshot", number::count(files as u64, "file", "files")))
        }
    })
}

/// Where unpacked files lie.
struct Place {
    dir: PathBuf,
}

impl Place {
    /// `TMPDIR`, else `/var/tmp`, which unlike `/tmp` is seldom kept in memory.
    fn choose() -> Place {
        let given = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|dir| dir.is_dir());
        let large = || Some(PathBuf::from("/var/tmp")).filter(|dir| dir.is_dir());
        Place { dir: given.or_else(large).unwrap_or_else(std::env::temp_dir) }
    }

    fn free(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |stat| durable_fs::free_bytes(&stat))
    }
}

fn pour(
    from: &mut dyn Read,
    archive: Archive,
    path: &Path,
    place: &Place,
    bound: Bound,
    watch: &mut ProgressFn<'_>,
) -> Result<Unpacked> {
    let what = || format!("{} cannot be unpacked", path.shown());
    let broken = |e: &io::Error| {
        let why = match e.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut short".to_string(),
            _ => format!("it is damaged ({})", value::brief(e.to_string().as_bytes(), 120)),
        };
        Error::new(ErrorKind::Input, what())
            .why(format!("it is {}, but {why}", archive.words()))
            .hint("Take another copy of it, or another snapshot.")
    };
    let no_room = |e: &dyn std::fmt::Display| no_room(path, place, archive, e);
    let memory = rustix::fs::memfd_create("requorum-unpacked", rustix::fs::MemfdFlags::CLOEXEC);
    let (mut file, mut on_disk) = (File::from(memory.map_err(|e| no_room(&io::Error::from(e)))?), false);
    let mut buffer = PageBuffer::new(BLOCK_BYTES);
    let (mut bytes, mut looked) = (0u64, None);
    loop {
        let filled = fill(from, &mut buffer).map_err(|e| broken(&e))?;
        let Some(block) = buffer.get(..filled).filter(|block| !block.is_empty()) else { break };
        if bytes == 0 && !is_database(block) {
            return Err(Error::new(ErrorKind::Input, format!("{} is not a snapshot", path.shown()))
                .why(format!("it is {}, and what is in it is {}", archive.words(), stranger(block)))
                .hint(archive.hint_for(block, path)));
        }
        bytes = bytes.saturating_add(filled as u64);
        if bytes > bound.most {
            let most = number::byte_count(bound.most);
            let refused = |why: String| Err(Error::new(ErrorKind::Input, what()).why(why));
            return match bound.from {
                Limit::Database => refused(format!("it unpacks to more than {most}, which no etcd database has")),
                Limit::Announced => refused(format!("it announces {most}, and more is in it"))
                    .map_err(|trouble: Error| trouble.hint("Take another copy of it, or another snapshot.")),
                Limit::Room => {
                    let why = format!("it unpacks to more than {most}, the share of the free space that it may take");
                    Err(no_room(&why).fault(Fault::NoSpace))
                }
            };
        }
        if !on_disk && bytes > IN_MEMORY {
            let mut larger = durable_fs::unnamed(&place.dir).map_err(|e| no_room(&e))?;
            file.rewind().and_then(|()| io::copy(&mut file, &mut larger)).map_err(|e| no_room(&e))?;
            (file, on_disk) = (larger, true);
        }
        if on_disk && looked.is_none_or(|at| bytes.saturating_sub(at) >= LOOK_EVERY) {
            looked = Some(bytes);
            let free = place.free();
            if free < KEEP_FREE + LOOK_EVERY {
                return Err(no_room(&format!("only {} free", number::count(free, "byte is", "bytes are")))
                    .fault(Fault::NoSpace));
            }
        }
        file.write_all(block).map_err(|e| no_room(&e))?;
        step(watch, Phase::Unpack, bytes, 0)?;
    }
    if bytes == 0 {
        return Err(Error::new(ErrorKind::Input, format!("{} is not a snapshot", path.shown()))
            .why(format!("it is {}, and what is in it is empty", archive.words())));
    }
    Ok(Unpacked { file, bytes, name: None })
}

/// Reads until the buffer is full or the end: decoders hand out small pieces.
fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(n) => filled = filled.saturating_add(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

fn stranger(head: &[u8]) -> String {
    if filetype::is_tar(head) && velero(head) {
        return "a tar archive with a backup of Velero".into();
    }
    match filetype::identify(head.get(..filetype::HEAD_BYTES).unwrap_or(head), Path::new("FILE")) {
        Some(found) => found.name,
        None => format!("no etcd database (it begins with {})", hex(head.get(..8).unwrap_or(head))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::progress::Flow;

    fn place() -> Place {
        Place { dir: std::env::temp_dir() }
    }

    fn within(most: u64) -> Bound {
        Bound { most, from: Limit::Database }
    }

    /// A zip archive whose directory announces less than is in it, and others that announce what nobody has.
    #[test]
    fn what_is_announced_and_what_comes() {
        let path = Path::new("a.zip");
        let bytes = database(9000);
        let bound = Bound { most: 8999, from: Limit::Announced };
        let more = pour(&mut bytes.as_slice(), Archive::Zip, path, &place(), bound, &mut |_| Flow::Go).unwrap_err();
        assert!(more.kind == ErrorKind::Input && more.why.contains("8,999"), "{more}");
        let bound = Bound { most: 8999, from: Limit::Room };
        let room = pour(&mut bytes.as_slice(), Archive::Gzip, path, &place(), bound, &mut |_| Flow::Go).unwrap_err();
        assert_eq!((room.kind, room.fault), (ErrorKind::Failed, Some(Fault::NoSpace)));
        // A frame of 2^62 bytes, which its header announces; only that is there.
        let dir = tempfile::tempdir().unwrap();
        let huge = dir.path().join("huge.zst");
        let mut frame = b"\x28\xb5\x2f\xfd\xc0\x00".to_vec();
        frame.extend((1u64 << 62).to_le_bytes());
        frame.extend([0; 20]);
        std::fs::write(&huge, &frame).unwrap();
        let file = File::open(&huge).unwrap();
        assert_eq!(zstd_length(&file), Announced::AtLeast(1 << 62));
        let refused = unpack(Archive::Zstd, &file, &huge, &mut |_| Flow::Go).unwrap_err();
        assert!(refused.why.contains("4,611,686,018,427,387,904"), "{refused}");
        let gzip = dir.path().join("a.gz");
        std::fs::write(&gzip, b"\x1f\x8b......\x04\x03\x02\x01").unwrap();
        assert_eq!(gzip_length(&File::open(&gzip).unwrap()), Announced::Perhaps(0x0102_0304));
        std::fs::write(&gzip, b"\x1f\x8b").unwrap();
        assert_eq!(gzip_length(&File::open(&gzip).unwrap()), Announced::Nothing);
    }

    fn database(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[16..20].copy_from_slice(b"\xed\xda\x0c\xed");
        bytes
    }

    #[test]
    fn a_bomb_is_stopped_at_its_bound() {
        let path = Path::new("bomb.gz");
        let bomb = database(4096);
        let mut endless = bomb.as_slice().chain(io::repeat(0));
        let trouble =
            pour(&mut endless, Archive::Gzip, path, &place(), within(3 << 20), &mut |_| Flow::Go).unwrap_err();
        assert!(trouble.kind == ErrorKind::Input && trouble.why.contains("3,145,728"), "{trouble}");
    }

    #[test]
    fn it_stops_when_asked() {
        let path = Path::new("a.gz");
        let bytes = database(4096);
        let trouble = pour(&mut bytes.as_slice(), Archive::Gzip, path, &place(), within(1 << 20), &mut |_| Flow::Stop)
            .unwrap_err();
        assert_eq!(trouble.kind, ErrorKind::Stopped);
    }

    #[test]
    fn strangers_inside_are_named() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases = [
            (tar, "a tar archive"),
            (b"SQLite format 3\0aaaa".to_vec(), "an SQLite database"),
            (b"hello, world".to_vec(), "text; it begins with \"hello, world\""),
            (vec![0xf0; 40], "begins with f0f0f0f0f0f0f0f0"),
            (Vec::new(), "is empty"),
        ];
        for (bytes, words) in cases {
            let path = Path::new("a.zst");
            let trouble = pour(&mut bytes.as_slice(), Archive::Zstd, path, &place(), within(9999), &mut |_| Flow::Go);
            assert!(trouble.unwrap_err().why.contains(words), "{words}");
        }
    }
}
