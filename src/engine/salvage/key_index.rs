//! The live keys of the store that a log is replayed into, in order, each with what etcd's own index knows of it.
//!
//! Keys of one application begin alike, and millions of them must fit in memory: so they are kept in small blocks, sorted, each
//! key without what it has in common with the one before it, followed by its numbers in as few bytes as they need.

use std::cmp::Ordering;

/// A row of bucket `key`: its revision, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowRef {
    /// The revision.
    pub main: i64,
    /// The change inside it.
    pub sub: i64,
    /// One more than its offset among the rows that the replay made; 0 for a row of the database that it began from.
    pub place: u64,
}

/// What is known of a live key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// The revision at which it was created.
    pub create: i64,
    /// How often it was changed since, the creation included.
    pub version: i64,
    /// Its lease, 0 for none.
    pub lease: i64,
    /// Its newest row.
    pub row: RowRef,
}

/// Bytes at which a block is divided.
const BLOCK_BYTES: usize = 1536;

/// All live keys.
#[derive(Debug, Default)]
pub struct KeyIndex {
    /// Never empty ones, in the order of their keys.
    blocks: Vec<Box<[u8]>>,
    count: u64,
}

/// One entry of a block while it is read.
#[derive(Debug)]
struct Entry {
    /// Where the entry begins and ends.
    start: usize,
    numbers: usize,
    end: usize,
    live: Live,
}

impl KeyIndex {
    /// Returns how many keys are alive.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the bytes of memory that the keys take.
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| (block.len() as u64).saturating_add(24)).fold(0, u64::saturating_add)
    }

    /// Returns what is known of a key.
    pub fn get(&self, key: &[u8]) -> Option<Live> {
        let mut cursor = Cursor::new(self.blocks.get(self.block(key)?)?);
        while let Some(entry) = cursor.next() {
            match cursor.key.as_slice().cmp(key) {
                Ordering::Less => {}
                Ordering::Equal => return Some(entry.live),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// Sets what is known of a key; returns what was known before.
    pub fn insert(&mut self, key: &[u8], live: Live) -> Option<Live> {
        let Some(at) = self.block(key) else {
            self.blocks.push(encode(b"", key, live).into_boxed_slice());
            self.count = self.count.saturating_add(1);
            return None;
        };
        let block = self.blocks.get(at)?;
        let mut cursor = Cursor::new(block);
        // The key before the place, and the first entry from the place on.
        let mut before = Vec::new();
        let (mut replaced, mut next) = (None, None);
        while let Some(entry) = cursor.next() {
            match cursor.key.as_slice().cmp(key) {
                Ordering::Less => cursor.key.clone_into(&mut before),
                Ordering::Equal => {
                    replaced = Some(entry);
                    break;
                }
                Ordering::Greater => {
                    next = Some(entry);
                    break;
                }
            }
        }
        let mut new = Vec::with_capacity(block.len().saturating_add(key.len()).saturating_add(48));
        let old = match (&replaced, &next) {
            (Some(entry), _) => {
                new.extend_from_slice(block.get(..entry.numbers)?);
                numbers(&mut new, live);
                new.extend_from_slice(block.get(entry.end..)?);
                Some(entry.live)
            }
            (None, Some(entry)) => {
                new.extend_from_slice(block.get(..entry.start)?);
                new.extend(encode(&before, key, live));
                // What follows may now have more in common with the key before it.
                new.extend(encode(key, &cursor.key, entry.live));
                new.extend_from_slice(block.get(entry.end..)?);
                None
            }
            (None, None) => {
                new.extend_from_slice(block);
                new.extend(encode(&before, key, live));
                None
            }
        };
        self.put(at, new);
        self.count = self.count.saturating_add(old.is_none().into());
        old
    }

    /// Removes a key; returns what was known of it.
    pub fn remove(&mut self, key: &[u8]) -> Option<Live> {
        let at = self.block(key)?;
        let block = self.blocks.get(at)?;
        let (mut cursor, mut before) = (Cursor::new(block), Vec::new());
        let found = loop {
            let entry = cursor.next()?;
            match cursor.key.as_slice().cmp(key) {
                Ordering::Less => cursor.key.clone_into(&mut before),
                Ordering::Equal => break entry,
                Ordering::Greater => return None,
            }
        };
        let mut new = block.get(..found.start)?.to_vec();
        if let Some(next) = cursor.next() {
            new.extend(encode(&before, &cursor.key, next.live));
            new.extend_from_slice(block.get(next.end..)?);
        }
        if new.is_empty() {
            self.blocks.remove(at);
        } else {
            self.put(at, new);
        }
        self.count = self.count.saturating_sub(1);
        Some(found.live)
    }

    /// Returns up to `most` keys from `from` on that are less than `end`, if there is one, in order.
    pub fn range(&self, from: &[u8], end: Option<&[u8]>, most: usize) -> Vec<(Vec<u8>, Live)> {
        let mut found = Vec::new();
        let first = self.block(from).unwrap_or(0);
        for block in self.blocks.get(first..).unwrap_or_default() {
            let mut cursor = Cursor::new(block);
            while let Some(entry) = cursor.next() {
                if cursor.key.as_slice() < from {
                    continue;
                }
                if found.len() >= most || end.is_some_and(|end| cursor.key.as_slice() >= end) {
                    return found;
                }
                found.push((cursor.key.clone(), entry.live));
            }
        }
        found
    }

    /// The block where `key` is or belongs; `None` without any block.
    fn block(&self, key: &[u8]) -> Option<usize> {
        let after = self.blocks.partition_point(|block| first_key(block) <= key);
        (!self.blocks.is_empty()).then_some(after.saturating_sub(1))
    }

    /// Replaces a block, by two where it became large.
    fn put(&mut self, at: usize, new: Vec<u8>) {
        let mut split = None;
        if new.len() > BLOCK_BYTES {
            let mut cursor = Cursor::new(&new);
            // Keys that come in order fill blocks to nine tenths: the last block of all is divided at its end.
            let last = at.saturating_add(1) == self.blocks.len();
            let middle = if last { (new.len() / 10).saturating_mul(9) } else { new.len() / 2 };
            while let Some(entry) = cursor.next() {
                if entry.start > 0 && entry.end >= middle {
                    let mut second = encode(b"", &cursor.key, entry.live);
                    second.extend_from_slice(new.get(entry.end..).unwrap_or_default());
                    split = Some((entry.start, second));
                    break;
                }
            }
        }
        match split {
            None => {
                if let Some(place) = self.blocks.get_mut(at) {
                    *place = new.into_boxed_slice();
                }
            }
            Some((length, second)) => {
                if let Some(place) = self.blocks.get_mut(at) {
                    *place = new.get(..length).unwrap_or_default().into();
                }
                self.blocks.insert(at.saturating_add(1), second.into_boxed_slice());
            }
        }
    }
}

/// The first key of a block, which has nothing left out.
fn first_key(block: &[u8]) -> &[u8] {
    let mut rest = block;
    varint(&mut rest);
    let length = varint(&mut rest) as usize;
    rest.get(..length).unwrap_or_default()
}

/// Walks over a block.
struct Cursor<'b> {
    block: &'b [u8],
    at: usize,
    key: Vec<u8>,
}

impl<'b> Cursor<'b> {
    fn new(block: &'b [u8]) -> Cursor<'b> {
        Cursor { block, at: 0, key: Vec::new() }
    }

    /// Moves to the next entry, whose key is then in `key`.
    fn next(&mut self) -> Option<Entry> {
        let start = self.at;
        let mut rest = self.block.get(start..).filter(|rest| !rest.is_empty())?;
        let shared = varint(&mut rest) as usize;
        let length = varint(&mut rest) as usize;
        let (own, mut rest) = rest.split_at_checked(length)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        let numbers = self.block.len().saturating_sub(rest.len());
        let mut number = || varint(&mut rest);
        let (create, version, lease) = (number().cast_signed(), number().cast_signed(), number().cast_signed());
        let row = RowRef { main: number().cast_signed(), sub: number().cast_signed(), place: number() };
        self.at = self.block.len().saturating_sub(rest.len());
        Some(Entry { start, numbers, end: self.at, live: Live { create, version, lease, row } })
    }
}

fn encode(before: &[u8], key: &[u8], live: Live) -> Vec<u8> {
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    let own = key.get(shared..).unwrap_or_default();
    let mut out = Vec::with_capacity(own.len().saturating_add(40));
    put_varint(&mut out, shared as u64);
    put_varint(&mut out, own.len() as u64);
    out.extend_from_slice(own);
    numbers(&mut out, live);
    out
}

fn numbers(out: &mut Vec<u8>, live: Live) {
    for number in [live.create, live.version, live.lease, live.row.main, live.row.sub] {
        put_varint(out, number.cast_unsigned());
    }
    put_varint(out, live.row.place);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let Some((byte, more)) = rest.split_first() else { break };
        *rest = more;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn live(n: u64) -> Live {
        let n = n.cast_signed();
        Live { create: n, version: 1, lease: -n, row: RowRef { main: n, sub: 3, place: n.cast_unsigned() } }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Any sequence of changes leaves what a map would hold.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0u8..4, 0usize..300, any::<u64>()), 0..800), long: bool) {
            let name = |n: usize| -> Vec<u8> {
                let pad = if long { "x".repeat(n % 90) } else { String::new() };
                if n == 0 { Vec::new() } else { format!("/registry/{}/{pad}{n}", n % 7).into_bytes() }
            };
            let (mut index, mut map) = (KeyIndex::default(), BTreeMap::new());
            for (what, n, number) in steps {
                let key = name(n);
                match what {
                    0 => prop_assert_eq!(index.remove(&key), map.remove(&key)),
                    _ => prop_assert_eq!(index.insert(&key, live(number)), map.insert(key, live(number))),
                }
            }
            prop_assert_eq!(index.count(), map.len() as u64);
            for n in 0..300 {
                prop_assert_eq!(index.get(&name(n)), map.get(&name(n)).copied());
            }
            let all: Vec<_> = map.clone().into_iter().collect();
            prop_assert_eq!(index.range(b"", None, usize::MAX), all);
            let (from, end) = (name(40), name(200));
            let some: Vec<_> = map.range(from.clone()..).filter(|(key, _)| **key < end).take(9).map(|(k, l)| (k.clone(), *l)).collect();
            prop_assert_eq!(index.range(&from, Some(&end), 9), some);
        }
    }

    /// What the promise on memory is about: keys as an API server writes them.
    #[test]
    fn keys_of_an_api_server_take_less_than_48_bytes() {
        let mut index = KeyIndex::default();
        let mut n = 0u64;
        for namespace in 0..40 {
            for pod in 0..500 {
                n += 1;
                let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let key = format!("/registry/pods/namespace-{namespace:03}/deployment-{}-{hash:06x}-{pod:05}", pod / 9);
                let at = 3_000_000 + n.cast_signed();
                let row = RowRef { main: at + 400, sub: 0, place: n * 1900 };
                index.insert(key.as_bytes(), Live { create: at, version: 9, lease: 0, row });
            }
        }
        assert!(index.bytes() < 48 * n, "{} bytes for {n} keys", index.bytes());
    }
}
