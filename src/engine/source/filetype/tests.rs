//! Files of many kinds, created here or as the programs write them.

#![allow(clippy::unwrap_used)]
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::bbolt::Meta;

fn named(bytes: &[u8]) -> Option<(FileKind, String, String)> {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    identify(head, Path::new("my file.db")).map(|found| (found.kind, found.name, found.hint))
}

/// The first two pages of a database, and rows that have line feeds.
fn database() -> Vec<u8> {
    let meta = Meta { page_size: 4096, root: 2, sequence: 0, freelist: u64::MAX, hwm: 3, txid: 7 };
    let mut bytes = meta.encode(0);
    bytes.extend(Meta { txid: 6, ..meta }.encode(1));
    bytes.extend(b"\n\x05/a/b1\x10\x02".repeat(400));
    bytes.resize(12288, 0);
    bytes
}

fn tar(magic: bool) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..11].copy_from_slice(b"snapshot.db");
    header[100..107].copy_from_slice(b"0000644");
    if magic {
        header[257..262].copy_from_slice(b"ustar");
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [header, database()].concat()
}

fn at(place: usize, magic: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x9000];
    bytes[place..place + magic.len()].copy_from_slice(magic);
    bytes
}

fn lines(text: &str) -> String {
    text.as_bytes().chunks(76).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

#[test]
fn formats_are_identified_with_a_hint() {
    use FileKind::*;
    let db = database();
    let base64 = lines(&STANDARD.encode(&db));
    let hex: String = db.iter().map(|byte| format!("{byte:02x}")).collect();
    let gz = STANDARD.encode([b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &db[..60]].concat());
    let latin: String = db.iter().map(|byte| char::from(*byte)).collect();
    let lossy = String::from_utf8_lossy(&db).into_owned();
    let utf16: Vec<u8> =
        [&b"\xff\xfe"[..], &latin.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    let wide =
        |text: &str, mark: &[u8]| [mark, &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    let big =
        |text: &str| [&b"\xfe\xff"[..], &text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()].concat();
    let login = "<!DOCTYPE html><html><title>Sign in to the proxy</title></html>\r\n";
    let pem = format!("-----BEGIN CERTIFICATE-----\r\n{}-----END CERTIFICATE-----\r\n", base64.replace('\n', "\r\n"));
    let data = [b"\x0a\x03abc".to_vec(), b"\x12\x02\x08\x01".to_vec()].concat();
    let mut sum = Vec::new();
    prost::encoding::encode_varint(u64::from(crc32c::crc32c(&data)), &mut sum);
    let snap = [&b"\x08"[..], &sum, b"\x12", &[data.len() as u8], &data].concat();
    let mut mbr = at(510, b"\x55\xaa");
    mbr[446..462].copy_from_slice(&[0x80, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0]);
    let far = |place: usize, magic: &[u8]| [vec![0; place], magic.to_vec(), vec![0; 900]].concat();
    let mail = |end: &str| {
        let head = [
            "MIME-Version: 1.0",
            "Content-Type: application/octet-stream",
            "Content-Transfer-Encoding: base64",
            "",
            "",
        ];
        head.join(end) + &base64
    };
    let cases: Vec<(Vec<u8>, FileKind)> = vec![
        (tar(true), Archive),
        (tar(false), Archive),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), Archive),
        (b"Rar!\x1a\x07\x01\0".to_vec(), Archive),
        (b"070701000000".to_vec(), Archive),
        (b"!<arch>\ndebian".to_vec(), Archive),
        (b"\xfd7zXZ\0\0\x04".to_vec(), Compressed),
        (b"BZh91AY&SY".to_vec(), Compressed),
        (b"\x28\xb5\x2f\xfd\x04".to_vec(), Compressed),
        (b"\x50\x2a\x4d\x18\x04\0\0\0".to_vec(), Compressed),
        (b"\x04\x22\x4d\x18\x64".to_vec(), Compressed),
        (b"\x78\x9c\xed\x9c".to_vec(), Compressed),
        (b"\x78\xda\xed\x9c".to_vec(), Compressed),
        (b"age-encryption.org/v1\n-> X25519 ".to_vec(), Encrypted),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl".to_vec(), Encrypted),
        (b"Salted__\xf0\x01\x02\x03\x04".to_vec(), Encrypted),
        (b"U2FsdGVkX1/0AQIDBAUGBwg=\n".to_vec(), Encrypted),
        (b"\x85\x01\x0c\x03\x5d\x5d".to_vec(), Encrypted),
        (b"\x8c\x0d\x04\x09\x03\x02".to_vec(), Encrypted),
        (b"\xc1\xc0\x4c\x03\x10\xaa".to_vec(), Encrypted),
        (b"\xc3\x2e\x04\x09\x03\x08".to_vec(), Encrypted),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ".to_vec(), Encrypted),
        (b"-----BEGIN PKCS7-----\nMII".to_vec(), Encrypted),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0".to_vec(), Encrypted),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162".to_vec(), Encrypted),
        (b"LUKS\xba\xbe\0\x02".to_vec(), Encrypted),
        (b"hsqs\0\0".to_vec(), Image),
        (at(0x438, b"\x53\xef"), Image),
        (at(0x8001, b"CD001"), Image),
        (base64.clone().into_bytes(), Encoded),
        (STANDARD.encode(&db).into_bytes(), Encoded),
        (base64.replace('\n', "\r\n").into_bytes(), Encoded),
        (mail("\n").into_bytes(), Encoded),
        (mail("\r\n").into_bytes(), Encoded),
        (gz.into_bytes(), Encoded),
        (hex.clone().into_bytes(), Encoded),
        (lines(&hex).into_bytes(), Encoded),
        (b"00000000: 0000 0000 0000 0000  ........\n".to_vec(), Encoded),
        (b"{\"result\":{\"remaining_bytes\":\"1\",\"blob\":\"AA".to_vec(), Encoded),
        (b"<!DOCTYPE html><html>404".to_vec(), Answer),
        (b"\r\n  <HTML>\n<head>".to_vec(), Answer),
        (b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\n".to_vec(), Answer),
        (
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>".to_vec(),
            Answer,
        ),
        (b"<Error>\n <Code>NoSuchKey</Code>\n <Message>No such object: b/k</Message></Error>".to_vec(), Answer),
        (b"\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>".to_vec(), Answer),
        (b"<Error><Code>ExpiredToken</Code></Error>".to_vec(), Answer),
        (b"<Error><Code>Strange</Code></Error>".to_vec(), Answer),
        (br#"{"error":{"code":403,"message":"does not have storage.objects.get access"}}"#.to_vec(), Answer),
        (
            br#"{"kind":"Status","status":"Failure","message":"pods is forbidden","reason":"Forbidden"}"#.to_vec(),
            Answer,
        ),
        (br#"{"error":"etcdserver: not leader","code":14}"#.to_vec(), Answer),
        (br#"{"a":1}"#.to_vec(), Other),
        (b"[1, 2]".to_vec(), Other),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".to_vec(), Pointer),
        (b"/annex/objects/SHA256E-s1--a.db\n".to_vec(), Pointer),
        (b"404 page not found\n".to_vec(), Other),
        (b"Error from server (NotFound): pods \"etcd\" not found\n".to_vec(), Other),
        (b"\x7fELF\x02\x01".to_vec(), Other),
        (b"%PDF-1.7".to_vec(), Other),
        (b"SQLite format 3\0".to_vec(), Other),
        (b"-----BEGIN CERTIFICATE-----\nMII".to_vec(), Other),
        (b"apiVersion: v1\nkind: Pod\n".to_vec(), Other),
        (b"\x04\0\0\0\0\0\0\x84\x08\x04\x10\0".to_vec(), OfEtcd),
        (b"PK\x03\x04\x14\0\x09\0\x08\0".to_vec(), Encrypted),
        (wide(login, b"\xff\xfe"), Answer),
        (big(login), Answer),
        (wide(login, b""), Answer),
        (wide("Access is denied.\r\n", b"\xff\xfe"), Other),
        (wide(&base64, b"\xff\xfe"), Encoded),
        (pem.into_bytes(), Encoded),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>\r\n<html>".to_vec(), Answer),
        (b"---\r\napiVersion: v1\r\nkind: Secret\r\n".to_vec(), Other),
        (br#"{"header":{"revision":3},"kvs":[],"count":1}"#.to_vec(), Other),
        (br#"{"header":{},"members":[]}"#.to_vec(), Other),
        (br#"[{"Endpoint":"a","Status":{}}]"#.to_vec(), Other),
        (br#"{"hash":1,"revision":2,"totalKey":3,"totalSize":4}"#.to_vec(), Other),
        (br#"{"apiVersion":"v1","items":[],"kind":"List"}"#.to_vec(), Other),
        (b"[repository]\nversion = 1\n".to_vec(), Other),
        (b"[Unit]\nDescription=etcd\n".to_vec(), Other),
        (b"0000000 0000 0000 0004\n".to_vec(), Encoded),
        (b"000000 00 00 00 00\n".to_vec(), Encoded),
        (b"unsigned char snap_db[] = {\n  0x00,".to_vec(), Encoded),
        (b"begin 644 snap.db\n#0V%T\n".to_vec(), Encoded),
        (b"=ybegin line=128 size=9 name=a\r\n\xff\xfe".to_vec(), Encoded),
        (b"\x30\x82\x03\x0a\x30\x82\x01\xf2".to_vec(), Other),
        (snap, OfEtcd),
        (mbr, Image),
        (at(512, b"EFI PART"), Image),
        (at(512, b"LABELONE"), Image),
        (far(0x10040, b"_BHRfS_M"), Image),
        (b"QFI\xfb\0\0\0\x03".to_vec(), Image),
        (b"vhdxfile".to_vec(), Image),
        (b"# Disk DescriptorFile\nversion=1\n".to_vec(), Image),
        (at(16, b"\xde\xc0\xef\xbe"), Other),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0".to_vec(), Other),
        (b"\xed\xab\xee\xdb\x03\0".to_vec(), Archive),
        (b"\x02\x21\x4c\x18\0\0".to_vec(), Compressed),
        (lossy.into_bytes(), Altered),
        (latin.into_bytes(), Altered),
        (utf16, Altered),
        (db.iter().map(|byte| byte & 0x7f).collect(), Altered),
        ([b"\xef\xbb\xbf", &*db].concat(), Altered),
        ([b"Defaulted container\n", &*db].concat(), Altered),
        ([b"\r\n", &*db].concat(), Altered),
    ];
    let mut messages = Vec::new();
    for (bytes, kind) in cases {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let found = named(&bytes).unwrap_or_else(|| panic!("{start:?} is not named"));
        assert_eq!(found.0, kind, "{start:?}: {found:?}");
        assert!(!found.2.contains("{}"), "{found:?}");
        let shown: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).take(40).collect();
        messages.push((format!("{kind:?}: {}", shown.escape_ascii()), format!("{}\n{}", found.1, found.2)));
    }
    crate::text::messages::hold("filetype-content", &messages);
}

#[test]
fn databases_and_noise_are_not_identified() {
    let mut page_only = database();
    page_only[16..20].fill(0);
    let mut magic_only = database();
    magic_only[..12].fill(0xff);
    let noise: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x40).collect();
    for bytes in [database(), page_only, magic_only, noise, vec![0; 9000], Vec::new(), vec![0xf0; 9]] {
        assert_eq!(named(&bytes), None);
    }
    assert!(named(b"abcd").is_some_and(|found| found.1.starts_with("text")), "four letters are not base64");
}

#[test]
fn line_ends_show_a_transfer_in_text_mode() {
    let counted = |bytes: &[u8], size: usize| {
        let mut ends = altered::LineEnds::default();
        bytes.chunks(size).for_each(|block| ends.add(block));
        ends
    };
    let db = database();
    let crlf: Vec<u8> =
        db.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    for size in [1, 7, 4096, 100_000] {
        let found = counted(&crlf, size).verdict(true).unwrap();
        assert!(found.kind == FileKind::Altered && found.name.contains("400"), "{found:?}");
        assert_eq!(counted(&crlf, size), counted(&crlf, 3));
    }
    let mixed: Vec<u8> = [&db[..], b"\r\n\r"].concat();
    assert_eq!(counted(&mixed, 9).verdict(true), None);
    assert!(counted(&db, 9).verdict(true).is_some_and(|found| found.name.contains("perhaps")));
    assert!(counted(&vec![0; 20480], 4096).verdict(false).unwrap().name.contains("20,480"));
}
