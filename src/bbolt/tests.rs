//! Tests of the room: real snapshots, models, hostile files; and what they share.

mod builds;
mod checks;
mod edits;
mod fixtures;
mod hostile;

use super::*;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where the real snapshots stand.
pub fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots")
}

/// Every real snapshot: name and bytes.
pub fn all_snapshots() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(snapshots())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "db"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() > 30, "the snapshots are gone");
    all
}

/// All rows of a bucket.
pub fn rows<R: ReadAt>(view: &View<R>, bucket: &Bucket) -> Result<Vec<KeyValue>, Error> {
    let (mut cursor, mut all) = (view.cursor(bucket), Vec::new());
    while let Some(row) = cursor.next()? {
        all.push((row.key.to_vec(), row.value.to_vec()));
    }
    Ok(all)
}

/// A file in memory that remembers what was written and synced, in order.
#[derive(Debug, Default)]
pub struct Mem {
    pub bytes: RefCell<Vec<u8>>,
    pub log: RefCell<Vec<Act>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl Mem {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: RefCell::new(bytes), log: RefCell::default() }
    }
}

impl ReadAt for Mem {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.borrow().read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&*self.bytes.borrow())
    }
}

impl WriteAt for Mem {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.log.borrow_mut().push(Act::Write(offset, buf.to_vec()));
        let (mut bytes, from) = (self.bytes.borrow_mut(), offset as usize);
        let end = bytes.len().max(from + buf.len());
        bytes.resize(end, 0);
        bytes[from..from + buf.len()].copy_from_slice(buf);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.log.borrow_mut().push(Act::SetLen(len));
        self.bytes.borrow_mut().resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.log.borrow_mut().push(Act::Sync);
        Ok(())
    }
}

/// A database without buckets.
pub fn empty_db(page_size: u32) -> Vec<u8> {
    let meta = Meta { page_size, root: 2, sequence: 0, freelist: u64::MAX, hwm: 3, txid: 1 };
    let mut bytes = Meta { txid: 0, ..meta }.encode(0);
    bytes.extend(meta.encode(1));
    page::Header { id: 2, flags: page::LEAF, count: 0, overflow: 0 }.write(&mut bytes);
    bytes.resize((3 * page_size as usize).max(4096), 0);
    bytes
}

/// Buckets and their rows.
pub type Model = std::collections::BTreeMap<Vec<u8>, std::collections::BTreeMap<Vec<u8>, Vec<u8>>>;

/// Everything in a file (nested buckets as their headers).
pub fn read_all<R: ReadAt>(view: &View<R>) -> Result<Model, Error> {
    let buckets = view.buckets()?;
    buckets.into_iter().map(|(name, bucket)| Ok((name, rows(view, &bucket)?.into_iter().collect()))).collect()
}

/// What every file that we write is: free of problems, and every branch as bbolt relies on it.
pub fn sound<R: ReadAt>(view: &View<R>) {
    let report = check(view, &mut |_, _| true).unwrap();
    assert!(report.problems.is_empty() && report.more == 0, "{:?}", report.problems);
    assert_eq!(report.pages, view.meta().hwm);
    let mut trees = vec![(view.meta().root, Vec::new())];
    trees.extend(view.buckets().unwrap().into_iter().filter_map(|(name, b)| Some((b.root_page()?, name))));
    while let Some((page, bucket)) = trees.pop() {
        sound_branch(view, page, &bucket, None);
    }
}

/// bbolt updates a parent's entry by looking for the child's first key, and panics when it deletes below a branch
/// with one child: neither is in its own check.
fn sound_branch<R: ReadAt>(view: &View<R>, page: u64, bucket: &[u8], key: Option<&[u8]>) -> usize {
    let mut bytes = PageBuffer::default();
    let shape = view.load(page, bucket, &mut bytes).unwrap();
    let row = |at| {
        if shape.leaf { (page::leaf_row(&bytes, at).unwrap().key, 0) } else { page::branch_row(&bytes, at).unwrap() }
    };
    if let Some(key) = key {
        assert_eq!(row(0).0, key, "page {page}: its parent has another key for it");
    }
    if shape.leaf {
        return 0;
    }
    assert!(shape.count > 1, "page {page} is a branch with one child");
    let depths: Vec<_> = (0..shape.count).map(|at| sound_branch(view, row(at).1, bucket, Some(row(at).0))).collect();
    assert!(depths.iter().all(|depth| *depth == depths[0]), "page {page}: its leaves are not on one level");
    depths[0] + 1
}

/// Writes both meta pages anew with these changes, where they are, with fitting checksums.
pub fn set_meta(bytes: &mut [u8], change: impl FnOnce(&mut Meta)) {
    let mut meta = *View::open(&*bytes).unwrap().meta();
    let page_size = meta.page_size as usize;
    change(&mut meta);
    for (id, page) in bytes.chunks_mut(page_size).take(2).enumerate() {
        let whole = Meta { page_size: 512, ..meta }.encode(id as u64);
        page[..80].copy_from_slice(&whole[..80]);
        page[24..28].copy_from_slice(&meta.page_size.to_le_bytes());
        let sum = meta::fnv1a(&page[16..72]);
        page[72..80].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Builds a file from a model.
pub fn build(model: &Model, page_size: u32) -> Vec<u8> {
    let mut build = Build::begin(Mem::new(vec![0xaa; 100_000]), page_size).unwrap();
    for (name, rows) in model {
        build.bucket(name).unwrap();
        for (key, value) in rows {
            build.put(key, value).unwrap();
        }
    }
    build.finish(7).unwrap().bytes.into_inner()
}
