//! The live keys of a database during a scan: for each key the numbers that its next row must match.
//!
//! A database may contain tens of millions of keys, so the table is optimised for size and for memory latency. A key is
//! identified by 105 bits of a keyed hash, never by its name; an entry takes 36 bytes, in one of many small sorted
//! tables. Each grows separately, so that growing needs no second copy of the whole; large ones grow by a ninth, so
//! that three quarters of the memory are in use.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip128::{Hasher128, SipHasher13};

/// The number of hash bits that select the table.
const SHARD_BITS: u32 = 10;
/// The number of homes up to which a table is sparse, for speed, as all tables together are still small. Above it
/// memory matters more.
const AIRY: usize = 3072;
/// Slots after the last home, for displaced entries.
const SPILL: usize = 16;

/// The numbers of a live key's newest row that its next one must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// `create_revision`.
    pub create: i64,
    /// `version`.
    pub version: i64,
    /// `lease`, 0 for none.
    pub lease: i64,
}

/// The identifier of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId {
    shard: usize,
    tag: Tag,
}

/// 95 bits of the hash and one bit that is always set, so that no tag equals that of an empty slot.
type Tag = (u64, u32);

/// Tag, create revision, version and lease in 32-bit words; all zero if empty. The system provides zeroed memory for an
/// array of integers without a write.
type Slot = [u32; 9];
const EMPTY: Slot = [0; 9];

/// The live keys.
#[derive(Debug)]
pub struct Live {
    secret: (u64, u64),
    shards: Vec<Shard>,
    count: u64,
}

impl Default for Live {
    fn default() -> Live {
        let [a, b] = [RandomState::new(), RandomState::new()].map(|state| state.hash_one(0));
        Live { secret: (a, b), shards: (0..1 << SHARD_BITS).map(|_| Shard::default()).collect(), count: 0 }
    }
}

impl Live {
    /// Returns the identifier of `key` in this table.
    pub fn id(&self, key: &[u8]) -> KeyId {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(key);
        let hash = hasher.finish128();
        let shard = (hash.h2 >> (64 - SHARD_BITS)) as usize;
        KeyId { shard, tag: (hash.h1, hash.h2 as u32 | 1) }
    }

    /// Loads the key's entry into the cache before it is used. The returned word has no meaning.
    pub fn touch(&self, id: KeyId) -> u32 {
        let Some(shard) = self.shards.get(id.shard) else { return 0 };
        // The first word, and one less than a cache line after it: most searches end before the third line.
        match shard.slots.get(shard.home(id.tag)..) {
            Some([[first, ..], [_, _, _, _, _, _, second, ..], ..]) => first ^ second,
            _ => 0,
        }
    }

    /// Sets a key's newest row and returns its previous one.
    pub fn insert(&mut self, id: KeyId, past: Past) -> Option<Past> {
        // An ID comes from this table, so its shard exists.
        let before = self.shards.get_mut(id.shard)?.insert(id.tag, past);
        self.count = self.count.saturating_add(before.is_none().into());
        before
    }

    /// Removes a key and returns its row.
    pub fn remove(&mut self, id: KeyId) -> Option<Past> {
        let before = self.shards.get_mut(id.shard)?.remove(id.tag);
        self.count = self.count.saturating_sub(before.is_some().into());
        before
    }

    /// Returns the number of keys.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the rows of all keys, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = Past> {
        self.shards.iter().flat_map(|shard| &shard.slots).filter(|slot| !is_empty(slot)).map(past)
    }
}

/// Entries sorted by tag, each at its home or displaced after it with no empty slot between.
#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    homes: usize,
    used: usize,
}

impl Shard {
    /// Returns the home of a tag; sorted tags have sorted homes.
    fn home(&self, tag: Tag) -> usize {
        home(self.homes, tag)
    }

    /// Returns the slot of the tag, or the one where it is to be inserted.
    fn find(&self, wanted: Tag) -> Result<usize, usize> {
        let home = self.home(wanted);
        for (at, slot) in (home..).zip(self.slots.get(home..).unwrap_or_default()) {
            if is_empty(slot) || tag(slot) > wanted {
                return Err(at);
            } else if tag(slot) == wanted {
                return Ok(at);
            }
        }
        Err(self.slots.len())
    }

    fn insert(&mut self, tag: Tag, new: Past) -> Option<Past> {
        loop {
            match self.find(tag) {
                Ok(at) => {
                    let slot = self.slots.get_mut(at)?;
                    let before = past(slot);
                    *slot = filled(tag, new);
                    return Some(before);
                }
                Err(at) if self.used < self.most() => {
                    let behind = self.slots.get_mut(at..).unwrap_or_default();
                    if let Some(run) = behind.iter().position(is_empty) {
                        behind.copy_within(..run, 1);
                        *behind.first_mut()? = filled(tag, new);
                        self.used = self.used.saturating_add(1);
                        return None;
                    }
                    self.grow();
                }
                Err(_) => self.grow(),
            }
        }
    }

    fn remove(&mut self, tag: Tag) -> Option<Past> {
        let (at, homes) = (self.find(tag).ok()?, self.homes);
        let found = self.slots.get_mut(at..)?;
        let (slot, behind) = found.split_first()?;
        let before = past(slot);
        // Entries after it that are not at home move up.
        let stays = |(place, slot): (usize, &Slot)| is_empty(slot) || home(homes, self::tag(slot)) == place;
        let run = (at.saturating_add(1)..).zip(behind).position(stays).unwrap_or(behind.len());
        found.copy_within(1..=run, 0);
        *found.get_mut(run)? = EMPTY;
        self.used = self.used.saturating_sub(1);
        Some(before)
    }

    /// Returns the number of entries at which it grows.
    fn most(&self) -> usize {
        if self.homes <= AIRY { (self.homes / 10).saturating_mul(7) } else { (self.homes / 20).saturating_mul(17) }
    }

    fn grow(&mut self) {
        let more = if self.homes <= AIRY { (self.homes / 3).saturating_add(20) } else { self.homes / 9 };
        self.homes = self.homes.saturating_add(more);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; self.homes.saturating_add(SPILL)]);
        let mut next = 0;
        for slot in old.into_iter().filter(|slot| !is_empty(slot)) {
            let at = self.home(tag(&slot)).max(next);
            // One slot at the end stays empty, so there is always room for a displaced entry.
            next = at.saturating_add(1);
            if next >= self.slots.len() {
                // Not doubled, as a vector would do.
                let length = at.saturating_add(SPILL);
                self.slots.reserve_exact(length.saturating_sub(self.slots.len()));
                self.slots.resize(length, EMPTY);
            }
            if let Some(place) = self.slots.get_mut(at) {
                *place = slot;
            }
        }
    }
}

/// Scales a tag to the number of homes. The product of two 64-bit numbers fits in 128 bits.
fn home(homes: usize, tag: Tag) -> usize {
    (u128::from(tag.0).wrapping_mul(homes as u128) >> 64) as usize
}

/// A tag has one bit set in its last word.
fn is_empty(slot: &Slot) -> bool {
    slot[2] == 0
}

fn tag(slot: &Slot) -> Tag {
    (wide(slot[0], slot[1]), slot[2])
}

fn past(slot: &Slot) -> Past {
    let [_, _, _, a, b, c, d, e, f] = *slot;
    Past { create: wide(a, b).cast_signed(), version: wide(c, d).cast_signed(), lease: wide(e, f).cast_signed() }
}

fn filled(tag: Tag, past: Past) -> Slot {
    let [[a, b], [c, d], [e, f], [g, h]] =
        [tag.0, past.create.cast_unsigned(), past.version.cast_unsigned(), past.lease.cast_unsigned()]
            .map(|n| [(n >> 32) as u32, n as u32]);
    [a, b, tag.1, c, d, e, f, g, h]
}

fn wide(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the standard table, with so few keys that they are changed, removed and made again.
        #[test]
        fn it_is_a_map(acts in proptest::collection::vec((0u16..600, any::<bool>(), any::<(i64, i64, i64)>()), 0..2000)) {
            let (mut live, mut plain) = (Live::default(), HashMap::new());
            for (key, put, (create, version, lease)) in acts {
                let id = live.id(&key.to_be_bytes());
                let past = Past { create, version, lease };
                let (ours, theirs) = match put {
                    true => (live.insert(id, past), plain.insert(key, past)),
                    false => (live.remove(id), plain.remove(&key)),
                };
                prop_assert_eq!(ours, theirs);
                prop_assert_eq!(live.count(), plain.len() as u64);
            }
            let sum = |all: &mut dyn Iterator<Item = Past>| all.fold(0i64, |sum, past| sum.wrapping_add(past.lease));
            prop_assert_eq!(sum(&mut live.all()), sum(&mut plain.values().copied()));
        }

        /// One table alone, with tags that crowd at its end and differ in their last word only.
        #[test]
        fn a_crowded_table(acts in proptest::collection::vec((0u64..40, 0u32..3, any::<bool>()), 0..1000)) {
            let (mut shard, mut plain) = (Shard::default(), HashMap::new());
            for (high, low, put) in acts {
                let tag = (u64::MAX - high * high, low * 2 + 1);
                let past = Past { create: high as i64, version: 1, lease: i64::from(low) };
                let (ours, theirs) = match put {
                    true => (shard.insert(tag, past), plain.insert(tag, past)),
                    false => (shard.remove(tag), plain.remove(&tag)),
                };
                prop_assert_eq!(ours, theirs);
                prop_assert_eq!(shard.used, plain.len());
            }
            for (tag, past) in plain {
                prop_assert_eq!(shard.remove(tag), Some(past));
            }
            prop_assert!(shard.slots.iter().all(is_empty));
        }
    }

    #[test]
    fn entries_take_under_48_bytes_each() {
        // A secret of its own: with some one in a thousand tables has too many entries at its end, and grows early.
        let (live, mut shard) = (Live { secret: (3, 5), ..Live::default() }, Shard::default());
        let past = Past { create: 1, version: 1, lease: 0 };
        for key in 1..=30_000usize {
            shard.insert(live.id(&key.to_be_bytes()).tag, past);
            let bytes = shard.slots.capacity() * size_of::<Slot>();
            assert!(bytes <= key * 48 + (48 << 20 >> SHARD_BITS), "{bytes} bytes for {key} keys");
        }
    }
}
