//! Checks every page: is the file what bbolt would have written?
//!
//! Finds what bbolt's own `Tx.Check` finds, and in addition damaged elements, damaged meta pages
//! and keys out of order. Every page is read at most once, whatever the file says.

use super::ReadAt;
use super::error::{Error, Fault, Place};
use super::meta::{Meta, NO_FREELIST};
use super::page::{self, Header, IS_BUCKET, Row, Shape, wide};
use super::page_buffer::PageBuffer;
use super::page_set::PageSet;
use super::read_tx::{Bucket, MAX_DEPTH, Rows, View, Window};

/// Maximum number of problems kept; further ones are only counted.
const KEPT: usize = 100;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Pages up to the high-water mark.
    pub pages: u64,
    /// Pages in use, the two meta pages among them.
    pub reachable: u64,
    /// The set of pages in use.
    pub in_use: PageSet,
    /// Pages that are neither in use nor in a readable freelist.
    pub unaccounted: PageSet,
    /// Pages free for reuse: those in the freelist, or, if none is stored, all that are not in use.
    pub free: u64,
    /// The first 100 problems; empty if the file is intact.
    pub problems: Vec<Error>,
    /// How many problems there are beyond those.
    pub more: u64,
    /// The part of the file that each of `problems` concerns.
    pub parts: Vec<Part>,
    /// Number of all problems that are in the trees; if 0, every row can be read.
    pub in_trees: u64,
    /// How far the freelist can be trusted.
    pub free_list: FreeList,
    /// Whether bbolt would fail on the freelist, or allocate pages from it that are in use. Pages that are neither in
    /// use nor in the freelist are merely never allocated, and bbolt sorts the list when it reads it.
    pub list_harms: bool,
}

/// The part of the file that a problem concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A meta page that is not the one in use, or only the header of one.
    Meta,
    /// The trees with the buckets and their rows.
    Tree,
    /// The freelist.
    FreeList,
}

/// How far the freelist can be trusted. Nothing that a row needs depends on it, but if it is correct it shows whether
/// the trees have all their pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FreeList {
    /// It is not stored in the file, or is correct.
    #[default]
    Sound,
    /// It cannot be read, or has invalid entries that account for every missing page.
    Damaged,
    /// It can be read but does not match the trees: pages that look like parts of a tree are in neither. It is unknown
    /// whether the trees lost any of them.
    Contradicts,
}

impl Report {
    /// Returns the problems that concern this part.
    pub fn about(&self, part: Part) -> impl Iterator<Item = &Error> {
        self.problems.iter().zip(&self.parts).filter(move |(_, of)| **of == part).map(|(problem, _)| problem)
    }
}

/// Checks every page. `step` is called after each page with the number of pages read and the maximum; returning
/// `false` ends the check with [`Error::Stopped`]. Damage is not an error of the check: it is in the report.
pub fn check<R: ReadAt>(view: &View<R>, step: &mut dyn FnMut(u64, u64) -> bool) -> Result<Report, Error> {
    check_rows(view, step, &mut |_, _| {})
}

/// Like [`check`], and passes each row of the top-level buckets to `visit`, with the bucket's name, while its
/// page is at hand. The buckets come in no particular order, a bucket's rows together and in theirs. After the first
/// problem in the trees no more rows are passed.
pub fn check_rows<R: ReadAt>(
    view: &View<R>,
    step: &mut dyn FnMut(u64, u64) -> bool,
    visit: &mut dyn FnMut(&[u8], Row<'_>),
) -> Result<Report, Error> {
    let hwm = view.meta().hwm;
    let report = Report { pages: hwm, ..Report::default() };
    let part = Part::Meta;
    let mut checker =
        Checker { view, step, visit, seen: Bits::new(hwm), freed: Bits::default(), read: 0, part, report };
    checker.metas();
    checker.part = Part::Tree;
    let mut waiting = vec![Task { path: Vec::new(), depth: 0, rows: view.root().rows }];
    let mut window = Window::default();
    while let Some(task) = waiting.pop() {
        checker.bucket(&task, &mut waiting, &mut window)?;
    }
    // After the trees, so that a freelist that contains their pages does not make them appear to be used twice.
    checker.part = Part::FreeList;
    checker.freelist()?;
    checker.finish()
}

/// A bucket to check.
struct Task {
    /// Names from the first level down, joined by `/`; empty for the root bucket.
    path: Vec<u8>,
    depth: usize,
    rows: Rows,
}

impl Task {
    fn fault(&self, page: Option<u64>, fault: Fault) -> Error {
        Error::Damaged { place: Place { page, bucket: self.path.as_slice().into() }, fault }
    }
}

/// A page to check: its number, its parent's key for it and for the page after it.
type Child = (u64, Option<Vec<u8>>, Option<Vec<u8>>);

/// A branch whose children are being checked.
struct Branch {
    page: u64,
    bytes: Vec<u8>,
    count: usize,
    at: usize,
    upper: Option<Vec<u8>>,
}

/// One bit per page.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// The view has seen that the file is that long.
    fn new(pages: u64) -> Self {
        Self(vec![0; usize::try_from(pages.div_ceil(64)).unwrap_or(0)])
    }

    fn has(&self, page: u64) -> bool {
        let word = usize::try_from(page >> 6).ok().and_then(|at| self.0.get(at));
        word.is_some_and(|word| word & (1 << (page & 63)) != 0)
    }

    /// Returns whether it was newly added.
    fn add(&mut self, page: u64) -> bool {
        let fresh = !self.has(page);
        if let Some(word) = usize::try_from(page >> 6).ok().and_then(|at| self.0.get_mut(at)) {
            *word |= 1 << (page & 63);
        }
        fresh
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).fold(0, u64::saturating_add)
    }
}

struct Checker<'c, R> {
    view: &'c View<R>,
    step: &'c mut dyn FnMut(u64, u64) -> bool,
    visit: &'c mut dyn FnMut(&[u8], Row<'_>),
    seen: Bits,
    freed: Bits,
    /// Pages read so far.
    read: u64,
    /// What is being checked.
    part: Part,
    report: Report,
}

impl<R: ReadAt> Checker<'_, R> {
    fn problem(&mut self, problem: Error) {
        if self.part == Part::Tree {
            self.report.in_trees = self.report.in_trees.saturating_add(1);
        }
        if self.report.problems.len() < KEPT {
            self.report.problems.push(problem);
            self.report.parts.push(self.part);
        } else {
            self.report.more = self.report.more.saturating_add(1);
        }
    }

    fn metas(&mut self) {
        for (id, meta) in (0u64..).zip(self.view.metas()) {
            self.seen.add(id);
            match meta {
                // etcd adds to it with its first write. It is the meta page in use, so this concerns the trees.
                Ok(Meta { txid: u64::MAX, .. }) => {
                    self.part = Part::Tree;
                    self.problem(Error::at(id, b"", Fault::Txid));
                    self.part = Part::Meta;
                }
                Err(Error::Damaged { place, fault }) => {
                    self.problem(Error::Damaged { place: place.clone(), fault: fault.clone() });
                }
                Err(_) => self.problem(Error::at(id, b"", Fault::Magic)),
                Ok(_) => {
                    let mut bytes = [0; page::HEADER];
                    let offset = id.saturating_mul(u64::from(self.view.page_size()));
                    let size = wide(bytes.len());
                    match self.view.source().read_exact_at(&mut bytes, offset) {
                        Err(source) => self.problem(Error::Read { offset, size, source }),
                        Ok(()) => match Header::parse(&bytes) {
                            Some(header) if header.id != id => {
                                self.problem(Error::at(id, b"", Fault::WrongId(header.id)));
                            }
                            Some(Header { flags, .. }) if flags != page::META => {
                                self.problem(Error::at(id, b"", Fault::WrongType { flags, wanted: "a meta page" }));
                            }
                            _ => {}
                        },
                    }
                }
            }
        }
    }

    /// Reads the freelist, if there is one, and marks its pages as used.
    fn freelist(&mut self) -> Result<(), Error> {
        let (id, hwm) = (self.view.meta().freelist, self.view.meta().hwm);
        if id == NO_FREELIST {
            return Ok(());
        }
        self.report.free_list = FreeList::Damaged;
        self.report.list_harms = true;
        let mut bytes = PageBuffer::default();
        let header = match self.view.load_raw(id, b"", &mut bytes) {
            Ok(header) => header,
            Err(error) => {
                self.problem(error);
                return Ok(());
            }
        };
        if header.flags != page::FREELIST {
            let fault = Fault::WrongType { flags: header.flags, wanted: "a freelist" };
            self.problem(Error::at(id, b"", fault));
            return Ok(());
        }
        // 65535 and more do not fit in the header's count: the first entry is the count then.
        let (first, count) = match header.count {
            u16::MAX => (24usize, page::u64_at(&bytes, 16).unwrap_or(0)),
            count => (16, u64::from(count)),
        };
        let listed = bytes.get(first..).unwrap_or_default().chunks_exact(8);
        if wide(listed.len()) < count {
            self.problem(Error::at(id, b"", Fault::Table { count, size: wide(bytes.len()) }));
            return Ok(());
        }
        let own = id..id.saturating_add(wide(bytes.len()).checked_div(u64::from(self.view.page_size())).unwrap_or(1));
        if let Some(shared) = own.clone().find(|page| self.seen.has(*page)) {
            self.problem(Error::at(shared, b"", Fault::Shared));
            return Ok(());
        }
        self.took(id, &bytes, b"")?;
        self.freed = Bits::new(hwm);
        self.report.list_harms = false;
        let (mut before, mut wrong) = (0, 0u64);
        for entry in listed.take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let free = page::u64_at(entry, 0).unwrap_or(0);
            if free < 2 || free >= hwm {
                wrong = wrong.saturating_add(1);
                self.report.list_harms = true;
                self.problem(Error::at(free, b"", Fault::OutOfBounds { hwm }));
            } else if self.freed.has(free) {
                wrong = wrong.saturating_add(1);
                self.report.list_harms = true;
                self.problem(Error::at(free, b"", Fault::FreedTwice));
            } else if self.seen.has(free) {
                self.report.list_harms = true;
                self.problem(Error::at(free, b"", Fault::ReachableFreed));
            } else if free < before {
                self.problem(Error::at(free, b"", Fault::Unsorted));
            }
            before = free;
            self.freed.add(free);
        }
        self.lost(wrong);
        Ok(())
    }

    /// Checks pages that are neither in use nor free, given the number of invalid freelist entries.
    ///
    /// Each such entry can account for one lost page. Any other was left out of the list, or lost by the trees: if it
    /// looks like part of a tree, it is unknown which of the two.
    fn lost(&mut self, wrong: u64) {
        let (mut lost, mut of_trees) = (0u64, false);
        let mut bytes = PageBuffer::default();
        let mut unaccounted = Bits::new(self.report.pages);
        for page in 0..self.report.pages {
            if self.seen.has(page) || self.freed.has(page) {
                continue;
            }
            unaccounted.add(page);
            lost = lost.saturating_add(1);
            self.problem(Error::at(page, b"", Fault::Lost));
            // The total is limited: overlapping pages could otherwise be read again and again.
            if !of_trees && self.read <= self.report.pages {
                let loaded = self.view.load(page, b"", &mut bytes);
                let pages = wide(bytes.len()).checked_div(u64::from(self.view.page_size())).unwrap_or(1);
                self.read = self.read.saturating_add(pages);
                of_trees = loaded.is_ok_and(|shape| shape.count > 0);
            }
        }
        self.report.unaccounted = PageSet::from_words(unaccounted.0);
        let sound = self.report.about(Part::FreeList).next().is_none();
        self.report.free_list = match () {
            () if sound => FreeList::Sound,
            () if lost > wrong && (of_trees || self.read > self.report.pages) => FreeList::Contradicts,
            () => FreeList::Damaged,
        };
    }

    /// Marks page `id` with its overflow, read into `bytes`, as in use.
    fn took(&mut self, id: u64, bytes: &[u8], bucket: &[u8]) -> Result<(), Error> {
        let pages = wide(bytes.len()).checked_div(u64::from(self.view.page_size())).unwrap_or(1);
        for page in id..id.saturating_add(pages) {
            if !self.seen.add(page) {
                self.problem(Error::at(page, bucket, Fault::Shared));
                break;
            }
        }
        self.read = self.read.saturating_add(pages);
        if (self.step)(self.read, self.report.pages) { Ok(()) } else { Err(Error::Stopped) }
    }

    fn bucket(&mut self, task: &Task, waiting: &mut Vec<Task>, window: &mut Window) -> Result<(), Error> {
        let root = match &task.rows {
            Rows::Tree(root) => *root,
            Rows::Inline(image) => {
                match page::inline_shape(image) {
                    Ok(shape) => self.rows(task, None, image, shape, (None, None), waiting),
                    Err(fault) => self.problem(task.fault(None, fault)),
                }
                return Ok(());
            }
        };
        let mut path: Vec<Branch> = Vec::new();
        let mut next: Option<Child> = Some((root, None, None));
        while let Some((page, lower, upper)) = next.take() {
            if path.len() >= MAX_DEPTH {
                self.problem(task.fault(Some(page), Fault::Depth(MAX_DEPTH)));
            } else if let Some((bytes, shape)) = self.page(task, page, window)? {
                let bounds = (lower.as_deref(), upper.as_deref());
                if shape.leaf {
                    // Only the root bucket may be an empty page: an empty bucket is stored inline, and an empty leaf is
                    // removed from its tree.
                    if shape.count == 0 && (task.depth > 0 || !path.is_empty()) {
                        self.problem(task.fault(Some(page), Fault::NoRows));
                    }
                    self.rows(task, Some(page), bytes, shape, bounds, waiting);
                } else {
                    self.children(task, page, bytes, shape, bounds);
                    path.push(Branch { page, bytes: bytes.to_vec(), count: shape.count, at: 0, upper });
                }
            }
            while let Some(branch) = path.last_mut() {
                if branch.at < branch.count {
                    next = match next_child(branch) {
                        Ok(child) => Some(child),
                        Err(fault) => {
                            let page = branch.page;
                            self.problem(task.fault(Some(page), fault));
                            continue;
                        }
                    };
                    break;
                }
                path.pop();
            }
        }
        Ok(())
    }

    /// Reads a page that was not visited yet and marks it as used; `None` if it is damaged.
    fn page<'w>(&mut self, task: &Task, id: u64, window: &'w mut Window) -> Result<Option<(&'w [u8], Shape)>, Error> {
        if self.seen.has(id) {
            self.problem(
                task.fault(
                    Some(id),
                    if id < 2 { Fault::OutOfBounds { hwm: self.report.pages } } else { Fault::Shared },
                ),
            );
            return Ok(None);
        }
        // Overlapping pages could otherwise be read again and again.
        if self.read > self.report.pages {
            self.problem(task.fault(Some(id), Fault::Endless));
            return Ok(None);
        }
        let bytes = match self.view.page(id, &task.path, window) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.seen.add(id);
                self.problem(error);
                return Ok(None);
            }
        };
        self.took(id, bytes, &task.path)?;
        match page::file_shape(bytes, self.view.page_size()) {
            Ok(shape) => Ok(Some((bytes, shape))),
            Err(fault) => {
                self.problem(task.fault(Some(id), fault));
                Ok(None)
            }
        }
    }

    /// Checks the keys of a branch.
    fn children(&mut self, task: &Task, page: u64, bytes: &[u8], shape: Shape, bounds: Bounds<'_>) {
        if shape.count == 0 {
            self.problem(task.fault(Some(page), Fault::NoChildren));
        }
        let mut before = None;
        for index in 0..shape.count {
            match page::branch_row(bytes, index) {
                Ok((key, _)) => self.key(task, Some(page), index, key, &mut before, bounds),
                Err(fault) => self.problem(task.fault(Some(page), fault)),
            }
        }
    }

    /// Checks the rows of a leaf; nested buckets are queued.
    fn rows(
        &mut self,
        task: &Task,
        page: Option<u64>,
        bytes: &[u8],
        shape: Shape,
        bounds: Bounds<'_>,
        waiting: &mut Vec<Task>,
    ) {
        if !shape.leaf {
            self.problem(task.fault(page, Fault::WrongType { flags: page::BRANCH, wanted: "a leaf page" }));
            return;
        }
        let mut before = None;
        for index in 0..shape.count {
            let row = match page::leaf_row(bytes, index) {
                Ok(row) => row,
                Err(fault) => {
                    self.problem(task.fault(page, fault));
                    continue;
                }
            };
            self.key(task, page, index, row.key, &mut before, bounds);
            if row.flags & !IS_BUCKET != 0 {
                let fault = Fault::ElementFlags { index: wide(index), flags: row.flags };
                self.problem(task.fault(page, fault));
            }
            if task.depth == 1 && self.report.in_trees == 0 {
                (self.visit)(&task.path, row.shown());
            }
            if row.flags & IS_BUCKET == 0 {
                if task.depth == 0 {
                    self.problem(task.fault(page, Fault::NotABucket(wide(index))));
                }
                continue;
            }
            let path = if task.depth == 0 { row.key.to_vec() } else { [&task.path, row.key].join(&b'/') };
            match Bucket::parse(&path, row.value) {
                Err(error) => self.problem(error),
                Ok(_) if task.depth >= MAX_DEPTH => self.problem(task.fault(page, Fault::Depth(MAX_DEPTH))),
                Ok(bucket) => waiting.push(Task { path, depth: task.depth.saturating_add(1), rows: bucket.rows }),
            }
        }
    }

    /// Checks one key: its length, and its order among its neighbours and between its parent's keys.
    fn key<'k>(
        &mut self,
        task: &Task,
        page: Option<u64>,
        index: usize,
        key: &'k [u8],
        before: &mut Option<&'k [u8]>,
        (lower, upper): Bounds<'_>,
    ) {
        let at = wide(index);
        if key.is_empty() || key.len() > page::MAX_KEY {
            self.problem(task.fault(page, Fault::KeyLength(at)));
        }
        match before.replace(key) {
            Some(before) if before >= key => self.problem(task.fault(page, Fault::Order(at))),
            None if lower.is_some_and(|lower| key < lower) => self.problem(task.fault(page, Fault::BelowParent(at))),
            _ => {}
        }
        if upper.is_some_and(|upper| key >= upper) {
            self.problem(task.fault(page, Fault::AboveParent(at)));
        }
    }

    fn finish(mut self) -> Result<Report, Error> {
        self.report.reachable = self.seen.count();
        let not_in_use = self.report.pages.saturating_sub(self.report.reachable);
        let listed = !self.freed.0.is_empty() && self.report.free_list == FreeList::Sound;
        self.report.free = if listed { self.freed.count() } else { not_in_use };
        let all = self.report.pages;
        self.report.in_use = PageSet::from_words(std::mem::take(&mut self.seen.0));
        if (self.step)(all, all) { Ok(self.report) } else { Err(Error::Stopped) }
    }
}

/// Returns the parent's key for a page, and for the page after it.
type Bounds<'b> = (Option<&'b [u8]>, Option<&'b [u8]>);

/// Returns the current child and advances to the next one.
fn next_child(branch: &mut Branch) -> Result<Child, Fault> {
    let at = branch.at;
    branch.at = at.saturating_add(1);
    let (lower, child) = page::branch_row(&branch.bytes, at)?;
    let upper = if branch.at < branch.count {
        Some(page::branch_row(&branch.bytes, branch.at)?.0.to_vec())
    } else {
        branch.upper.clone()
    };
    Ok((child, Some(lower.to_vec()), upper))
}
