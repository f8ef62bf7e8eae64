//! Changes a file copy-on-write: what a bbolt commit does, in the simplest valid way.
//!
//! Changed nodes live in memory until [`Edit::commit`] appends them after the high-water mark.
//! No page in use, nor a free one, is ever overwritten: until the new meta page is on disk the
//! file is unchanged. The freelist is dropped, which is how etcd itself opens its
//! files: bbolt finds the free pages by walking the tree when it opens the file.

use super::error::{Error, Fault};
use super::meta::{Meta, NO_FREELIST};
use super::page::{self, ELEMENT, HEADER, IS_BUCKET, wide};
use super::page_buffer::PageBuffer;
use super::page_writer::{ChildRef, Pack, Pages, bucket_header, check_row, fits_inline};
use super::read_tx::{Bucket, MAX_DEPTH, Rows, View};
use super::{ReadAt, WriteAt};
use std::collections::BTreeMap;

/// A set of changes to one file, made by [`Edit::commit`] all at once or not at all.
///
/// Damage in the parts that it reads is an error; other parts are not read, so run [`super::check()`] first.
#[derive(Debug)]
pub struct Edit<F> {
    view: View<F>,
    /// The root bucket; the values of opened buckets are updated by the commit.
    root: Node,
    opened: BTreeMap<Vec<u8>, Opened>,
    changed: bool,
}

#[derive(Debug)]
struct Opened {
    sequence: u64,
    tree: Node,
}

/// A part of a tree: not read, or read to be changed.
#[derive(Debug)]
enum Node {
    Page(u64),
    Leaf(Vec<Item>),
    Branch(Vec<(Vec<u8>, Node)>),
}

#[derive(Debug)]
struct Item {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<F: ReadAt + WriteAt> Edit<F> {
    /// Opens a file for changes. It may not be open anywhere else, and its end must be a page's end: the hash after
    /// a snapshot's pages must be removed first. Fails as [`View::open`] does.
    pub fn begin(file: F) -> Result<Self, Error> {
        let view = View::open(file)?;
        let root = Node::Page(view.meta().root);
        Ok(Self { view, root, opened: BTreeMap::new(), changed: false })
    }

    /// Returns the file without the changes.
    pub fn before(&self) -> &View<F> {
        &self.view
    }

    /// Sets a row. Fails if there is no such bucket, or the key is a nested bucket, empty or too long.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        check_row(bucket, key, value)?;
        let items = self.leaf_for(bucket, key)?;
        match find(items, key) {
            Ok(item) if item.flags & IS_BUCKET != 0 => {
                return Err(Error::refused(bucket, "the key is a nested bucket"));
            }
            Ok(item) => value.clone_into(&mut item.value),
            Err(at) => items.insert(at, Item { flags: 0, key: key.to_vec(), value: value.to_vec() }),
        }
        Ok(())
    }

    /// Removes a row; false if there was none. Fails if there is no such bucket or the key is a nested bucket.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) -> Result<bool, Error> {
        let items = self.leaf_for(bucket, key)?;
        match items.binary_search_by(|item| item.key.as_slice().cmp(key)) {
            Ok(at) if items.get(at).is_some_and(|item| item.flags & IS_BUCKET != 0) => {
                Err(Error::refused(bucket, "the key is a nested bucket"))
            }
            Ok(at) => {
                items.remove(at);
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    /// Creates an empty bucket; an existing one is left unchanged.
    pub fn create_bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        check_row(name, name, b"")?;
        let items = open_leaf(&self.view, b"", &mut self.root, name)?;
        match find(items, name) {
            Ok(item) if item.flags & IS_BUCKET != 0 => Ok(()),
            Ok(_) => Err(Error::refused(name, "a row of this name exists that is not a bucket")),
            Err(at) => {
                let value = Pack::new(true).inline_bucket(0);
                items.insert(at, Item { flags: IS_BUCKET, key: name.to_vec(), value });
                self.changed = true;
                Ok(())
            }
        }
    }

    /// Removes a bucket with its rows; false if there was none.
    pub fn delete_bucket(&mut self, name: &[u8]) -> Result<bool, Error> {
        let items = open_leaf(&self.view, b"", &mut self.root, name)?;
        match items.binary_search_by(|item| item.key.as_slice().cmp(name)) {
            Ok(at) if items.get(at).is_some_and(|item| item.flags & IS_BUCKET == 0) => {
                Err(Error::refused(name, "a row of this name exists that is not a bucket"))
            }
            Ok(at) => {
                items.remove(at);
                self.opened.remove(name);
                self.changed = true;
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    /// Removes all rows of a bucket. Fails if there is no such bucket.
    pub fn clear_bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        self.open(name)?.tree = Node::Leaf(Vec::new());
        Ok(())
    }

    /// Commits the changes: pages, sync, meta page, sync. After an error the file is unchanged, except for
    /// bytes after its pages, unless only the last sync failed. Without changes nothing is written.
    pub fn commit(self) -> Result<(), Error> {
        let Self { view, mut root, opened, changed } = self;
        if !changed {
            return Ok(());
        }
        let meta = next_meta(&view)?;
        let pages = Pages::new(view.source(), view.page_size(), meta.hwm);
        let mut spill = Spill { view: &view, pages, budget: meta.hwm };
        for (name, bucket) in opened {
            let value = spill.bucket(&name, bucket)?;
            let items = open_leaf(&view, b"", &mut root, &name)?;
            let row = find(items, &name).map_err(|_| Error::refused(&name, "its row is missing"))?;
            row.value = value;
        }
        let root = spill.tree(b"", root)?;
        let (file, hwm) = spill.pages.finish()?;
        let sync = |offset| move |source| Error::Write { offset, source };
        file.sync_data().map_err(sync(view.used_bytes()))?;
        let meta = Meta { root, hwm, freelist: NO_FREELIST, ..meta };
        let page = meta.txid & 1;
        let offset = page.saturating_mul(u64::from(meta.page_size));
        file.write_all_at(&meta.encode(page), offset).map_err(|source| Error::Write { offset, source })?;
        file.sync_data().map_err(sync(offset))
    }

    /// The leaf of a bucket where `key` is or belongs, to be changed.
    fn leaf_for(&mut self, bucket: &[u8], key: &[u8]) -> Result<&mut Vec<Item>, Error> {
        self.open(bucket)?;
        match self.opened.get_mut(bucket) {
            Some(opened) => open_leaf(&self.view, bucket, &mut opened.tree, key),
            None => Err(Error::refused(bucket, "bucket not found")),
        }
    }

    /// The bucket, to be changed.
    fn open(&mut self, name: &[u8]) -> Result<&mut Opened, Error> {
        if !self.opened.contains_key(name) {
            let items = open_leaf(&self.view, b"", &mut self.root, name)?;
            let row = find(items, name).ok().filter(|item| item.flags & IS_BUCKET != 0);
            let row = row.ok_or_else(|| Error::refused(name, "bucket not found"))?;
            let bucket = Bucket::parse(name, &row.value)?;
            let tree = match bucket.rows {
                Rows::Tree(page) => Node::Page(page),
                Rows::Inline(image) => {
                    let shape = page::shape(&image).map_err(|fault| Error::in_bucket(name, fault))?;
                    read_node(&image, shape).map_err(|fault| Error::in_bucket(name, fault))?
                }
            };
            self.opened.insert(name.to_vec(), Opened { sequence: bucket.sequence, tree });
        }
        self.changed = true;
        self.opened.get_mut(name).ok_or_else(|| Error::refused(name, "bucket not found"))
    }
}

/// The meta page to be written, its root and mark still those of the last one.
///
/// bbolt writes to page `txid % 2`. If that were the page in use and the other one did not say the same, a torn write
/// would leave none: then the number after next is taken, which has the other page.
fn next_meta<F: ReadAt>(view: &View<F>) -> Result<Meta, Error> {
    let meta = *view.meta();
    let [first, second] = view.metas();
    let (in_use, other) =
        if first.as_ref().is_ok_and(|first| first.txid == meta.txid) { (0, second) } else { (1, first) };
    let as_good = other.as_ref().is_ok_and(|other| other.root == meta.root && other.hwm == meta.hwm);
    let plain = meta.txid.checked_add(1);
    let next = if as_good { plain } else { plain.filter(|txid| txid & 1 != in_use).or(meta.txid.checked_add(2)) };
    let txid = next.ok_or_else(|| Error::at(in_use, b"", Fault::Txid))?;
    Ok(Meta { txid, ..meta })
}

fn find<'i>(items: &'i mut [Item], key: &[u8]) -> Result<&'i mut Item, usize> {
    let at = items.binary_search_by(|item| item.key.as_slice().cmp(key))?;
    let end = items.len();
    items.get_mut(at).ok_or(end)
}

/// The leaf where `key` is or belongs; the nodes down to it are read and will be rewritten.
fn open_leaf<'n, F: ReadAt>(
    view: &View<F>,
    bucket: &[u8],
    mut node: &'n mut Node,
    key: &[u8],
) -> Result<&'n mut Vec<Item>, Error> {
    let mut budget = view.used_bytes();
    let mut page = 0;
    for _ in 0..MAX_DEPTH {
        if let Node::Page(id) = node {
            page = *id;
            let mut bytes = PageBuffer::default();
            let shape = view.load(page, bucket, &mut bytes)?;
            let fail = |fault| Error::at(page, bucket, fault);
            budget = budget.checked_sub(wide(bytes.len())).ok_or_else(|| fail(Fault::Endless))?;
            *node = read_node(&bytes, shape).map_err(fail)?;
        }
        match node {
            Node::Leaf(items) => return Ok(items),
            Node::Branch(children) => {
                let at = children.partition_point(|(first, _)| first.as_slice() <= key).saturating_sub(1);
                let child = children.get_mut(at).ok_or_else(|| Error::at(page, bucket, Fault::NoChildren))?;
                node = &mut child.1;
            }
            Node::Page(_) => break,
        }
    }
    Err(Error::at(page, bucket, Fault::Depth(MAX_DEPTH)))
}

/// A page's elements, whose order is checked since they are searched by binary search.
fn read_node(bytes: &[u8], shape: page::Shape) -> Result<Node, Fault> {
    let mut before: Option<&[u8]> = None;
    let mut in_order = |index: usize, key| {
        let fine = before.is_none_or(|before| before < key);
        before = Some(key);
        if fine { Ok(()) } else { Err(Fault::Order(wide(index))) }
    };
    if shape.leaf {
        let mut items = Vec::with_capacity(shape.count);
        for index in 0..shape.count {
            let row = page::leaf_row(bytes, index)?;
            in_order(index, row.key)?;
            items.push(Item { flags: row.flags, key: row.key.to_vec(), value: row.value.to_vec() });
        }
        return Ok(Node::Leaf(items));
    }
    let mut children = Vec::with_capacity(shape.count);
    for index in 0..shape.count {
        let (key, child) = page::branch_row(bytes, index)?;
        in_order(index, key)?;
        children.push((key.to_vec(), Node::Page(child)));
    }
    Ok(Node::Branch(children))
}

/// Writes changed nodes.
struct Spill<'v, F> {
    view: &'v View<F>,
    pages: Pages<&'v F>,
    /// Pages that may still be read to gather leaves.
    budget: u64,
}

impl<F: ReadAt + WriteAt> Spill<'_, F> {
    /// Writes a bucket's tree; returns its value in the root bucket. Small ones are stored inline by bbolt's rule.
    fn bucket(&mut self, name: &[u8], bucket: Opened) -> Result<Vec<u8>, Error> {
        if let Node::Leaf(items) = &bucket.tree {
            let pack = packed(items);
            let nested = items.iter().any(|item| item.flags & IS_BUCKET != 0);
            if !nested && fits_inline(pack.size(), self.pages.page_size()) {
                return Ok(pack.inline_bucket(bucket.sequence));
            }
        }
        // A tree that lost all its rows has no page of its own any more.
        if self.at_least(&bucket.tree) == 0 {
            return Ok(Pack::new(true).inline_bucket(bucket.sequence));
        }
        Ok(bucket_header(self.tree(name, bucket.tree)?, bucket.sequence))
    }

    /// Writes the changed nodes of a tree and returns its root page.
    fn tree(&mut self, bucket: &[u8], tree: Node) -> Result<u64, Error> {
        let entries = match tree {
            Node::Page(id) => return Ok(id),
            // A branch with one child left cannot be written, see `branch_groups`. That is rare, so all branches are
            // then rebuilt over the existing leaves.
            Node::Branch(children) if children.iter().any(|(_, child)| self.lonely(child)) => {
                let mut leaves = Vec::new();
                self.leaves(bucket, Vec::new(), Node::Branch(children), 0, &mut leaves)?;
                leaves
            }
            Node::Branch(children) => self.children(children)?,
            Node::Leaf(items) => self.leaf(&items)?,
        };
        self.pages.append_roof(entries)
    }

    /// Whether there is a branch in `node` that would be written with a single child.
    fn lonely(&self, node: &Node) -> bool {
        let Node::Branch(children) = node else { return false };
        let left = children.iter().map(|(_, child)| self.at_least(child)).fold(0usize, usize::saturating_add);
        left == 1 || children.iter().any(|(_, child)| self.lonely(child))
    }

    /// How many pages `node` will be at least, counting only its own level.
    fn at_least(&self, node: &Node) -> usize {
        match node {
            Node::Page(_) => 1,
            Node::Leaf(items) => leaf_groups(items, self.pages.page_size()).count(),
            Node::Branch(children) => usize::from(children.iter().any(|(_, child)| self.at_least(child) > 0)),
        }
    }

    /// Writes the changed nodes below a branch and returns the entries of that branch.
    fn children(&mut self, children: Vec<(Vec<u8>, Node)>) -> Result<Vec<ChildRef>, Error> {
        let mut entries = Vec::new();
        for (key, child) in children {
            match child {
                Node::Page(id) => entries.push((key, id)),
                Node::Leaf(items) => entries.extend(self.leaf(&items)?),
                Node::Branch(below) => {
                    let below = self.children(below)?;
                    entries.extend(self.pages.append_branches(&below)?);
                }
            }
        }
        Ok(entries)
    }

    /// Writes the rows of a leaf to as many pages as needed; no page if there are no rows.
    fn leaf(&mut self, items: &[Item]) -> Result<Vec<ChildRef>, Error> {
        let mut entries = Vec::new();
        for group in leaf_groups(items, self.pages.page_size()) {
            let pack = packed(group);
            entries.push((pack.first_key(), self.pages.append(&pack)?));
        }
        Ok(entries)
    }

    /// Gathers all leaves below `node`, writing the changed ones.
    fn leaves(
        &mut self,
        bucket: &[u8],
        key: Vec<u8>,
        node: Node,
        depth: usize,
        found: &mut Vec<ChildRef>,
    ) -> Result<(), Error> {
        match node {
            Node::Leaf(items) => found.extend(self.leaf(&items)?),
            Node::Branch(children) => {
                for (key, child) in children {
                    self.leaves(bucket, key, child, depth.saturating_add(1), found)?;
                }
            }
            Node::Page(id) => {
                let fail = |fault| Error::at(id, bucket, fault);
                if depth >= MAX_DEPTH {
                    return Err(fail(Fault::Depth(MAX_DEPTH)));
                }
                self.budget = self.budget.checked_sub(1).ok_or_else(|| fail(Fault::Endless))?;
                let mut bytes = PageBuffer::default();
                let shape = self.view.load(id, bucket, &mut bytes)?;
                if shape.leaf {
                    found.push((key, id));
                } else {
                    let node = read_node(&bytes, shape).map_err(fail)?;
                    drop(bytes);
                    self.leaves(bucket, key, node, depth.saturating_add(1), found)?;
                }
            }
        }
        Ok(())
    }
}

fn packed(items: &[Item]) -> Pack {
    let mut pack = Pack::new(true);
    for item in items {
        pack.push_row(item.flags, &item.key, &item.value);
    }
    pack
}

/// Splits rows into runs that fill a page each; a row that is larger than a page has its own.
fn leaf_groups(items: &[Item], page_size: usize) -> impl Iterator<Item = &[Item]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut size = HEADER;
        let fits = rest.iter().take_while(|item| {
            size = size.saturating_add(ELEMENT).saturating_add(item.key.len()).saturating_add(item.value.len());
            size <= page_size
        });
        let count = fits.count().max(1).min(rest.len());
        let (group, more) = rest.split_at_checked(count)?;
        rest = more;
        (!group.is_empty()).then_some(group)
    })
}
