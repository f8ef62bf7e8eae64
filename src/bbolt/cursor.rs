//! Iterates over a bucket's rows in key order.
//!
//! A leaf page is read once, into memory that the next one reuses; the branch pages on the way to
//! it stay on a stack. A walk that reads more pages than the file has is in a cycle and fails.

use super::ReadAt;
use super::error::{Error, Fault};
use super::page::{self, Row, Shape};
use super::page_buffer::PageBuffer;
use super::read_tx::{Bucket, KeyValue, MAX_DEPTH, Rows, View};

/// A position among the rows of a bucket, forwards only. Keys are strictly increasing; otherwise an error names the element.
#[derive(Debug)]
pub struct Cursor<'v, R> {
    view: &'v View<R>,
    bucket: Bucket,
    branches: Vec<Branch>,
    spare: Vec<PageBuffer>,
    leaf: Leaf,
    state: State,
    /// The last key of the previous leaf, when the rows continue from it.
    before: Option<Vec<u8>>,
    /// Pages that this walk may still read.
    budget: u64,
}

#[derive(Debug)]
struct Branch {
    page: u64,
    bytes: PageBuffer,
    count: usize,
    at: usize,
}

#[derive(Debug, Default)]
struct Leaf {
    page: Option<u64>,
    bytes: PageBuffer,
    count: usize,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Inside,
    Done,
}

/// Direction of descent in a tree.
#[derive(Clone, Copy)]
enum Way<'k> {
    First,
    Last,
    Key(&'k [u8]),
}

impl<R: ReadAt> View<R> {
    /// Returns all top-level buckets with their names, in key order.
    pub fn buckets(&self) -> Result<Vec<(Vec<u8>, Bucket)>, Error> {
        let mut found = Vec::new();
        let root = self.root();
        let mut cursor = self.cursor(&root);
        while let Some(row) = cursor.next()? {
            if row.is_bucket {
                found.push((row.key.to_vec(), Bucket::parse(row.key, row.value)?));
            }
        }
        Ok(found)
    }

    /// Returns the bucket of this name, if it exists.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>, Error> {
        let mut cursor = self.cursor(&self.root());
        cursor.seek(name)?;
        match cursor.next()? {
            Some(row) if row.key == name && row.is_bucket => Bucket::parse(name, row.value).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns a cursor before the first row of a bucket.
    pub fn cursor(&self, bucket: &Bucket) -> Cursor<'_, R> {
        Cursor::new(self, bucket)
    }

    /// Returns the value of a key; `None` if there is no such row.
    pub fn get(&self, bucket: &Bucket, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut cursor = self.cursor(bucket);
        cursor.seek(key)?;
        Ok(cursor.next()?.filter(|row| row.key == key && !row.is_bucket).map(|row| row.value.to_vec()))
    }

    /// Returns the last row in key order; `None` if the bucket is empty.
    pub fn last(&self, bucket: &Bucket) -> Result<Option<KeyValue>, Error> {
        let mut cursor = self.cursor(bucket);
        if cursor.seek_last()? {
            return Ok(cursor.next()?.map(|row| (row.key.to_vec(), row.value.to_vec())));
        }
        // bbolt leaves no empty leaf at the end, but a file may have one: then only a walk finds the last row.
        let (mut cursor, mut last) = (self.cursor(bucket), None);
        while let Some(row) = cursor.next()? {
            let (key, value) = last.get_or_insert_with(|| (Vec::new(), Vec::new()));
            row.key.clone_into(key);
            row.value.clone_into(value);
        }
        Ok(last)
    }
}

impl<'v, R: ReadAt> Cursor<'v, R> {
    pub(super) fn new(view: &'v View<R>, bucket: &Bucket) -> Self {
        Self {
            view,
            bucket: bucket.clone(),
            branches: Vec::new(),
            spare: Vec::new(),
            leaf: Leaf::default(),
            state: State::Fresh,
            before: None,
            budget: 0,
        }
    }

    /// Returns the next row, or `None` after the last. After an error there are no more rows.
    #[allow(clippy::should_implement_trait, reason = "it lends, which Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, Error> {
        if self.state == State::Fresh {
            self.fused(|cursor| cursor.start(Way::First))?;
        }
        while self.state == State::Inside && self.leaf.at >= self.leaf.count {
            self.fused(Self::next_leaf)?;
        }
        if self.state == State::Done {
            return Ok(None);
        }
        let at = self.leaf.at;
        self.leaf.at = at.saturating_add(1);
        self.fused(|cursor| cursor.in_order(at))?;
        let row = page::leaf_row(&self.leaf.bytes, at).map_err(|fault| place(&self.leaf, &self.bucket, fault))?;
        Ok(Some(row.shown()))
    }

    /// Moves before the first row whose key is not less than `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<(), Error> {
        self.fused(|cursor| cursor.start(Way::Key(key)))
    }

    /// Moves before the last row; returns false if the last leaf is empty.
    pub(super) fn seek_last(&mut self) -> Result<bool, Error> {
        self.fused(|cursor| cursor.start(Way::Last))?;
        Ok(self.leaf.count > 0)
    }

    /// Runs `step`; an error ends the walk for good.
    fn fused(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        step(self).inspect_err(|_| self.state = State::Done)
    }

    fn start(&mut self, way: Way<'_>) -> Result<(), Error> {
        self.spare.extend(self.branches.drain(..).map(|branch| branch.bytes));
        self.before = None;
        self.budget = self.view.meta().hwm;
        self.state = State::Inside;
        match &self.bucket.rows {
            Rows::Tree(page) => self.descend(*page, way),
            Rows::Inline(image) => {
                self.leaf.bytes.reset(image.len());
                self.leaf.bytes.copy_from_slice(image);
                let shape = page::shape(image).map_err(|fault| Error::in_bucket(&self.bucket.name, fault))?;
                self.leaf.page = None;
                self.enter_leaf(shape, way)
            }
        }
    }

    /// Descends from `page` to a leaf.
    fn descend(&mut self, mut page: u64, way: Way<'_>) -> Result<(), Error> {
        loop {
            if self.branches.len() >= MAX_DEPTH {
                return Err(Error::at(page, &self.bucket.name, Fault::Depth(MAX_DEPTH)));
            }
            let mut bytes = self.spare.pop().unwrap_or_default();
            let shape = self.view.load(page, &self.bucket.name, &mut bytes)?;
            let pages = page::wide(bytes.len()).checked_div(u64::from(self.view.page_size())).unwrap_or(1);
            let fail = |fault| Error::at(page, &self.bucket.name, fault);
            self.budget = self.budget.checked_sub(pages).ok_or_else(|| fail(Fault::Endless))?;
            if shape.leaf {
                self.spare.push(std::mem::replace(&mut self.leaf.bytes, bytes));
                self.leaf.page = Some(page);
                return self.enter_leaf(shape, way);
            }
            let last = shape.count.checked_sub(1).ok_or_else(|| fail(Fault::NoChildren))?;
            let at = match way {
                Way::First => 0,
                Way::Last => last,
                Way::Key(key) => page::child_for(&bytes, shape, key).map_err(fail)?,
            };
            let (_, child) = page::branch_row(&bytes, at).map_err(fail)?;
            self.branches.push(Branch { page, bytes, count: shape.count, at });
            page = child;
        }
    }

    fn enter_leaf(&mut self, shape: Shape, way: Way<'_>) -> Result<(), Error> {
        let leaf = &mut self.leaf;
        leaf.count = shape.count;
        leaf.at = match way {
            Way::First => 0,
            Way::Last => shape.count.saturating_sub(1),
            Way::Key(key) => {
                page::lower_bound(&leaf.bytes, shape, key).map_err(|fault| place(leaf, &self.bucket, fault))?
            }
        };
        Ok(())
    }

    /// Moves to the leaf after the current one, or to the end.
    fn next_leaf(&mut self) -> Result<(), Error> {
        if let Some(last) = self.leaf.count.checked_sub(1) {
            let row = page::leaf_row(&self.leaf.bytes, last).map_err(|fault| place(&self.leaf, &self.bucket, fault))?;
            row.key.clone_into(self.before.get_or_insert_default());
        }
        while let Some(mut branch) = self.branches.pop() {
            branch.at = branch.at.saturating_add(1);
            if branch.at >= branch.count {
                self.spare.push(branch.bytes);
                continue;
            }
            let (_, child) = page::branch_row(&branch.bytes, branch.at)
                .map_err(|fault| Error::at(branch.page, &self.bucket.name, fault))?;
            self.branches.push(branch);
            return self.descend(child, Way::First);
        }
        self.state = State::Done;
        Ok(())
    }

    /// Checks that row `at` of the leaf is greater than the row before it.
    fn in_order(&mut self, at: usize) -> Result<(), Error> {
        let fail = |fault| place(&self.leaf, &self.bucket, fault);
        let key = page::leaf_row(&self.leaf.bytes, at).map_err(fail)?.key;
        let before = match at.checked_sub(1) {
            Some(before) => Some(page::leaf_row(&self.leaf.bytes, before).map_err(fail)?.key),
            None => self.before.as_deref(),
        };
        if before.is_some_and(|before| before >= key) { Err(fail(Fault::Order(page::wide(at)))) } else { Ok(()) }
    }
}

fn place(leaf: &Leaf, bucket: &Bucket, fault: Fault) -> Error {
    match leaf.page {
        Some(page) => Error::at(page, &bucket.name, fault),
        None => Error::in_bucket(&bucket.name, fault),
    }
}
