//! Hostile files: reading ends, with rows or with an error, and reads no more than the file has.

use super::*;
use std::cell::Cell;

/// Counts what is read.
struct Counted<'b>(&'b [u8], Cell<u64>);

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.set(self.1.get() + buf.len() as u64);
        self.0.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0)
    }
}

/// Opens, checks, walks all rows of all buckets, looks one up, edits. Nothing of it may panic or read without end.
fn poke(bytes: &[u8]) {
    let source = Counted(bytes, Cell::new(0));
    let file = bytes.len() as u64;
    let Ok(view) = View::open(&source) else { return };
    let bounded = |what: &str, times: u64| {
        let read = source.1.replace(0);
        assert!(read <= times * file + 4096, "{what} read {read} bytes of a file of {file}");
    };
    bounded("open", 1);
    let report = check(&view, &mut |_, _| true).unwrap();
    assert!(report.problems.len() <= 100);
    for problem in &report.problems {
        assert!(problem.to_string().len() > 10);
    }
    bounded("check", 3);
    let buckets = view.buckets();
    bounded("buckets", 2);
    for (name, bucket) in buckets.unwrap_or_default() {
        let walked = rows(&view, &bucket);
        bounded("walk", 2);
        if report.problems.is_empty() {
            walked.unwrap_or_else(|error| panic!("the check finds nothing, but: {error}"));
        }
        let _ = view.last(&bucket);
        let _ = view.get(&bucket, b"some");
        let _ = view.bucket(&name);
        source.1.set(0);
    }
    let copy = Mem::new(bytes.to_vec());
    if let Ok(mut edit) = Edit::begin(&copy) {
        let put = edit.put(b"key", b"k", b"v").and(edit.clear_bucket(b"meta")).and(edit.create_bucket(b"zz"));
        if put.is_ok() {
            let _ = edit.commit();
        }
    }
}

/// A small generator, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn damaged_snapshots_end_in_values() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (_, intact) in all_snapshots().into_iter().filter(|(_, bytes)| bytes.len() < 100_000) {
        for _ in 0..24 {
            let mut bytes = intact.clone();
            for _ in 0..=dice.below(3) {
                // Half of the hits go to where pages begin, since most other bytes are values.
                let page = dice.below(bytes.len() / 4096) * 4096;
                let at = if dice.below(2) == 0 { page + dice.below(120) } else { dice.below(bytes.len()) };
                match dice.below(4) {
                    0 => bytes[at] ^= 1 << dice.below(8),
                    1 => bytes[at] = 0xff,
                    2 => {
                        let end = bytes.len().min(at + 1 + dice.below(64));
                        bytes[at..end].fill(0);
                    }
                    _ => {
                        let from = dice.below(bytes.len() / 4096) * 4096;
                        bytes.copy_within(from..from + 4096, page);
                    }
                }
            }
            poke(&bytes);
            bytes.truncate(dice.below(bytes.len()));
            poke(&bytes);
        }
    }
}

#[test]
fn every_header_field_may_lie() {
    let rows = |n: u16, len: usize| (0..n).map(|n| (n.to_be_bytes().to_vec(), vec![1; len])).collect();
    let model =
        Model::from([(b"key".to_vec(), rows(400, 40)), (b"meta".to_vec(), rows(3, 5000)), (b"x".to_vec(), rows(2, 2))]);
    let intact = build(&model, 512);
    let pages = View::open(&intact).unwrap().meta().hwm;
    let lies = [0u64, 1, 2, 16, pages - 1, pages, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 40, u64::MAX];
    for page in [2, 3, pages / 2, pages - 2, pages - 1] {
        let header = [(0, 8), (8, 2), (10, 2), (12, 4)];
        let elements = (16..64).step_by(4).flat_map(|at| [(at, 4), (at, 8)]);
        for (field, size) in header.into_iter().chain(elements) {
            for lie in lies {
                let mut bytes = intact.clone();
                let at = page as usize * 512 + field;
                bytes[at..at + size].copy_from_slice(&lie.to_le_bytes()[..size]);
                poke(&bytes);
            }
        }
    }
    for lie in lies.into_iter().chain([1 << 30, 1 << 55, (1 << 55) - 1]) {
        for field in 0..6 {
            let mut bytes = intact.clone();
            set_meta(&mut bytes, |meta| match field {
                0 => meta.root = lie,
                1 => meta.hwm = lie,
                2 => meta.freelist = lie,
                3 => meta.txid = lie,
                4 => meta.page_size = lie as u32 & 0x1ff00,
                _ => (meta.root, meta.freelist) = (lie, 3),
            });
            poke(&bytes);
        }
    }
}

#[test]
fn circles_and_aliases_end() {
    // Branches of 20 children that all point at one page: without a bound a walk would be 20^63 pages long.
    let bytes = build(&Model::new(), 512);
    let page = |id: u64, children: &[u64]| {
        let mut pack = page_writer::Pack::new(false);
        for (n, child) in children.iter().enumerate() {
            pack.push_child(&[n as u8 + 1], *child);
        }
        let mut bytes = Vec::new();
        pack.write(id, 0, &mut bytes);
        bytes.resize(512, 0);
        bytes
    };
    let leaf = build(&Model::from([(b"b".to_vec(), Default::default())]), 512)[1024..1536].to_vec();
    for target in [|id: u64| id, |id: u64| id + 1, |_: u64| 4, |id: u64| (id ^ 1).max(4)] {
        let mut bytes = bytes[..1024].to_vec();
        bytes.extend(page(2, &[3]));
        for id in 3..40 {
            bytes.extend(page(id, &[target(id); 20]));
        }
        bytes.extend({
            let mut leaf = leaf.clone();
            leaf[..8].copy_from_slice(&40u64.to_le_bytes());
            leaf
        });
        let mut whole = build(
            &Model::from([(b"b".to_vec(), (0..300u16).map(|n| (n.to_be_bytes().to_vec(), vec![1; 9])).collect())]),
            512,
        );
        whole.resize(41 * 512, 0);
        let len = whole.len();
        whole[1024..].copy_from_slice(&bytes[1024..len]);
        set_meta(&mut whole, |meta| (meta.root, meta.hwm) = (2, 41));
        let view = View::open(&whole).unwrap();
        assert!(view.buckets().is_err());
        assert!(!check(&view, &mut |_, _| true).unwrap().problems.is_empty());
        poke(&whole);
    }
}

#[test]
fn overlapping_elements_do_not_multiply() {
    // 2000 inline buckets that share one big value.
    let small = (0..2000u16).map(|n| (n.to_be_bytes().to_vec(), Vec::new())).collect();
    let mut bytes = build(&Model::from([(b"a".to_vec(), small)]), 65536);
    let page = 65536 * 2;
    let count = usize::from(page::u16_at(&bytes, page + 10).unwrap());
    assert!(count > 1000);
    for n in 0..count {
        let element = page + 16 + 16 * n;
        bytes[element..element + 4].copy_from_slice(&1u32.to_le_bytes());
        let room = 65536 - 16 - 16 * n - page::u32_at(&bytes, element + 4).unwrap() as usize - 2;
        bytes[element + 12..element + 16].copy_from_slice(&(room as u32).to_le_bytes());
    }
    let view = View::open(&bytes).unwrap();
    let bucket = view.bucket(b"a").unwrap().unwrap();
    let found = rows(&view, &bucket);
    assert!(matches!(found, Err(Error::Damaged { fault: Fault::Gap(1), .. })), "{found:?}");
    poke(&bytes);
}

/// Buckets in buckets in buckets, each inline in the one around it.
#[test]
fn nesting_is_bounded() {
    let mut value = page_writer::Pack::new(true).inline_bucket(0);
    for _ in 0..1200 {
        let mut pack = page_writer::Pack::new(true);
        pack.push_row(page::IS_BUCKET, b"n", &value);
        value = pack.inline_bucket(0);
    }
    let mut pack = page_writer::Pack::new(true);
    pack.push_row(page::IS_BUCKET, b"n", &value);
    let mut page = Vec::new();
    pack.write(2, 0, &mut page);
    page.resize(65536, 0);
    let mut bytes = build(&Model::new(), 65536);
    bytes.truncate(2 * 65536);
    bytes.extend(page);
    let found = check(&View::open(&bytes).unwrap(), &mut |_, _| true).unwrap().problems;
    assert!(matches!(found.as_slice(), [Error::Damaged { fault: Fault::Depth(64), .. }]), "{found:?}");
    poke(&bytes);
}
