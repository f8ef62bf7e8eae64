//! Whole pages and whole trees in the wrong place: aliases, circles, zeroed, swapped and copied pages, bucket roots that
//! point elsewhere.

use super::{Damage, Dice, Fixture, layout::Page, long, u64_at};

/// Bucket roots and branch elements that point at another page.
pub fn pointers(fixture: &Fixture) -> Vec<Damage> {
    let layout = &fixture.layout;
    let mut dice = Dice::of(&fixture.name);
    let mut all = Vec::new();
    let (live, free) = (layout.live(), layout.free());
    let some = |dice: &mut Dice, ids: Vec<u64>, n: usize| dice.sample(ids, if long() { 300 } else { n });
    for root in &layout.roots {
        let mut to = |class: &str, page: u64| {
            if page != root.page {
                let what = format!("bucket {}: root {} -> {page}", root.bucket, root.page);
                all.push(Damage::new(format!("root.{class}"), what).poke(root.at, page.to_le_bytes()));
            }
        };
        if root.page == 0 {
            let targets = some(&mut dice, live.clone(), 4);
            targets.into_iter().for_each(|id| to("inline-to-page", id));
            to("out-of-bounds", layout.hwm);
            continue;
        }
        let (own, others): (Vec<u64>, Vec<u64>) = live.iter().partition(|id| layout.page(**id).bucket == root.bucket);
        // One of its own leaves: what else was in the bucket is lost, and nothing is referenced twice.
        let edges = [own.first(), own.last(), own.get(1)].map(|id| id.copied());
        edges.into_iter().flatten().for_each(|id| to("own-page", id));
        some(&mut dice, own, 8).into_iter().for_each(|id| to("own-page", id));
        some(&mut dice, others, 6).into_iter().for_each(|id| to("other-bucket", id));
        some(&mut dice, free.clone(), 6).into_iter().for_each(|id| to("free-page", id));
        [1, layout.hwm, u64::MAX].into_iter().for_each(|id| to("out-of-bounds", id));
        to("zero", 0);
        let mut header = fixture.body[root.at..root.at + 16].to_vec();
        header[8..].copy_from_slice(&77u64.to_le_bytes());
        all.push(Damage::new("root.sequence", format!("bucket {}", root.bucket)).poke(root.at, header));
    }
    let trees: Vec<_> = layout.roots.iter().filter(|root| root.page != 0).collect();
    for (n, a) in trees.iter().enumerate() {
        for b in &trees[n + 1..] {
            let what = format!("buckets {} and {}", a.bucket, b.bucket);
            let swapped = Damage::new("root.swapped", what.clone());
            all.push(swapped.poke(a.at, b.page.to_le_bytes()).poke(b.at, a.page.to_le_bytes()));
            all.push(Damage::new("root.alias", what).poke(a.at, b.page.to_le_bytes()));
        }
    }
    let branches: Vec<&Page> = layout.pages.iter().filter(|page| page.kind == "branch").collect();
    for branch in dice.sample(branches, if long() { 40 } else { 5 }) {
        let id = branch.id.unwrap();
        for _ in 0..if long() { 8 } else { 2 } {
            let element = dice.below(branch.count);
            let at = branch.at + 16 + 16 * element + 8;
            let is = u64_at(&fixture.body, at);
            let other = u64_at(&fixture.body, branch.at + 16 + 16 * dice.below(branch.count) + 8);
            let other_live = live[dice.below(live.len())];
            let other_free = free.get(dice.below(free.len())).copied().unwrap_or(layout.hwm - 1);
            let targets = [
                ("alias", other),
                ("self", id),
                ("parent", branch.parent.unwrap_or(id)),
                ("live", other_live),
                ("free", other_free),
                ("meta", element as u64 % 2),
                ("hwm", layout.hwm),
                ("far", 1 << 52),
                ("max", u64::MAX),
            ];
            for (class, to) in targets.into_iter().filter(|(_, to)| *to != is) {
                let what = format!("page {id} #{element}: {is} -> {to}");
                all.push(Damage::new(format!("child.{class}"), what).poke(at, to.to_le_bytes()));
            }
            let next = branch.at + 16 + 16 * ((element + 1) % branch.count) + 8;
            let what = format!("page {id} #{element} and the next");
            let next_is = fixture.body[next..next + 8].to_vec();
            if branch.count > 1 {
                all.push(Damage::new("child.swapped", what).poke(at, next_is).poke(next, is.to_le_bytes()));
            }
        }
    }
    all
}

/// Pages zeroed, filled, swapped, copied over each other; with the number in their header left and put right.
pub fn pages(fixture: &Fixture) -> Vec<Damage> {
    let layout = &fixture.layout;
    let mut dice = Dice::of(&fixture.name);
    let mut all = Vec::new();
    let size = layout.page_size;
    let bytes_of = |id: u64| fixture.body[id as usize * size..(id as usize + 1) * size].to_vec();
    let renamed = |id: u64, mut bytes: Vec<u8>| {
        bytes[..8].copy_from_slice(&id.to_le_bytes());
        bytes
    };
    let at = |id: u64| id as usize * size;
    let mut targets = layout.live();
    targets.extend([0, 1]);
    targets.extend((0..targets.len()).filter_map(|n| {
        let page = layout.pages.get(n).filter(|page| page.id.is_some() && page.size > size)?;
        page.id.map(|id| id + 1)
    }));
    targets = dice.sample(targets, if long() { 400 } else { 14 });
    for id in targets.clone() {
        let what = format!("page {id}");
        all.push(Damage::new("page.zero", what.clone()).poke(at(id), vec![0; size]));
        all.push(Damage::new("page.ones", what.clone()).poke(at(id), vec![0xff; size]));
        let noise: Vec<u8> = (0..size).map(|_| dice.roll() as u8).collect();
        all.push(Damage::new("page.noise", what.clone()).poke(at(id), noise));
        for sector in [0, size / 512 - 1] {
            let what = format!("{what}, sector {sector}");
            all.push(Damage::new("page.sector-zero", what).poke(at(id) + 512 * sector, vec![0; 512]));
        }
        let half = vec![0; size / 2];
        all.push(Damage::new("page.half-zero", what).poke(at(id) + size / 2, half));
        let other = targets[dice.below(targets.len())];
        if other == id {
            continue;
        }
        let what = format!("pages {id} and {other}");
        let (a, b) = (bytes_of(id), bytes_of(other));
        all.push(Damage::new("page.swapped", what.clone()).poke(at(id), b.clone()).poke(at(other), a.clone()));
        let named = Damage::new("page.swapped-renamed", what.clone());
        all.push(named.poke(at(id), renamed(id, b.clone())).poke(at(other), renamed(other, a)));
        all.push(Damage::new("page.copied", what.clone()).poke(at(id), b.clone()));
        all.push(Damage::new("page.copied-renamed", what).poke(at(id), renamed(id, b)));
    }
    // A write that never came: an older page in its place, which still says it is this one.
    for free in dice.sample(layout.free(), if long() { 60 } else { 6 }) {
        let Some(to) = targets.get(dice.below(targets.len())).copied().filter(|id| *id > 1) else { continue };
        let what = format!("page {to} from the free page {free}");
        all.push(Damage::new("page.stale", what).poke(at(to), renamed(to, bytes_of(free))));
    }
    all
}
