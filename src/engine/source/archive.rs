//! Snapshots in a gzip, zip or zstd archive: unpacked into memory if they are small, otherwise into an unnamed temporary
//! file that ends with the process; never beyond a limit, since an archive may announce any size.

mod bound;
mod decode;

use crate::bbolt::PageBuffer;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use self::{
    bound::{AnnouncedSize, Bound, IN_MEMORY, KEEP_FREE, Limit, LimitError, MOST_BYTES, gzip_length, zstd_length},
    decode::{GzipMembers, ZstdFrames},
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
    text::{number, size, value},
};
use crate::{
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// Bytes that are unpacked between two checks of the free space.
const SPACE_CHECK_BYTES: u64 = 64 << 20;
/// The most files of a zip archive that are searched for a snapshot.
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

/// A snapshot unpacked from an archive.
#[derive(Debug)]
pub(in crate::engine) struct UnpackedFile {
    /// The unnamed file.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// Its name in the archive, for zip.
    pub name: Option<String>,
}

impl Archive {
    /// Identifies the format by the first bytes.
    pub fn from_head(head: &[u8]) -> Option<Archive> {
        let formats: [(&[u8], Archive); 3] =
            [(b"\x1f\x8b", Archive::Gzip), (b"PK\x03\x04", Archive::Zip), (b"\x28\xb5\x2f\xfd", Archive::Zstd)];
        formats.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, archive)| archive)
    }

    /// Returns the format as a phrase: `a gzip archive`.
    pub fn words(self) -> &'static str {
        match self {
            Archive::Gzip => "a gzip archive",
            Archive::Zip => "a zip archive",
            Archive::Zstd => "a zstd archive",
        }
    }

    /// Returns the command that unpacks it.
    pub fn command(self) -> &'static str {
        match self {
            Archive::Gzip => "gunzip -k FILE.gz",
            Archive::Zip => "unzip FILE.zip",
            Archive::Zstd => "unzstd FILE.zst",
        }
    }
}

impl Archive {
    /// Returns how to get the snapshot out of content that begins with `head`.
    fn hint_for(self, head: &[u8], path: &Path) -> String {
        let path = filetype::quoted(path);
        let unpack = match self {
            Archive::Gzip => "gunzip -c",
            Archive::Zstd => "zstd -dc",
            Archive::Zip => return "Specify the snapshot itself.".into(),
        };
        if filetype::is_tar(head) {
            return match velero(head) {
                true => "It holds Kubernetes objects, which Velero restores. Specify an etcd snapshot.".into(),
                false => format!("Unpack it first (tar -xf {path}), and specify the snapshot in it."),
            };
        }
        if Archive::from_head(head) == Some(self) {
            return format!("Unpack it twice: {unpack} {path} | {unpack} > NEW.db");
        }
        match filetype::identify(head.get(..filetype::HEAD_BYTES).unwrap_or(head), Path::new("NEW")) {
            Some(found) if Archive::from_head(head).is_some() || found.kind != filetype::FileKind::Other => {
                format!("Unpack it first ({unpack} {path} > NEW). {}", found.hint)
            }
            _ => "Specify the snapshot itself.".into(),
        }
    }
}

/// Returns whether the first member of a tar archive is one of a Velero backup.
fn velero(head: &[u8]) -> bool {
    [&b"metadata/version"[..], b"resources/"].iter().any(|name| head.starts_with(name))
}

/// Unpacks the snapshot in `file`, which was opened from `path`.
///
/// # Errors
/// If it is damaged, holds no snapshot or several, would exceed its limit or the disk, or `watch` returns stop.
pub(in crate::engine) fn unpack(
    archive: Archive,
    file: &File,
    path: &Path,
    watch: &mut ProgressFn<'_>,
) -> Result<UnpackedFile> {
    let place = TempLocation::choose();
    let broken = |e: String| {
        Error::new(ErrorKind::Input, format!("{}: cannot be unpacked", path.shown()))
            .why(format!("it is {}, but {e}", archive.words()))
            .hint("Take another copy of it, or another snapshot.")
    };
    let mut packed = BufReader::with_capacity(1 << 16, file.try_clone().map_err(|e| broken(e.to_string()))?);
    packed.seek(SeekFrom::Start(0)).map_err(|e| broken(e.to_string()))?;
    let bound = |announced| {
        let free = place.free();
        Bound::new(announced, free).map_err(|refused| match refused {
            LimitError::TooLarge(bytes) => broken(format!(
                "its header announces {} bytes, more than any etcd database has; the limit is {}",
                number::thousands(bytes),
                number::thousands(MOST_BYTES)
            )),
            LimitError::NoRoom(bytes) => no_room(
                path,
                &place,
                archive,
                &format!(
                    "it unpacks to {}, but only {} free",
                    size::byte_count(bytes),
                    number::count(free, "byte is", "bytes are")
                ),
            )
            .fault(Fault::NoSpace),
        })
    };
    match archive {
        Archive::Gzip => {
            let bound = bound(gzip_length(file))?;
            decompress(&mut GzipMembers::new(packed), archive, path, &place, bound, watch)
        }
        Archive::Zstd => {
            let bound = bound(zstd_length(file))?;
            decompress(&mut ZstdFrames::new(packed), archive, path, &place, bound, watch)
        }
        Archive::Zip => {
            let mut zip = zip::ZipArchive::new(packed).map_err(|e| broken(format!("it cannot be opened: {e}")))?;
            let locked = || {
                Error::new(ErrorKind::Input, format!("{}: cannot be unpacked", path.shown()))
                    .why("it is a zip archive that is encrypted with a password")
                    .hint(filetype::ZIP_PASSWORD.replace("{}", &filetype::quoted(path)))
            };
            let (at, name) = match zip_member(&mut zip) {
                Ok(found) => found,
                Err(MemberError::Locked) => return Err(locked()),
                Err(MemberError::Other(why)) => return Err(broken(why)),
            };
            let mut member = zip.by_index(at).map_err(|e| broken(e.to_string()))?;
            let bound = bound(AnnouncedSize::Exactly(member.size()))?;
            let mut unpacked = decompress(&mut member, archive, path, &place, bound, watch)?;
            unpacked.name = Some(name);
            Ok(unpacked)
        }
    }
}

fn no_room(path: &Path, place: &TempLocation, archive: Archive, why: &dyn std::fmt::Display) -> Error {
    let what = format!("{}: cannot be unpacked", path.shown());
    Error::new(ErrorKind::Failed, what).why(format!("{}: {why}", place.dir.shown())).hint(format!(
        "Set TMPDIR to a directory with more free space, or unpack it where there is space: {}",
        archive.command()
    ))
}

/// Why no snapshot was found in a zip archive.
enum MemberError {
    /// Files are encrypted; one of them may be a snapshot.
    Locked,
    /// Another reason, as a clause.
    Other(String),
}

/// Returns the index and the name of the only file in it that begins like a database.
fn zip_member<R: Read + Seek>(zip: &mut zip::ZipArchive<R>) -> std::result::Result<(usize, String), MemberError> {
    let mut found: Option<(usize, String)> = None;
    let (files, mut locked) = (zip.len(), false);
    for at in 0..files.min(MOST_FILES) {
        if zip.by_index_raw(at).is_ok_and(|member| member.encrypted()) {
            locked = true;
            continue;
        }
        let broken = |e: zip::result::ZipError| MemberError::Other(format!("a file in it cannot be read: {e}"));
        let mut member = zip.by_index(at).map_err(broken)?;
        let mut head = Vec::new();
        if !member.is_file() || (&mut member).take(4096).read_to_end(&mut head).is_err() || !is_database(&head) {
            continue;
        }
        let name = value::brief(member.name_raw(), 200);
        if let Some((_, first)) = &found {
            let why = format!("it contains more than one snapshot: {first} and {name}; unpack the one you want");
            return Err(MemberError::Other(why));
        }
        found = Some((at, name));
    }
    found.ok_or_else(|| match locked {
        true => MemberError::Locked,
        false if files > MOST_FILES => MemberError::Other(format!(
            "it contains {} files, and none of the first {} is a snapshot; the others were not checked",
            number::thousands(files as u64),
            number::thousands(MOST_FILES as u64)
        )),
        false if files == 1 => MemberError::Other("the only file in it is not a snapshot".into()),
        false => MemberError::Other(format!(
            "none of the {} in it is a snapshot",
            number::count(files as u64, "file", "files")
        )),
    })
}

/// The directory for unpacked files.
struct TempLocation {
    dir: PathBuf,
}

impl TempLocation {
    /// Chooses `TMPDIR`, else `/var/tmp`, which unlike `/tmp` is rarely in memory.
    fn choose() -> TempLocation {
        let given = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|dir| dir.is_dir());
        let large = || Some(PathBuf::from("/var/tmp")).filter(|dir| dir.is_dir());
        TempLocation { dir: given.or_else(large).unwrap_or_else(std::env::temp_dir) }
    }

    fn free(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |stat| durable_fs::free_bytes(&stat))
    }
}

fn decompress(
    from: &mut dyn Read,
    archive: Archive,
    path: &Path,
    place: &TempLocation,
    bound: Bound,
    watch: &mut ProgressFn<'_>,
) -> Result<UnpackedFile> {
    let what = || format!("{}: cannot be unpacked", path.shown());
    let broken = |e: &io::Error| {
        let why = match e.kind() {
            io::ErrorKind::UnexpectedEof => "it is truncated".to_string(),
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
            return Err(Error::new(ErrorKind::Input, format!("{}: not a snapshot", path.shown()))
                .why(format!("it is {}, and its content is {}", archive.words(), content_name(block)))
                .hint(archive.hint_for(block, path)));
        }
        bytes = bytes.saturating_add(filled as u64);
        if bytes > bound.most {
            let most = size::byte_count(bound.most);
            let refused = |why: String| Err(Error::new(ErrorKind::Input, what()).why(why));
            return match bound.from {
                Limit::Database => {
                    refused(format!("it unpacks to more than {most}, and no etcd database is that large"))
                }
                Limit::Announced => refused(format!("its header announces {most}, but it has more"))
                    .map_err(|trouble: Error| trouble.hint("Take another copy of it, or another snapshot.")),
                Limit::Room => {
                    let why = format!("it unpacks to more than {most}, its share of the free space");
                    Err(no_room(&why).fault(Fault::NoSpace))
                }
            };
        }
        if !on_disk && bytes > IN_MEMORY {
            let mut larger = durable_fs::unnamed(&place.dir).map_err(|e| no_room(&e))?;
            file.rewind().and_then(|()| io::copy(&mut file, &mut larger)).map_err(|e| no_room(&e))?;
            (file, on_disk) = (larger, true);
        }
        if on_disk && looked.is_none_or(|at| bytes.saturating_sub(at) >= SPACE_CHECK_BYTES) {
            looked = Some(bytes);
            let free = place.free();
            if free < KEEP_FREE + SPACE_CHECK_BYTES {
                return Err(no_room(&format!("only {} free", number::count(free, "byte is", "bytes are")))
                    .fault(Fault::NoSpace));
            }
        }
        file.write_all(block).map_err(|e| no_room(&e))?;
        step(watch, Phase::Unpack, bytes, 0)?;
    }
    if bytes == 0 {
        return Err(Error::new(ErrorKind::Input, format!("{}: not a snapshot", path.shown()))
            .why(format!("it is {}, and its content is empty", archive.words())));
    }
    Ok(UnpackedFile { file, bytes, name: None })
}

/// Reads until the buffer is full or the input ends: decoders return small pieces.
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

fn content_name(head: &[u8]) -> String {
    if filetype::is_tar(head) && velero(head) {
        return "a tar archive of a Velero backup".into();
    }
    match filetype::identify(head.get(..filetype::HEAD_BYTES).unwrap_or(head), Path::new("FILE")) {
        Some(found) => found.name,
        None => format!("not an etcd database (it begins with {})", hex(head.get(..8).unwrap_or(head))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::progress::Flow;

    fn place() -> TempLocation {
        TempLocation { dir: std::env::temp_dir() }
    }

    fn within(most: u64) -> Bound {
        Bound { most, from: Limit::Database }
    }

    /// A zip archive whose directory announces less than its content, and others that announce an impossible size.
    #[test]
    fn announced_and_actual_sizes_are_limited() {
        let path = Path::new("a.zip");
        let bytes = database(9000);
        let bound = Bound { most: 8999, from: Limit::Announced };
        let more =
            decompress(&mut bytes.as_slice(), Archive::Zip, path, &place(), bound, &mut |_| Flow::Go).unwrap_err();
        assert!(more.kind == ErrorKind::Input && more.why.contains("8,999"), "{more}");
        let bound = Bound { most: 8999, from: Limit::Room };
        let room =
            decompress(&mut bytes.as_slice(), Archive::Gzip, path, &place(), bound, &mut |_| Flow::Go).unwrap_err();
        assert_eq!((room.kind, room.fault), (ErrorKind::Failed, Some(Fault::NoSpace)));
        // A frame of 2^62 bytes, which its header announces; only that is there.
        let dir = tempfile::tempdir().unwrap();
        let huge = dir.path().join("huge.zst");
        let mut frame = b"\x28\xb5\x2f\xfd\xc0\x00".to_vec();
        frame.extend((1u64 << 62).to_le_bytes());
        frame.extend([0; 20]);
        std::fs::write(&huge, &frame).unwrap();
        let file = File::open(&huge).unwrap();
        assert_eq!(zstd_length(&file), AnnouncedSize::AtLeast(1 << 62));
        let refused = unpack(Archive::Zstd, &file, &huge, &mut |_| Flow::Go).unwrap_err();
        assert!(refused.why.contains("4,611,686,018,427,387,904"), "{refused}");
        let gzip = dir.path().join("a.gz");
        std::fs::write(&gzip, b"\x1f\x8b......\x04\x03\x02\x01").unwrap();
        assert_eq!(gzip_length(&File::open(&gzip).unwrap()), AnnouncedSize::Perhaps(0x0102_0304));
        std::fs::write(&gzip, b"\x1f\x8b").unwrap();
        assert_eq!(gzip_length(&File::open(&gzip).unwrap()), AnnouncedSize::Nothing);
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
            decompress(&mut endless, Archive::Gzip, path, &place(), within(3 << 20), &mut |_| Flow::Go).unwrap_err();
        assert!(trouble.kind == ErrorKind::Input && trouble.why.contains("3,145,728"), "{trouble}");
    }

    #[test]
    fn it_stops_when_asked() {
        let path = Path::new("a.gz");
        let bytes = database(4096);
        let trouble =
            decompress(&mut bytes.as_slice(), Archive::Gzip, path, &place(), within(1 << 20), &mut |_| Flow::Stop)
                .unwrap_err();
        assert_eq!(trouble.kind, ErrorKind::Stopped);
    }

    #[test]
    fn other_content_is_named() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases = [
            (tar, "a tar archive"),
            (b"SQLite format 3\0aaaa".to_vec(), "an SQLite database"),
            (b"hello, world".to_vec(), "text"),
            (vec![0xf0; 40], "other bytes"),
            (Vec::new(), "nothing"),
        ];
        let mut messages = Vec::new();
        for (bytes, what) in cases {
            let path = Path::new("a.zst");
            let trouble =
                decompress(&mut bytes.as_slice(), Archive::Zstd, path, &place(), within(9999), &mut |_| Flow::Go);
            messages.push((what, trouble.unwrap_err().why));
        }
        crate::text::messages::hold("archive-other-content", &messages);
    }
}
