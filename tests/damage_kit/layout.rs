//! What is where in a whole bbolt file, read by the format's description and nothing of ours: the damages aim by it.

use super::{u16_at, u32_at, u64_at};

/// What a byte is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nothing: free pages, the rest of a page.
    Unused,
    /// Header and body of a meta page.
    Meta,
    /// A page's header.
    Header,
    /// An element of a leaf's table.
    LeafElement,
    /// An element of a branch's table.
    BranchElement,
    /// A key in a branch.
    BranchKey,
    /// A bucket's name.
    BucketName,
    /// Root page and sequence number of a bucket.
    BucketHeader,
    /// The same three inside an inline bucket.
    InlineHeader,
    /// An element of an inline bucket's table.
    InlineElement,
    /// A row's key.
    RowKey,
    /// A row's value.
    RowValue,
    /// The list of free pages.
    Freelist,
}

/// A page image: one of the file's pages, or an inline bucket's.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its number; none for an inline page.
    pub id: Option<u64>,
    /// Where its header begins.
    pub at: usize,
    /// `branch`, `leaf`, `freelist`, `inline`.
    pub kind: &'static str,
    /// Its elements.
    pub count: usize,
    /// Bytes to its end, overflow included; an inline page ends with its last row.
    pub size: usize,
    /// Whose it is; empty for the list of buckets.
    pub bucket: String,
    /// The page above it.
    pub parent: Option<u64>,
}

/// A bucket's header in the list of buckets.
#[derive(Debug, Clone)]
pub struct Root {
    /// The bucket.
    pub bucket: String,
    /// Where its root page's number stands.
    pub at: usize,
    /// That number; 0 for an inline bucket.
    pub page: u64,
}

/// What is where.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Bytes per page.
    pub page_size: usize,
    /// Pages in the file.
    pub hwm: u64,
    /// All page images in use.
    pub pages: Vec<Page>,
    /// Headers of buckets.
    pub roots: Vec<Root>,
    /// One for each byte.
    pub roles: Vec<Role>,
}

impl Layout {
    /// Reads a whole file.
    pub fn read(body: &[u8]) -> Layout {
        let page_size = u32_at(body, 24) as usize;
        let newer = if u64_at(body, page_size + 64) > u64_at(body, 64) { page_size } else { 0 };
        let mut layout = Layout {
            page_size,
            hwm: u64_at(body, newer + 16 + 40),
            roles: vec![Role::Unused; body.len()],
            ..Layout::default()
        };
        for meta in [0, page_size] {
            layout.roles[meta..meta + 80].fill(Role::Meta);
        }
        let freelist = u64_at(body, newer + 16 + 32);
        if freelist != u64::MAX {
            let at = freelist as usize * page_size;
            let count = u16_at(body, at + 10) as usize;
            let listed = if count == 0xffff { u64_at(body, at + 16) as usize + 1 } else { count };
            layout.roles[at..at + 16].fill(Role::Header);
            layout.roles[at + 16..at + 16 + 8 * listed].fill(Role::Freelist);
            let size = page_size * (1 + u32_at(body, at + 12) as usize);
            let page =
                Page { id: Some(freelist), at, kind: "freelist", count, size, bucket: String::new(), parent: None };
            layout.pages.push(page);
        }
        layout.tree(body, u64_at(body, newer + 16 + 16), "", None);
        layout
    }

    /// Pages (not inline ones) in use, by number.
    pub fn live(&self) -> Vec<u64> {
        self.pages.iter().filter_map(|page| page.id).collect()
    }

    /// The page with this number.
    pub fn page(&self, id: u64) -> &Page {
        self.pages.iter().find(|page| page.id == Some(id)).unwrap()
    }

    /// Numbers of pages that nothing refers to.
    pub fn free(&self) -> Vec<u64> {
        let mut used: Vec<u64> = vec![0, 1];
        for page in self.pages.iter().filter(|page| page.id.is_some()) {
            used.extend((0..page.size / self.page_size).map(|n| page.id.unwrap() + n as u64));
        }
        (0..self.hwm).filter(|id| !used.contains(id)).collect()
    }

    fn tree(&mut self, body: &[u8], id: u64, bucket: &str, parent: Option<u64>) {
        let at = id as usize * self.page_size;
        let leaf = u16_at(body, at + 8) == 2;
        let size = self.page_size * (1 + u32_at(body, at + 12) as usize);
        let kind = if leaf { "leaf" } else { "branch" };
        let count = u16_at(body, at + 10) as usize;
        self.pages.push(Page { id: Some(id), at, kind, count, size, bucket: bucket.into(), parent });
        self.roles[at..at + 16].fill(Role::Header);
        if leaf {
            self.rows(body, at, bucket, Role::LeafElement);
            return;
        }
        for n in 0..count {
            let element = at + 16 + 16 * n;
            self.roles[element..element + 16].fill(Role::BranchElement);
            let key = element + u32_at(body, element) as usize;
            self.roles[key..key + u32_at(body, element + 4) as usize].fill(Role::BranchKey);
            self.tree(body, u64_at(body, element + 8), bucket, Some(id));
        }
    }

    /// The elements of the leaf at `at`; returns where its last row ends.
    fn rows(&mut self, body: &[u8], at: usize, bucket: &str, element_role: Role) -> usize {
        let mut end = at + 16;
        for n in 0..u16_at(body, at + 10) as usize {
            let element = at + 16 + 16 * n;
            self.roles[element..element + 16].fill(element_role);
            let key = element + u32_at(body, element + 4) as usize;
            let value = key + u32_at(body, element + 8) as usize;
            end = value + u32_at(body, element + 12) as usize;
            if u32_at(body, element) == 0 {
                self.roles[key..value].fill(Role::RowKey);
                self.roles[value..end].fill(Role::RowValue);
                continue;
            }
            let name = String::from_utf8(body[key..value].to_vec()).unwrap();
            self.roles[key..value].fill(Role::BucketName);
            self.roles[value..value + 16].fill(Role::BucketHeader);
            let page = u64_at(body, value);
            self.roots.push(Root { bucket: name.clone(), at: value, page });
            if page != 0 {
                self.tree(body, page, &name, None);
                continue;
            }
            let image = value + 16;
            self.roles[image..image + 16].fill(Role::InlineHeader);
            let size = self.rows(body, image, &name, Role::InlineElement).max(end) - image;
            let count = u16_at(body, image + 10) as usize;
            let page = Page { id: None, at: image, kind: "inline", count, size, bucket: name, parent: None };
            self.pages.push(page);
        }
        let _ = bucket;
        end.max(at + 16 + 16 * u16_at(body, at + 10) as usize)
    }
}
