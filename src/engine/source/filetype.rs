//! Identifies a file that is not a database by its first bytes, with the command that extracts the snapshot from it, or
//! what to do if it has none.
//!
//! One table covers binary formats; text is identified in `text`, and files that a transfer changed in [`altered`].

pub mod altered;
pub mod directory;
pub mod tar;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;

/// The number of a file's first bytes that are examined.
pub const HEAD_BYTES: usize = (64 << 10) + 512;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A compressed file.
    Compressed,
    /// An archive of files.
    Archive,
    /// An encrypted file.
    Encrypted,
    /// A database encoded as text: base64, hexadecimal digits.
    Encoded,
    /// A database with other bytes before it, or changed by a transfer.
    Altered,
    /// A response of a server instead of the file.
    Answer,
    /// A reference to a file stored elsewhere.
    Pointer,
    /// An image of a disk or a filesystem.
    Image,
    /// Another of etcd's files.
    OfEtcd,
    /// Something else.
    Other,
}

/// An identified file, and what to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Its kind.
    pub kind: FileKind,
    /// Its name as a phrase: `a tar archive`.
    pub name: String,
    /// What to do: one or two sentences with the command.
    pub hint: String,
    /// The command alone that decodes a text to a database; `{}` in it is the path.
    pub decode: Option<String>,
}

impl Identified {
    fn new(kind: FileKind, name: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, name: name.into(), hint: hint.into(), decode: None }
    }

    /// Creates one for a text that a command decodes to a database; `lead` says what the command does.
    fn encoded(name: impl Into<String>, lead: &str, command: impl Into<String>) -> Self {
        let command = command.into();
        let hint = format!("{lead} first: {command}");
        Self { kind: FileKind::Encoded, name: name.into(), hint, decode: Some(command) }
    }
}

/// A row of the table: the offset of the magic number, its bytes, the kind, the name, what to do. `{}` becomes the file's
/// path, quoted for a shell.
type Format = (usize, &'static [u8], FileKind, &'static str, &'static str);

use FileKind::{Archive, Compressed, Encoded, Encrypted, Image, OfEtcd, Other, Pointer};

/// How to extract a file from a disk image.
const DISK: &str = "Attach it (losetup -Pf --show {}), mount its filesystem, and specify the snapshot file in it.";
/// How to extract a file from the disk image of a virtual machine.
const VIRTUAL_DISK: &str =
    "Attach it (qemu-nbd -r -c /dev/nbd0 {}), mount its filesystem, and specify the snapshot file in it.";

const NOT_IT: &str = "Specify the snapshot file.";

/// Formats by their magic numbers; the first match counts.
const FORMATS: &[Format] = &[
    (0, b"\x1f\x8b", Compressed, "a gzip archive", "Unpack it first: gunzip -c {} > NEW.db"),
    (0, b"PK\x03\x04", Archive, "a zip archive", "Unpack it first: unzip {}"),
    (0, b"PK\x05\x06", Archive, "an empty zip archive", "Take another snapshot."),
    (0, b"PK\x07\x08", Archive, "one part of a split zip archive", "Join its parts, then: unzip {}"),
    (0, b"\x28\xb5\x2f\xfd", Compressed, "a zstd archive", "Unpack it first: zstd -dc {} > NEW.db"),
    (0, b"\xfd7zXZ\0", Compressed, "an xz archive", "Unpack it first: xz -dc {} > NEW.db"),
    (0, b"BZh", Compressed, "a bzip2 archive", "Unpack it first: bzip2 -dc {} > NEW.db"),
    (0, b"7z\xbc\xaf\x27\x1c", Archive, "a 7z archive", "Unpack it first: 7z x {}"),
    (0, b"Rar!\x1a\x07", Archive, "a rar archive", "Unpack it first: unrar x {}"),
    (0, b"\x04\x22\x4d\x18", Compressed, "an lz4 archive", "Unpack it first: lz4 -dc {} > NEW.db"),
    (0, b"\x02\x21\x4c\x18", Compressed, "an lz4 archive", "Unpack it first: lz4 -dc {} > NEW.db"),
    (0, b"LZIP", Compressed, "an lzip archive", "Unpack it first: lzip -dc {} > NEW.db"),
    (0, b"\x89LZO\0\r\n\x1a\n", Compressed, "an lzop archive", "Unpack it first: lzop -dc {} > NEW.db"),
    (0, b"\x1f\x9d", Compressed, "a compress (.Z) file", "Unpack it first: gunzip -c {} > NEW.db"),
    (0, b"\x5d\0\0", Compressed, "an lzma archive", "Unpack it first: xz --format=lzma -dc {} > NEW.db"),
    (0, b"\xff\x06\0\0sNaPpY", Compressed, "a snappy archive", "Unpack it first: snzip -dc {} > NEW.db"),
    (257, b"ustar", Archive, "a tar archive", "Unpack it first: tar -xf {}"),
    (0, b"070701", Archive, "a cpio archive", "Unpack it first: cpio -idm < {}"),
    (0, b"070702", Archive, "a cpio archive", "Unpack it first: cpio -idm < {}"),
    (0, b"070707", Archive, "a cpio archive", "Unpack it first: cpio -idm < {}"),
    (0, b"\xc7\x71", Archive, "a cpio archive", "Unpack it first: cpio -idm < {}"),
    (0, b"!<arch>\n", Archive, "an ar archive", "Unpack it first: ar x {}"),
    (0, b"MSCF", Archive, "a cabinet archive", "Unpack it first: cabextract {}"),
    (0, b"xar!", Archive, "a xar archive", "Unpack it first: xar -xf {}"),
    (0, b"\xed\xab\xee\xdb", Archive, "an rpm package", NOT_IT),
    (0, b"=ybegin ", Encoded, "a yEnc-encoded file", "Decode it first: ydecode {}"),
    (
        0,
        b"BORG_SEG",
        Archive,
        "a segment of a Borg repository",
        "Extract the snapshot from the repository: borg extract",
    ),
    (0, b"age-encryption.org/", Encrypted, "encrypted with age", "Decrypt it first: age -d -i KEY-FILE -o NEW.db {}"),
    (
        0,
        b"Salted__",
        Encrypted,
        "encrypted with openssl enc",
        "Decrypt it first, with the cipher and options used to encrypt it: openssl enc -d -aes-256-cbc -pbkdf2 -in {} -out NEW.db",
    ),
    (
        0,
        b"\0GITCRYPT\0",
        Encrypted,
        "encrypted with git-crypt",
        "Decrypt it first, in its repository: git-crypt unlock",
    ),
    (
        0,
        b"LUKS\xba\xbe",
        Encrypted,
        "a volume encrypted with LUKS",
        "Open it (cryptsetup open {} NAME), mount it, and specify the snapshot file in it.",
    ),
    (0, b"hsqs", Image, "a squashfs image", "Unpack it first: unsquashfs {}"),
    (0, b"QFI\xfb", Image, "a qcow2 disk image", VIRTUAL_DISK),
    (0, b"KDMV", Image, "a VMDK disk image", VIRTUAL_DISK),
    (0, b"# Disk DescriptorFile", Image, "the descriptor of a VMDK disk image", "Attach the image that it refers to."),
    (0, b"conectix", Image, "a VHD disk image", VIRTUAL_DISK),
    (0, b"vhdxfile", Image, "a VHDX disk image", VIRTUAL_DISK),
    (0, b"<<< Oracle VM VirtualBox", Image, "a VDI disk image", VIRTUAL_DISK),
    (512, b"EFI PART", Image, "a disk image with a GPT partition table", DISK),
    (512, b"LABELONE", Image, "an image of an LVM physical volume", DISK),
    (
        0x10040,
        b"_BHRfS_M",
        Image,
        "an image of a Btrfs filesystem",
        "Mount it (mount -o loop,ro {} DIR), and specify the snapshot file in it.",
    ),
    (
        0,
        b"XFSB",
        Image,
        "an image of an XFS filesystem",
        "Mount it (mount -o loop,ro {} DIR), and specify the snapshot file in it.",
    ),
    (
        0x8001,
        b"CD001",
        Image,
        "an ISO 9660 image",
        "Mount it (mount -o loop,ro {} DIR), and specify the snapshot file in it.",
    ),
    (
        0,
        b"\x04\0\0\0\0\0\0\x84\x08\x04",
        OfEtcd,
        "a segment of etcd's write-ahead log",
        "Specify the database of its data directory, member/snap/db, or the data directory itself.",
    ),
    (16, b"\xde\xc0\xef\xbe", Other, "an LMDB database", NOT_IT),
    (0, b"\x7fELF", Other, "a program", NOT_IT),
    (0, b"MZ", Other, "a program for Windows", NOT_IT),
    (0, b"\xcf\xfa\xed\xfe", Other, "a program for macOS", NOT_IT),
    (0, b"#!", Other, "a script", NOT_IT),
    (0, b"%PDF", Other, "a PDF document", NOT_IT),
    (0, b"\x89PNG", Other, "a picture", NOT_IT),
    (0, b"\xff\xd8\xff", Other, "a picture", NOT_IT),
    (0, b"SQLite format 3\0", Other, "an SQLite database", "k3s and others store their state in one; etcd does not."),
    (0, b"\xfe\xed\xfe\xed", Other, "a Java key store", NOT_IT),
    (0, b"PAR1", Other, "a Parquet file", NOT_IT),
    (0, b"REDIS", Other, "a dump of a Redis database", NOT_IT),
    (0, b"PGDMP", Other, "a dump of a PostgreSQL database", NOT_IT),
    (
        0,
        b"version https://git-lfs.github.com/",
        Pointer,
        "a git-lfs pointer, not the file itself",
        "Fetch the file: git lfs pull --include={}",
    ),
    (0, b"/annex/objects/", Pointer, "a git-annex pointer, not the file itself", "Fetch the file: git annex get {}"),
];

/// Identifies a file that is not a database by its first bytes (up to [`HEAD_BYTES`]); `path` is used in the commands, and
/// for formats that only the name shows. Returns `None` for a database or an unknown format.
pub fn identify(head: &[u8], path: &Path) -> Option<Identified> {
    // A converted database may still look like one, except for the magic number.
    let found = altered::text_conversion(head);
    if found.is_none() && is_database(head) {
        return None;
    }
    let found = found
        .or_else(|| encrypted_zip(head))
        .or_else(|| by_magic(head))
        .or_else(|| by_rule(head, path))
        .or_else(|| altered::leading_bytes(head))
        .or_else(|| text::identify(head));
    found.map(|found| {
        let hint = match found.kind {
            Compressed if tar_by_name(path) => "Unpack it first: tar -xf {}",
            _ => &found.hint,
        };
        Identified { hint: hint.replace("{}", &quoted(path)), ..found }
    })
}

/// Returns whether it begins with a bbolt meta page: its magic number, or at least its page type.
pub fn is_database(head: &[u8]) -> bool {
    head.get(16..20) == Some(b"\xed\xda\x0c\xed") || head.get(..12) == Some(b"\0\0\0\0\0\0\0\0\x04\0\0\0")
}

/// Returns whether it begins like a tar archive.
pub fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") || old_tar(head)
}

/// Quotes a path for a shell.
pub fn quoted(path: &Path) -> String {
    crate::text::quote::shell_word(&path.to_string_lossy()).into_owned()
}

/// Returns whether the name of a compressed file is that of a tar archive.
fn tar_by_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let inner = name.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with(".tar"));
    inner || [".tgz", ".txz", ".tbz", ".tbz2", ".tzst"].iter().any(|end| name.ends_with(end))
}

fn by_magic(head: &[u8]) -> Option<Identified> {
    if head.starts_with(b"\x7fELF") && head.get(16..18) == Some(&[4, 0]) {
        return Some(Identified::new(Other, "a core dump of a program", NOT_IT));
    }
    let fits = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let (.., kind, name, hint) = FORMATS.iter().find(|(at, magic, ..)| fits(*at, magic))?;
    Some(Identified::new(*kind, *name, *hint))
}

/// What to do with an encrypted zip archive; `{}` becomes its path.
pub(in crate::engine) const ZIP_PASSWORD: &str = "Unpack it with its password first, and specify the snapshot in it: 7z x {}, or, if it is \
                                       not encrypted with AES: unzip {}";

/// Recognizes an encrypted zip archive: bit 0 of the local header's flags. Source: APPNOTE.TXT 4.4.4.
fn encrypted_zip(head: &[u8]) -> Option<Identified> {
    let flags = head.strip_prefix(b"PK\x03\x04")?.get(2..4)?;
    let encrypted = flags.first().is_some_and(|low| low & 1 != 0);
    encrypted.then(|| Identified::new(Encrypted, "a zip archive that is encrypted with a password", ZIP_PASSWORD))
}

/// Recognizes formats that need more than a magic number.
fn by_rule(head: &[u8], path: &Path) -> Option<Identified> {
    let ends = |end: &str| path.extension().is_some_and(|extension| extension == end);
    if old_tar(head) {
        return Some(Identified::new(Archive, "a tar archive", "Unpack it first: tar -xf {}"));
    }
    // A skippable frame: parallel compressors begin with one.
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = head {
        return Some(Identified::new(Compressed, "a zstd archive", "Unpack it first: zstd -dc {} > NEW.db"));
    }
    if let [0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda), ..] = head
        && (0x7800 + u16::from(*flags)).is_multiple_of(31)
    {
        let hint = "Unpack it first: zlib-flate -uncompress < {} > NEW.db, or: pigz -dcz {} > NEW.db";
        return Some(Identified::new(Compressed, "a zlib stream", hint));
    }
    if pkcs7(head) {
        let hint = "Decrypt it first: openssl smime -decrypt -binary -inform DER -in {} -inkey KEY-FILE -out NEW.db";
        return Some(Identified::new(Encrypted, "encrypted with openssl smime (PKCS #7)", hint));
    }
    if openpgp(head) {
        return Some(Identified::new(Encrypted, "encrypted with gpg", "Decrypt it first: gpg -o NEW.db -d {}"));
    }
    // Two bytes alone are not enough: the boot block before them must be empty.
    if head.get(0x438..0x43a) == Some(b"\x53\xef") && head.iter().take(1024).all(|byte| *byte == 0) {
        let hint = "Mount it (mount -o loop,ro {} DIR), and specify the snapshot file in it.";
        return Some(Identified::new(Image, "an image of an ext filesystem", hint));
    }
    if disk_with_mbr(head) {
        return Some(Identified::new(Image, "a disk image with an MBR partition table", DISK));
    }
    if let [0x30, 0x82, _, _, 0x30, 0x82 | 0x81, ..] | [0x30, 0x82, _, _, 0x02, 0x01, ..] = head {
        return Some(Identified::new(Other, "a certificate or key in DER format", NOT_IT));
    }
    if (ends("snap") && head.first() == Some(&0x08)) || raft_snapshot(head) {
        let hint = "Specify the database next to it, member/snap/db, or the data directory itself.";
        return Some(Identified::new(OfEtcd, "a raft snapshot of etcd (.snap), which contains no v3 keys", hint));
    }
    None
}

/// Recognizes an MBR: its signature, and four partition entries with a valid status, of which at least one is used.
fn disk_with_mbr(head: &[u8]) -> bool {
    let entries = || head.get(446..510).unwrap_or_default().chunks_exact(16);
    let used = |entry: &[u8]| entry.get(4).is_some_and(|kind| *kind != 0) && entry.get(12..16) != Some(&[0; 4]);
    head.get(510..512) == Some(b"\x55\xaa")
        && entries().all(|entry| matches!(entry.first(), Some(0 | 0x80)))
        && entries().any(used)
}

/// Recognizes a `.snap` file by its content: a CRC-32C and the data, which is verified if it is here completely.
fn raft_snapshot(head: &[u8]) -> bool {
    let varint = |bytes: &[u8]| -> Option<(u64, usize)> {
        let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
        let value = bytes.get(..=end)?.iter().rev().fold(0u64, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
        Some((value, end.saturating_add(1)))
    };
    let read = || -> Option<bool> {
        let rest = head.strip_prefix(&[0x08])?;
        let (sum, used) = varint(rest)?;
        let rest = rest.get(used..)?.strip_prefix(&[0x12])?;
        let (length, used) = varint(rest)?;
        let data = rest.get(used..)?;
        Some(match data.len() as u64 == length {
            true => u64::from(crc32c::crc32c(data)) == sum,
            // The data begins with that of the store, whose length is the rest without the metadata.
            false => {
                let (inner, _) = varint(data.strip_prefix(&[0x0a])?)?;
                let metadata = length.saturating_sub(inner);
                head.len() >= HEAD_BYTES && length > data.len() as u64 && (1..4096).contains(&metadata)
            }
        })
    };
    read().unwrap_or(false)
}

/// Recognizes a tar archive from before 1988, which has no magic number, by the octal header checksum at 148.
fn old_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512).filter(|header| header.first().is_some_and(|first| *first != 0)) else {
        return false;
    };
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..=155 => 32,
            _ => u32::from(*byte),
        })
        .sum();
    let field = header.get(148..156).unwrap_or_default();
    let digits: String = field.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_digit).collect();
    u32::from_str_radix(&digits, 8) == Ok(sum)
}

/// Recognizes a PKCS #7 or CMS message in DER: a sequence that begins with an object identifier under 1.2.840.113549.1.7.
fn pkcs7(head: &[u8]) -> bool {
    const OID: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    head.first() == Some(&0x30) && head.windows(OID.len()).take(12).any(|part| part == OID)
}

/// Recognizes an OpenPGP message: a packet with the tag of an encrypted session key or of encrypted or compressed data,
/// whose first field has a known version. Source: RFC 9580, 4.2, 5.1, 5.3, 5.6, 5.13.
fn openpgp(head: &[u8]) -> bool {
    let Some((first, rest)) = head.split_first().filter(|(first, _)| **first & 0x80 != 0) else { return false };
    let (tag, body) = if first & 0x40 != 0 {
        let skip = match rest.first() {
            Some(0..=191 | 224..=254) => 1,
            Some(192..=223) => 2,
            _ => 5,
        };
        (first & 0x3f, rest.get(skip..))
    } else {
        let skip = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => 0,
        };
        (first >> 2 & 0xf, rest.get(skip..))
    };
    match (tag, body.and_then(|body| body.first())) {
        (1, Some(version)) => matches!(version, 2 | 3 | 6),
        (3, Some(version)) => matches!(version, 4..=6),
        (8, Some(algorithm)) => matches!(algorithm, 1..=3),
        (18, Some(version)) => matches!(version, 1 | 2),
        _ => false,
    }
}
