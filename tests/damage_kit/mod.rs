//! Damaged snapshots, made on purpose: whole files to begin with, what can be done to them, and the judge.
//!
//! Everything is seeded, so that a failure names a case that comes back. `REQUORUM_LONG=1` takes every file and every
//! case; without it a sample of both runs.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod candidates;
pub mod intact;
pub mod layout;
pub mod make;
pub mod oracle;
pub mod structure;

use sha2::{Digest, Sha256};

/// Whether to run everything.
pub fn long() -> bool {
    std::env::var_os("REQUORUM_LONG").is_some_and(|v| v == "1")
}

/// A whole snapshot: the database without its trailer.
pub struct Fixture {
    /// The file's name.
    pub name: String,
    /// Its bytes up to the trailer.
    pub body: Vec<u8>,
    /// What is where in it.
    pub layout: layout::Layout,
}

/// What stands behind the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The right SHA-256 of the damaged body: the hash does not catch it.
    Sign,
    /// The trailer of the whole file: the hash catches it.
    Keep,
    /// These bytes.
    Raw(Vec<u8>),
}

/// One damage: bytes written over, then a cut or zeros behind, then the tail.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Its kind, `family.field`: what the judge's allowlist and the tally go by.
    pub class: String,
    /// Which one of the kind.
    pub what: String,
    /// Offset and bytes.
    pub pokes: Vec<(usize, Vec<u8>)>,
    /// The body's new length.
    pub len: Option<usize>,
    /// What follows.
    pub tail: Tail,
    /// The whole file, tail and all, is cut to this length.
    pub cut: Option<usize>,
}

impl Damage {
    /// A damage that the trailer does not tell.
    pub fn new(class: impl Into<String>, what: impl Into<String>) -> Self {
        Self { class: class.into(), what: what.into(), pokes: Vec::new(), len: None, tail: Tail::Sign, cut: None }
    }

    /// Writes these bytes at this offset.
    pub fn poke(mut self, at: usize, bytes: impl Into<Vec<u8>>) -> Self {
        self.pokes.push((at, bytes.into()));
        self
    }

    /// The damaged file.
    pub fn apply(&self, fixture: &Fixture) -> Vec<u8> {
        let mut bytes = fixture.body.clone();
        for (at, poke) in &self.pokes {
            bytes[*at..*at + poke.len()].copy_from_slice(poke);
        }
        if let Some(len) = self.len {
            bytes.resize(len, 0);
        }
        let tail = match &self.tail {
            Tail::Sign => Sha256::digest(&bytes).to_vec(),
            Tail::Keep => Sha256::digest(&fixture.body).to_vec(),
            Tail::Raw(raw) => raw.clone(),
        };
        bytes.extend(tail);
        bytes.truncate(self.cut.unwrap_or(bytes.len()));
        bytes
    }
}

/// A small generator, so that a failure repeats.
pub struct Dice(pub u64);

impl Dice {
    /// Seeded by a name.
    pub fn of(name: &str) -> Self {
        let seed =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Dice(seed | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    /// At most `n` of these, in their order.
    pub fn sample<T>(&mut self, of: Vec<T>, n: usize) -> Vec<T> {
        if of.len() <= n {
            return of;
        }
        let mut order: Vec<usize> = (0..of.len()).collect();
        for at in 0..n {
            let other = at + self.below(of.len() - at);
            order.swap(at, other);
        }
        let mut chosen = vec![false; of.len()];
        order[..n].iter().for_each(|at| chosen[*at] = true);
        of.into_iter().zip(chosen).filter_map(|(item, chosen)| chosen.then_some(item)).collect()
    }
}

/// Little-endian numbers.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}
/// Little-endian numbers.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
/// Little-endian numbers.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// FNV-1a, with which a meta page is summed.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
