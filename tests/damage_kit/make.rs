//! Cuts, lying fields, flipped bits and trailers. What moves whole pages about is in [`super::structure`].

use sha2::{Digest, Sha256};

use super::{Damage, Dice, Fixture, Tail, fnv1a, layout::Role, long, u16_at, u32_at, u64_at};

/// Cuts at every length class, as they are and with a trailer that fits what is left.
pub fn cuts(fixture: &Fixture) -> Vec<Damage> {
    let (page, body) = (fixture.layout.page_size, fixture.body.len());
    let file = body + 32;
    let mut dice = Dice::of(&fixture.name);
    let mut lengths =
        vec![0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 79, 80, 81, 95, 96, 511, 512, 513, 544, 1023, 1024, 1025];
    lengths.extend([
        4064,
        4095,
        4096,
        4097,
        4128,
        page - 1,
        page,
        page + 1,
        page + 32,
        page + 80,
        2 * page - 1,
        2 * page,
    ]);
    let bounds = (1..=body / page).map(|n| n * page).collect();
    lengths.extend(dice.sample(bounds, if long() || body < 60_000 { 64 } else { 8 }));
    lengths.extend([
        body - page,
        body - 513,
        body - 512,
        body - 511,
        body - 480,
        body - 33,
        body - 32,
        body - 31,
        body - 1,
    ]);
    lengths.extend([body, body + 1, body + 15, body + 16, body + 17, body + 30, body + 31]);
    lengths.extend((0..6).map(|_| dice.below(file)));
    lengths.sort_unstable();
    lengths.dedup();
    let mut all = Vec::new();
    for length in lengths.into_iter().filter(|length| *length < file) {
        let family = if length > body { "cut.in-trailer" } else { "cut.plain" };
        let mut cut = Damage::new(family, format!("cut to {length} bytes"));
        (cut.tail, cut.cut) = (Tail::Keep, Some(length));
        all.push(cut);
        if length < body {
            let mut signed = Damage::new("cut.signed", format!("cut to {length} bytes, signed"));
            signed.len = Some(length);
            all.push(signed);
        }
    }
    all
}

/// Each header and element field of each page kind, made to lie.
pub fn fields(fixture: &Fixture) -> Vec<Damage> {
    let layout = &fixture.layout;
    let mut all = Vec::new();
    let mut dice = Dice::of(&fixture.name);
    for kind in ["branch", "leaf", "freelist", "inline"] {
        let of_kind: Vec<_> = layout.pages.iter().filter(|page| page.kind == kind).collect();
        // The first and the last are special (list of buckets, right-most leaf); the middle is not.
        let mut chosen: Vec<usize> = vec![0, of_kind.len() / 2, of_kind.len().saturating_sub(1)];
        chosen.extend((0..if long() { 6 } else { 1 }).map(|_| dice.below(of_kind.len())));
        chosen.sort_unstable();
        chosen.dedup();
        for page in chosen.into_iter().filter_map(|n| of_kind.get(n)) {
            let name =
                page.id.map_or_else(|| format!("inline {}", page.bucket), |id| format!("page {id} {}", page.bucket));
            let mut lie = |field: &str, at: usize, size: usize, lies: Vec<u64>| {
                push_lies(fixture, &mut all, &format!("{kind}.{field}"), &name, at, size, &lies);
            };
            let id = page.id.unwrap_or(0);
            let (count, hwm) = (page.count as u64, layout.hwm);
            lie("id", page.at, 8, vec![0, 1, id.wrapping_sub(1), id + 1, hwm - 1, hwm, 1 << 40, u64::MAX]);
            lie("flags", page.at + 8, 2, vec![0, 1, 2, 3, 4, 8, 0x10, 0x12, 0x102, 0xffff]);
            let counts = vec![0, 1, 2, count.wrapping_sub(1), count + 1, count / 2, count + 16, 0x7fff, 0xfffe, 0xffff];
            lie("count", page.at + 10, 2, counts);
            let overflow = u64::from(u32_at(&fixture.body, page.at + 12));
            let left = hwm - id;
            let overflows =
                vec![0, 1, overflow.wrapping_sub(1), overflow + 1, left - 1, left, 0x7fff_ffff, 0xffff_ffff];
            lie("overflow", page.at + 12, 4, overflows);
            if kind == "freelist" {
                let mut ids = layout.live();
                ids.truncate(3);
                ids.extend([0, 1, id, hwm - 2, hwm, u64::MAX]);
                lie("entry", page.at + 16, 8, ids.clone());
                lie("entry", page.at + 24, 8, ids);
                continue;
            }
            let mut elements = vec![0, page.count / 2, page.count.saturating_sub(1)];
            elements.dedup();
            for element in elements.into_iter().filter(|n| *n < page.count) {
                let at = page.at + 16 + 16 * element;
                let fields: &[(&str, usize)] = if kind == "branch" {
                    &[("pos", 0), ("ksize", 4)]
                } else {
                    &[("flags", 0), ("pos", 4), ("ksize", 8), ("vsize", 12)]
                };
                for (field, offset) in fields {
                    let is = u64::from(u32_at(&fixture.body, at + offset));
                    let lies = vec![
                        0,
                        1,
                        2,
                        is.wrapping_sub(1),
                        is + 1,
                        is + 16,
                        16,
                        0xffff,
                        page.size as u64,
                        0x7fff_ffff,
                        0xffff_ffff,
                    ];
                    push_lies(
                        fixture,
                        &mut all,
                        &format!("{kind}.{field}"),
                        &format!("{name} #{element}"),
                        at + offset,
                        4,
                        &lies,
                    );
                }
            }
        }
    }
    all
}

fn push_lies(fixture: &Fixture, all: &mut Vec<Damage>, class: &str, name: &str, at: usize, size: usize, lies: &[u64]) {
    let is = &fixture.body[at..at + size];
    let mut done = Vec::new();
    for lie in lies {
        let bytes = &lie.to_le_bytes()[..size];
        if bytes != is && !done.contains(&bytes.to_vec()) {
            done.push(bytes.to_vec());
            all.push(Damage::new(class, format!("{name}: {lie:#x}")).poke(at, bytes));
        }
    }
}

/// Each field of the meta pages: in the one, the other and both; with a checksum that fits and without.
pub fn metas(fixture: &Fixture) -> Vec<Damage> {
    let (layout, page) = (&fixture.layout, fixture.layout.page_size);
    let mut dice = Dice::of(&fixture.name);
    let pages = dice.sample((2..layout.hwm).collect(), if long() { 1000 } else { 14 });
    let size = page as u64;
    let fields: [(&str, usize, usize, Vec<u64>); 14] = [
        ("id", 0, 8, vec![0, 1, 2, u64::MAX]),
        ("page-flags", 8, 2, vec![0, 1, 2, 0x10, 0xffff]),
        ("count", 10, 2, vec![1, 0xffff]),
        ("overflow", 12, 4, vec![1, 0xffff_ffff]),
        ("magic", 16, 4, vec![0, 0xed0c_daec, 0xffff_ffff]),
        ("version", 20, 4, vec![0, 1, 3, 0xffff_ffff]),
        (
            "page-size",
            24,
            4,
            vec![0, 1, size / 2, size * 2, size * 4, size + 1, 256, 512, 1 << 17, 1 << 31, 0xffff_ffff],
        ),
        ("flags", 28, 4, vec![1, 0xffff_ffff]),
        ("root", 32, 8, [pages, vec![0, 1, layout.hwm, 1 << 52, 1 << 60, u64::MAX]].concat()),
        ("sequence", 40, 8, vec![1, u64::MAX]),
        ("freelist", 48, 8, vec![0, 1, 2, 3, layout.hwm - 1, layout.hwm, 1 << 60, u64::MAX - 1]),
        ("hwm", 56, 8, vec![0, 1, 2, 3, layout.hwm - 1, layout.hwm + 1, 1 << 30, 1 << 52, 1 << 55, u64::MAX]),
        ("txid", 64, 8, vec![0, 1, 1 << 40, u64::MAX - 1, u64::MAX]),
        ("checksum", 72, 8, vec![0, u64::MAX]),
    ];
    let mut all = Vec::new();
    for (field, offset, length, lies) in fields {
        let targets: [(&str, &[usize]); 3] = [("0", &[0]), ("1", &[page]), ("both", &[0, page])];
        for (which, metas) in targets {
            for lie in &lies {
                for fixed in [false, true] {
                    let summed = (16..72).contains(&offset);
                    if fixed && !summed {
                        continue;
                    }
                    let kind = if fixed { "meta-summed" } else { "meta" };
                    let mut damage = Damage::new(format!("{kind}.{field}"), format!("meta {which}: {lie:#x}"));
                    for at in metas {
                        let mut bytes = fixture.body[*at..at + 80].to_vec();
                        bytes[offset..offset + length].copy_from_slice(&lie.to_le_bytes()[..length]);
                        if fixed {
                            let sum = fnv1a(&bytes[16..72]);
                            bytes[72..80].copy_from_slice(&sum.to_le_bytes());
                        }
                        damage = damage.poke(*at, bytes);
                    }
                    all.push(damage);
                }
            }
        }
    }
    all
}

/// A flipped bit in each byte that means something, and in some that mean nothing.
pub fn flips(fixture: &Fixture) -> Vec<Damage> {
    let mut dice = Dice::of(&fixture.name);
    let roles = &fixture.layout.roles;
    let (used, unused): (Vec<usize>, Vec<usize>) = (0..roles.len()).partition(|at| roles[*at] != Role::Unused);
    // What holds the file together is hit more often than what it holds.
    let (data, frame): (Vec<usize>, Vec<usize>) =
        used.into_iter().partition(|at| matches!(roles[*at], Role::RowKey | Role::RowValue));
    let most = |everyday: usize| match long() {
        true if fixture.body.len() < 80_000 => usize::MAX,
        true => 4000,
        false => everyday,
    };
    let mut at = dice.sample(frame, most(220));
    at.extend(dice.sample(data, most(110)));
    at.extend(dice.sample(unused, 20));
    let flip = |at: usize| {
        let bit = dice.below(8);
        let class = format!("flip.{:?}", roles[at]);
        let flipped = fixture.body[at] ^ (1 << bit);
        let page = at / fixture.layout.page_size;
        Damage::new(class, format!("byte {at} (page {page}), bit {bit}")).poke(at, [flipped])
    };
    at.into_iter().map(flip).collect()
}

/// The trailer missing, wrong, zero, twice, cut, and behind a body that grew.
pub fn trailers(fixture: &Fixture) -> Vec<Damage> {
    let sum = Sha256::digest(&fixture.body).to_vec();
    let mut dice = Dice::of(&fixture.name);
    let wrong: Vec<u8> = (0..32).map(|_| dice.roll() as u8).collect();
    let mut flipped = sum.clone();
    flipped[dice.below(32)] ^= 1;
    let tails = [
        ("missing", Vec::new()),
        ("wrong", wrong),
        ("flipped", flipped),
        ("zero", vec![0; 32]),
        ("twice", [sum.clone(), sum.clone()].concat()),
        ("longer", [&sum[..], &[0]].concat()),
        ("hex", sum.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()),
        ("reversed", sum.iter().rev().copied().collect()),
    ];
    let mut all: Vec<Damage> = tails
        .into_iter()
        .map(|(name, tail)| Damage { tail: Tail::Raw(tail), ..Damage::new(format!("trailer.{name}"), name) })
        .collect();
    for more in [1, 32, 480, 512, fixture.layout.page_size, 100_000] {
        let len = Some(fixture.body.len() + more);
        all.push(Damage { len, ..Damage::new("trailer.behind-zeros", format!("{more} zeros, signed")) });
        let raw = Tail::Raw(Vec::new());
        all.push(Damage { len, tail: raw, ..Damage::new("trailer.zeros", format!("{more} zeros, no trailer")) });
    }
    let meta = u64_at(&fixture.body, 64) ^ u64::from(u16_at(&fixture.body, 8));
    all.push(Damage {
        tail: Tail::Raw(meta.to_le_bytes().repeat(4)),
        ..Damage::new("trailer.wrong", "of another file")
    });
    all
}
