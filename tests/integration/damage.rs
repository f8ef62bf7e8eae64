//! Every damage judged right: an error in a sentence that names the place, with nothing left behind, or the data
//! proven whole.
//!
//! The damages are made by the test (see `damage_kit`), the trailer is made to fit, so that it is not the hash that

//! tells. tests/run takes a seeded sample, an everyday run a quarter of it; `REQUORUM_LONG=1 cargo test --release --test integration damage::` takes all.

use std::{collections::BTreeMap, fmt::Write};

use crate::damage_kit::{
    Damage, Dice, Fixture, Tail, intact, long, make,
    oracle::{Restores, Truth, Verdict, judge, rows},
    structure,
};
use crate::support::every_case;

/// Classes with cases of which nothing in the file can tell: no reader could know.
const BEYOND_PROOF: &[&str] = &[
    // An older list of buckets, with a sum that fits: the store as it was some transactions ago.
    "meta-summed.root",
    // The same by an older page that was given the newer one's number.
    "page.stale",
    // One leaf of a bucket of leases or users stands for all of it: no count of them is kept anywhere.
    "root.own-page",
    "root.free-page",
];

/// Runs a family of damages over all files; prints the tally and fails on everything that is judged wrong.
fn family(name: &str, most: usize, make: fn(&Fixture) -> Vec<Damage>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut tally: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut wrong = String::new();
    let mut beyond = 0;
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for fixture in intact::fixtures() {
        let truth = Truth::of(&fixture, scratch.path());
        let mut damages = make(&fixture);
        if !long() {
            // A debug build reads the large files slowly.
            let most = if fixture.body.len() > 60_000 { most / 4 } else { most };
            let most = if every_case() { most } else { most / 4 };
            damages = Dice::of(&fixture.name).sample(damages, most);
        }
        for (n, mut damage) in damages.into_iter().enumerate() {
            // The hash must tell what it can tell; every so often it is left to.
            if n % 9 == 0 && damage.tail == Tail::Sign && damage.len.is_none() {
                damage.tail = Tail::Keep;
                damage.what += ", not signed";
            }
            let placed = places.entry(damage.class.clone()).or_default();
            let restores = match (long() || *placed < 1, n % 3) {
                (true, _) => Restores::All,
                (false, 0) => Restores::Refused,
                _ => Restores::No,
            };
            let verdict = judge(&damage, &fixture, &truth, scratch.path(), restores);
            let column = match &verdict {
                Verdict::Refused => "refused",
                Verdict::Accepted => "accepted",
                Verdict::Hashed => "hashed",
                Verdict::Whole => "whole",
                Verdict::Payload => "payload",
                Verdict::Missed(_) => "missed",
                Verdict::Wrong(_) => "WRONG",
            };
            *placed += usize::from(column == "whole" || column == "accepted");
            *tally.entry(damage.class.clone()).or_default().entry(column).or_default() += 1;
            let allowed = |list: &[&str]| list.contains(&&*damage.class);
            let why = match verdict {
                Verdict::Wrong(why) => why,
                Verdict::Missed(None) if allowed(BEYOND_PROOF) => {
                    beyond += 1;
                    continue;
                }
                Verdict::Missed(rule) => format!("taken, though rows are lost or changed ({rule:?} would tell)"),
                _ => continue,
            };
            let _ = writeln!(wrong, "{}: {}: {}: {why}", fixture.name, damage.class, damage.what);
        }
    }
    for (class, columns) in &tally {
        println!("{class:32} {columns:?}");
    }
    let total: usize = tally.values().flat_map(BTreeMap::values).sum();
    println!("{name}: {total} cases, {beyond} beyond proof");
    assert!(total > 0);
    assert!(wrong.is_empty(), "{} of {total} cases judged wrong:\n{wrong}", wrong.lines().count());
}

#[test]
fn every_snapshot_is_whole() {
    let scratch = tempfile::tempdir().unwrap();
    for (n, fixture) in intact::real().into_iter().chain(intact::built()).enumerate() {
        let truth = Truth::of(&fixture, scratch.path());
        let restores = if long() || n % 6 == 0 { Restores::All } else { Restores::No };
        let verdict = judge(&Damage::new("whole", ""), &fixture, &truth, scratch.path(), restores);
        assert_eq!(verdict, Verdict::Whole, "{}", fixture.name);
        let suspect = crate::damage_kit::candidates::suspect(&fixture.body, &rows(&fixture.body).unwrap());
        assert_eq!(suspect, None, "{}", fixture.name);
    }
}

#[test]
fn cuts() {
    family("cuts", 30, make::cuts);
}

#[test]
fn fields() {
    family("fields", 40, make::fields);
}

#[test]
fn metas() {
    family("metas", 36, make::metas);
}

#[test]
fn flips() {
    family("flips", 60, make::flips);
}

#[test]
fn trailers() {
    family("trailers", 14, make::trailers);
}

#[test]
fn pointers() {
    family("pointers", 36, structure::pointers);
}

#[test]
fn pages() {
    family("pages", 36, structure::pages);
}
