//! Archives opened in passing: gzip, zip and zstd around a snapshot, unpacked into memory where that is little, else into
//! an unnamed temporary file that is gone with the process; and nothing beyond a bound: an archive can promise anything.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    filetype::{self, is_database},
    progress::{Phase, Watch},
    source::{BLOCK_BYTES, hex, step},
    words,
};
use crate::trouble::{Kind, Result, Trouble};

/// The most that is unpacked: four times the largest quota that etcd's documentation advises.
const MOST_BYTES: u64 = 32 << 30;
/// What must stay free on the disk that it is unpacked to.
const KEEP_FREE: u64 = 256 << 20;
/// What is not larger is unpacked into memory: no disk is touched for it.
const IN_MEMORY: u64 = 8 << 20;
/// How much is unpacked between two looks at the free space.
const LOOK_EVERY: u64 = 64 << 20;

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
pub(super) struct Unpacked {
    /// The unnamed file.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// The name inside, for a zip archive.
    pub name: Option<String>,
}

impl Archive {
    /// Tells by the first bytes.
    pub fn of(head: &[u8]) -> Option<Archive> {
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

    /// How to unpack it by hand.
    pub fn hint(self) -> &'static str {
        match self {
            Archive::Gzip => "Unpack it first: gunzip -k FILE.gz",
            Archive::Zip => "Unpack it first: unzip FILE.zip",
            Archive::Zstd => "Unpack it first: unzstd FILE.zst",
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
        if Archive::of(head) == Some(self) {
            return format!("Unpack it twice: {unpack} {path} | {unpack} > NEW.db");
        }
        match filetype::identify(head.get(..filetype::HEAD_BYTES).unwrap_or(head), Path::new("NEW")) {
            Some(found) if Archive::of(head).is_some() || found.kind != filetype::FileKind::Other => {
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
pub(super) fn unpack(archive: Archive, file: &File, path: &Path, watch: &mut Watch<'_>) -> Result<Unpacked> {
    let place = Place::choose();
    let broken = |e: String| {
        Trouble::new(Kind::Input, format!("{} cannot be unpacked", path.display()))
            .why(format!("it is {}, but {e}", archive.words()))
            .hint("Take another copy of it, or another snapshot.")
    };
    let mut packed = BufReader::with_capacity(1 << 16, file.try_clone().map_err(|e| broken(e.to_string()))?);
    packed.seek(SeekFrom::Start(0)).map_err(|e| broken(e.to_string()))?;
    match archive {
        Archive::Gzip => pour(&mut Members::new(packed), archive, path, &place, MOST_BYTES, watch),
        Archive::Zstd => pour(&mut Frames::new(packed), archive, path, &place, MOST_BYTES, watch),
        Archive::Zip => {
            let mut zip = zip::ZipArchive::new(packed).map_err(|e| broken(format!("it does not open: {e}")))?;
            let locked = || {
                Trouble::new(Kind::Input, format!("{} cannot be unpacked", path.display()))
                    .why("it is a zip archive that is encrypted with a password")
                    .hint(filetype::ZIP_PASSWORD.replace("{}", &filetype::quoted(path)))
            };
            let (at, name) = match zip_member(&mut zip) {
                Ok(found) => found,
                Err(NoMember::Locked) => return Err(locked()),
                Err(NoMember::Other(why)) => return Err(broken(why)),
            };
            let mut member = zip.by_index(at).map_err(|e| broken(e.to_string()))?;
            let mut unpacked = pour(&mut member, archive, path, &place, MOST_BYTES, watch)?;
            unpacked.name = Some(name);
            Ok(unpacked)
        }
    }
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
    for at in 0..files.min(10_000) {
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
        let name = words::brief(member.name_raw(), 200);
        if let Some((_, first)) = &found {
            let why = format!("more than one snapshot is in it: {first} and {name}; unpack the one you mean");
            return Err(NoMember::Other(why));
        }
        found = Some((at, name));
    }
    found.ok_or_else(|| match locked {
        true => NoMember::Locked,
        false if files == 1 => NoMember::Other("the one file in it is no snapshot".into()),
        false => {
            NoMember::Other(format!("none of the {} in it is a snapshot", words::count(files as u64, "file", "files")))
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
        rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
    }
}

fn pour(
    from: &mut dyn Read,
    archive: Archive,
    path: &Path,
    place: &Place,
    most: u64,
    watch: &mut Watch<'_>,
) -> Result<Unpacked> {
    let what = || format!("{} cannot be unpacked", path.display());
    let broken = |e: &io::Error| {
        let why = match e.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut short".to_string(),
            _ => format!("it is damaged ({})", words::brief(e.to_string().as_bytes(), 120)),
        };
        Trouble::new(Kind::Input, what())
            .why(format!("it is {}, but {why}", archive.words()))
            .hint("Take another copy of it, or another snapshot.")
    };
    let no_room = |e: &dyn std::fmt::Display| {
        Trouble::new(Kind::Failed, what()).why(format!("{}: {e}", place.dir.display())).hint(format!(
            "Name a directory with more room in TMPDIR, or unpack it where there is room. {}",
            archive.hint()
        ))
    };
    let memory = rustix::fs::memfd_create("requorum-unpacked", rustix::fs::MemfdFlags::CLOEXEC);
    let (mut file, mut on_disk) = (File::from(memory.map_err(|e| no_room(&io::Error::from(e)))?), false);
    let mut buffer = vec![0; BLOCK_BYTES];
    let (mut bytes, mut looked) = (0u64, None);
    loop {
        let filled = fill(from, &mut buffer).map_err(|e| broken(&e))?;
        let Some(block) = buffer.get(..filled).filter(|block| !block.is_empty()) else { break };
        if bytes == 0 && !is_database(block) {
            return Err(Trouble::new(Kind::Input, format!("{} is not a snapshot", path.display()))
                .why(format!("it is {}, and what is in it is {}", archive.words(), stranger(block)))
                .hint(archive.hint_for(block, path)));
        }
        bytes = bytes.saturating_add(filled as u64);
        if bytes > most {
            return Err(Trouble::new(Kind::Input, what())
                .why(format!("it unpacks to more than {}, which no etcd database has", words::byte_count(most))));
        }
        if !on_disk && bytes > IN_MEMORY {
            let mut larger = tempfile::tempfile_in(&place.dir).map_err(|e| no_room(&e))?;
            file.rewind().and_then(|()| io::copy(&mut file, &mut larger)).map_err(|e| no_room(&e))?;
            (file, on_disk) = (larger, true);
        }
        if on_disk && looked.is_none_or(|at| bytes - at >= LOOK_EVERY) {
            looked = Some(bytes);
            let free = place.free();
            if free < KEEP_FREE + LOOK_EVERY {
                return Err(no_room(&format!("only {} free", words::count(free, "byte is", "bytes are"))));
            }
        }
        file.write_all(block).map_err(|e| no_room(&e))?;
        step(watch, Phase::Unpack, bytes, 0)?;
    }
    if bytes == 0 {
        return Err(Trouble::new(Kind::Input, format!("{} is not a snapshot", path.display()))
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
            Ok(n) => filled += n,
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

/// The members of a gzip archive one after another, as `gunzip` reads them: what follows the last one (a line end, padding)
/// is not of the archive.
struct Members<R: BufRead> {
    decoder: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(source: R) -> Self {
        Members { decoder: Some(flate2::bufread::GzDecoder::new(source)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(mut source) = self.decoder.take().map(flate2::bufread::GzDecoder::into_inner) else { break };
            if let [0x1f] | [0x1f, 0x8b, ..] = source.fill_buf()? {
                self.decoder = Some(flate2::bufread::GzDecoder::new(source));
            }
        }
        Ok(0)
    }
}

/// A decoder's error; where it came to the end of the file too early, that.
fn undecoded(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut causes = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    match causes.any(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        true => io::ErrorKind::UnexpectedEof.into(),
        false => io::Error::other(error.to_string()),
    }
}

/// The frames of a zstd archive one after another, as `zstd -d` reads them.
struct Frames<R: Read> {
    source: BufReader<R>,
    decoder: ruzstd::decoding::FrameDecoder,
    inside: bool,
}

impl<R: Read> Frames<R> {
    fn new(source: R) -> Self {
        Frames { source: BufReader::new(source), decoder: ruzstd::decoding::FrameDecoder::new(), inside: false }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::{
            BlockDecodingStrategy,
            errors::{FrameDecoderError, ReadFrameHeaderError},
        };
        loop {
            if !self.inside {
                if BufRead::fill_buf(&mut self.source)?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => self.inside = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                        continue;
                    }
                    Err(e) => return Err(undecoded(&e)),
                }
            }
            while self.decoder.can_collect() < into.len() && !self.decoder.is_finished() {
                let want = BlockDecodingStrategy::UptoBytes(into.len());
                self.decoder.decode_blocks(&mut self.source, want).map_err(|e| undecoded(&e))?;
            }
            let read = Read::read(&mut self.decoder, into)?;
            if read > 0 {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                let (said, is) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
                if let (Some(said), Some(is)) = (said, is)
                    && said != is
                {
                    return Err(io::Error::other("its checksum does not fit its content"));
                }
                self.inside = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::progress::Flow;

    fn place() -> Place {
        Place { dir: std::env::temp_dir() }
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
        let trouble = pour(&mut endless, Archive::Gzip, path, &place(), 3 << 20, &mut |_| Flow::Go).unwrap_err();
        assert!(trouble.why.contains("more than 3,145,728 bytes"), "{trouble}");
    }

    #[test]
    fn it_stops_when_asked() {
        let path = Path::new("a.gz");
        let bytes = database(4096);
        let trouble =
            pour(&mut bytes.as_slice(), Archive::Gzip, path, &place(), 1 << 20, &mut |_| Flow::Stop).unwrap_err();
        assert_eq!(trouble.kind, Kind::Stopped);
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
            let trouble = pour(&mut bytes.as_slice(), Archive::Zstd, path, &place(), 9999, &mut |_| Flow::Go);
            assert!(trouble.unwrap_err().why.contains(words), "{words}");
        }
    }
}
