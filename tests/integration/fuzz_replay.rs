//! The fuzz targets on stable Rust: their committed corpus, and a fixed number of seeded mutations of it.
//!
//! `REQUORUM_LONG=1` makes two hundred times as many, another number that many times; `REQUORUM_FUZZ=yaml,notes` runs these
//! targets alone. An input that fails is printed, to become a file of the corpus.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// A small generator, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// One to four changes: bits, bytes, numbers that are often wrong, pieces cut out, doubled, and from another seed.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = at + self.below((bytes.len() - at).min(64) + 1);
            match self.below(8) {
                0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'/', b':'][self.below(8)],
                3 if at + 4 <= bytes.len() => {
                    let number = [0u32, 1, 0x7fff_ffff, 0xffff_ffff][self.below(4)];
                    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
                }
                4 => drop(bytes.drain(at..end)),
                5 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                6 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let to = from + self.below((other.len() - from).min(64) + 1);
                    bytes.splice(at..end, other[from..to].to_vec());
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }
}

#[test]
fn corpus_and_mutations() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let long = std::env::var("REQUORUM_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(0);
    let times = [1, 200].get(long).copied().unwrap_or(long);
    let only = std::env::var("REQUORUM_FUZZ").ok();
    let asked = |name: &str| only.as_deref().is_none_or(|only| only.split(',').any(|one| one == name));
    for (name, body) in bodies::TARGETS.into_iter().filter(|(name, _)| asked(name)) {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "the corpus of {name} is gone");
        let seeds: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        let run = |bytes: &[u8], which: &str| {
            let shown = || bytes.iter().take(400).map(|b| format!("{b:02x}")).collect::<String>();
            let ended = catch_unwind(AssertUnwindSafe(|| body(bytes)));
            assert!(ended.is_ok(), "{name}: {which} of {} bytes: {}", bytes.len(), shown());
        };
        for (path, seed) in files.iter().zip(&seeds) {
            run(seed, &path.display().to_string());
        }
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let rounds = if name == "bolt" || name == "notes" { 300 } else { 3000 };
        for round in 0..rounds * times {
            run(&dice.mutate(&seeds), &format!("mutation {round}"));
        }
        eprintln!("{name}: {} files and {} mutations", files.len(), rounds * times);
    }
}
