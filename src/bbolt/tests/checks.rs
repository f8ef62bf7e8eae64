//! The check: real files are sound; each kind of damage is found and named.

use super::*;

fn found(bytes: &[u8]) -> Vec<Error> {
    check(&View::open(bytes).unwrap(), &mut |_, _| true).unwrap().problems
}

fn has(bytes: &[u8], page: Option<u64>, wanted: &Fault) {
    let found = found(bytes);
    let is = |error: &Error| matches!(error, Error::Damaged { place, fault } if place.page == page && fault == wanted);
    assert!(found.iter().any(is), "{wanted:?} on {page:?} is not in {found:?}");
}

#[test]
fn real_snapshots_are_sound() {
    for (name, bytes) in all_snapshots() {
        let view = View::open(&bytes).unwrap();
        let (mut done, mut steps) = (0, 0);
        let report = check(&view, &mut |pages, of| {
            assert!(pages >= done && pages <= of, "{name}");
            (done, steps) = (pages, steps + 1);
            true
        })
        .unwrap();
        assert!(report.problems.is_empty(), "{name}: {:?}", report.problems);
        assert_eq!(report.reachable + report.free, report.pages, "{name}");
        assert!(steps > 1 && done == report.pages, "{name}");
        assert!(matches!(check(&view, &mut |_, _| false), Err(Error::Stopped)));
    }
}

/// A file with a branch as root of bucket `b`: its bytes and the page of the branch.
fn tree() -> (Vec<u8>, u64) {
    let rows = (0..100u8).map(|n| (vec![b'k', n], vec![n; 40])).collect();
    let bytes = build(&Model::from([(b"b".to_vec(), rows)]), 512);
    let view = View::open(&bytes).unwrap();
    let root = view.bucket(b"b").unwrap().unwrap().root_page().unwrap();
    assert!(found(&bytes).is_empty());
    (bytes, root)
}

#[test]
fn damage_is_named() {
    let (intact, root) = tree();
    let hwm = View::open(&intact).unwrap().meta().hwm;
    let at = |page: u64| page as usize * 512;
    let child = at(root) + 16 + 8; // of the first element
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = intact.clone();
        change(&mut bytes);
        bytes
    };
    let put = |place: usize, value: u64| damage(&|bytes| bytes[place..place + 8].copy_from_slice(&value.to_le_bytes()));
    has(&put(child, hwm), Some(hwm), &Fault::OutOfBounds { hwm });
    has(&put(child, u64::MAX), Some(u64::MAX), &Fault::OutOfBounds { hwm });
    has(&put(child, 0), Some(0), &Fault::OutOfBounds { hwm });
    has(&put(child, root), Some(root), &Fault::Shared);
    has(&put(child, 3), Some(3), &Fault::Shared);
    has(&put(at(3), 4), Some(3), &Fault::WrongId(4));
    has(&damage(&|b| b[at(3) + 8] = 0x10), Some(3), &Fault::WrongType { flags: 0x10, wanted: "a branch or leaf page" });
    has(&damage(&|b| b[at(3) + 12] = 1), Some(4), &Fault::Shared);
    has(&damage(&|b| b[at(3) + 13] = 1), Some(3), &Fault::Overflow { overflow: 256, hwm });
    has(
        &damage(&|b| b[at(3) + 11] = 1),
        Some(3),
        &Fault::Table { count: u64::from(b_count(&intact, 3)) + 256, size: 512 },
    );
    has(&damage(&|b| b[at(3) + 16] = 4), Some(3), &Fault::ElementFlags { index: 0, flags: 4 });
    has(&damage(&|b| b[at(3) + 16 + 6] = 1), Some(3), &Fault::Element(0));
    has(&damage(&|b| b[at(root) + 10..at(root) + 12].fill(0)), Some(root), &Fault::NoChildren);
    // The first key of leaf 3 follows its table.
    let key = at(3) + 16 + 16 * usize::from(b_count(&intact, 3));
    has(&damage(&|b| b[key] = b'l'), Some(3), &Fault::Order(1));
    has(&damage(&|b| b[key] = b'l'), Some(3), &Fault::AboveParent(0));
    has(&damage(&|b| b[key] = b'a'), Some(3), &Fault::BelowParent(0));
    has(&damage(&|b| b[at(0) + 72] ^= 1), Some(0), &Fault::Checksum);
    has(&damage(&|b| b[at(1)] = 9), Some(1), &Fault::WrongId(9));
}

fn b_count(bytes: &[u8], page: usize) -> u16 {
    page::u16_at(bytes, page * 512 + 10).unwrap()
}

/// What the list is worth, where pages of the tree were copied into the free ones and where they were not.
#[test]
fn a_damaged_freelist_differs_from_a_lost_tree() {
    let (intact, _) = tree();
    let hwm = View::open(&intact).unwrap().meta().hwm;
    let with = |ids: &[u64], change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = intact.clone();
        page::Header { id: hwm, flags: page::FREELIST, count: ids.len() as u16, overflow: 0 }.write(&mut bytes);
        bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.resize((hwm as usize + 3) * 512, 0);
        set_meta(&mut bytes, |meta| (meta.freelist, meta.hwm) = (hwm, hwm + 3));
        change(&mut bytes);
        bytes
    };
    // The last page looks like a leaf of the tree.
    let leaf = |bytes: &mut Vec<u8>| {
        let to = (hwm as usize + 2) * 512;
        bytes.copy_within(3 * 512..4 * 512, to);
        bytes[to..to + 8].copy_from_slice(&(hwm + 2).to_le_bytes());
    };
    let nothing = |_: &mut Vec<u8>| {};
    let list = hwm as usize * 512;
    let cases: [(Vec<u8>, FreeList); 12] = [
        (with(&[hwm + 1, hwm + 2], &nothing), FreeList::Sound),
        (with(&[hwm + 1, hwm + 2], &leaf), FreeList::Sound),
        (with(&[hwm + 1], &nothing), FreeList::Damaged),
        (with(&[hwm + 1], &leaf), FreeList::Contradicts),
        (with(&[hwm + 1, 1 << 50], &leaf), FreeList::Damaged),
        (with(&[hwm + 1, hwm + 1], &leaf), FreeList::Damaged),
        (with(&[3, hwm + 1], &leaf), FreeList::Contradicts),
        (with(&[hwm + 2, hwm + 1], &nothing), FreeList::Damaged),
        (with(&[3, hwm + 1, hwm + 2], &leaf), FreeList::Damaged),
        (with(&[hwm + 1, hwm + 2], &|bytes| bytes[list + 8] = 2), FreeList::Damaged),
        (with(&[hwm + 1, hwm + 2], &|bytes| bytes[list + 11] = 9), FreeList::Damaged),
        (with(&[hwm + 1, hwm + 2], &|bytes| set_meta(bytes, |meta| meta.freelist = 3)), FreeList::Damaged),
    ];
    for (n, (bytes, worth)) in cases.into_iter().enumerate() {
        let mut rows = 0;
        let view = View::open(&bytes).unwrap();
        let report = check_rows(&view, &mut |_, _| true, &mut |_, _| rows += 1).unwrap();
        assert_eq!((report.free_list, report.in_trees, rows), (worth, 0, 100), "{n}: {:?}", report.problems);
        assert_eq!(report.problems.is_empty(), worth == FreeList::Sound, "{n}");
        // Pages that are in neither are merely never used again, and bbolt ignores the order of the freelist.
        let harmless = |e: &Error| matches!(e, Error::Damaged { fault: Fault::Lost | Fault::Unsorted, .. });
        assert_eq!(report.list_harms, !report.problems.iter().all(harmless), "{n}: {:?}", report.problems);
        assert!(report.parts.len() == report.problems.len() && report.parts.iter().all(|p| *p == Part::FreeList));
        assert!(report.in_use.has(3));
    }
    // A damaged tree is damage, whatever the freelist contains.
    let bytes = with(&[hwm + 1, hwm + 2], &|bytes| (bytes[list + 8], bytes[3 * 512 + 8]) = (2, 0x40));
    let report = check(&View::open(&bytes).unwrap(), &mut |_, _| true).unwrap();
    assert!(report.in_trees > 0 && report.about(Part::FreeList).count() == 1, "{report:?}");
}

#[test]
fn the_list_of_free_pages_is_checked() {
    let (intact, _) = tree();
    let hwm = View::open(&intact).unwrap().meta().hwm;
    // Three further pages: the list, and two to be in it.
    let with = |ids: &[u64]| {
        let mut bytes = intact.clone();
        page::Header { id: hwm, flags: page::FREELIST, count: ids.len() as u16, overflow: 0 }.write(&mut bytes);
        bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.resize((hwm as usize + 3) * 512, 0);
        set_meta(&mut bytes, |meta| (meta.freelist, meta.hwm) = (hwm, hwm + 3));
        bytes
    };
    assert!(found(&with(&[hwm + 1, hwm + 2])).is_empty());
    has(&with(&[hwm + 1]), Some(hwm + 2), &Fault::Lost);
    has(&with(&[3, hwm + 1, hwm + 2]), Some(3), &Fault::ReachableFreed);
    has(&with(&[hwm, hwm + 1, hwm + 2]), Some(hwm), &Fault::ReachableFreed);
    has(&with(&[hwm + 1, hwm + 1]), Some(hwm + 1), &Fault::FreedTwice);
    has(&with(&[hwm + 1, hwm + 2, hwm + 3]), Some(hwm + 3), &Fault::OutOfBounds { hwm: hwm + 3 });
    let mut long = with(&[2, hwm + 1, hwm + 2]);
    long[hwm as usize * 512 + 10..][..2].fill(0xff); // then the first number is the count
    assert!(found(&long).is_empty());
    // An edit drops the freelist.
    let file = Mem::new(with(&[hwm + 1, hwm + 2]));
    let mut edit = Edit::begin(&file).unwrap();
    edit.put(b"b", b"k", b"v").unwrap();
    edit.commit().unwrap();
    assert_eq!(View::open(&file).unwrap().meta().freelist, u64::MAX);
    sound(&View::open(&file).unwrap());
}

#[test]
fn problems_are_capped() {
    let rows = (0..3000u16).map(|n| (n.to_be_bytes().to_vec(), vec![1; 40])).collect();
    let mut bytes = build(&Model::from([(b"b".to_vec(), rows)]), 512);
    let list = View::open(&bytes).unwrap().meta().root as usize;
    for page in bytes.chunks_mut(512).take(list).skip(2).filter(|page| page[8] == 2) {
        page[1] ^= 0x40;
    }
    let report = check(&View::open(&bytes).unwrap(), &mut |_, _| true).unwrap();
    assert_eq!(report.problems.len(), 100);
    assert!(report.more > 50);
}
