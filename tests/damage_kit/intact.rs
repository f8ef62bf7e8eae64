//! Whole files to begin with: the snapshots in `tests/fixtures`, and built ones with what those lack (a tree in each
//! bucket, three levels, values of several pages, a list of free pages).

use std::{cell::RefCell, io, path::Path};

use prost::Message;
use requorum::{
    bbolt::{Build, ReadAt, WriteAt},
    etcd::{
        proto::{KeyValue, Lease},
        revision::Revision,
        schema,
    },
};

use super::{Fixture, fnv1a, layout::Layout, long, u16_at, u64_at};

/// What the everyday run takes of the real snapshots: every kind of content, each version, each page size.
const EVERYDAY: [&str; 9] = [
    "3.4.23-binary.db",
    "3.4.23-empty.db",
    "3.5.16-lease.db",
    "3.6.14-auth.db",
    "3.6.14-removed.db",
    "3.6.14-tree.db",
    "3.7.1-multipeer.db",
    "3.6-ps16384-small.db",
    "seed-3.7.1.db",
];

/// All of them, or the everyday sample.
pub fn fixtures() -> Vec<Fixture> {
    let mut all: Vec<Fixture> =
        real().into_iter().filter(|fixture| long() || EVERYDAY.contains(&&*fixture.name)).collect();
    all.extend(built());
    all
}

/// Every real snapshot.
pub fn real() -> Vec<Fixture> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots");
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|x| x == "db"));
    paths.sort();
    assert!(paths.len() > 30, "the snapshots are gone");
    let read = |path: &std::path::PathBuf| {
        let mut body = std::fs::read(path).unwrap();
        body.truncate(body.len() - body.len() % 512);
        fixture(path.file_name().unwrap().to_str().unwrap(), body)
    };
    paths.iter().map(read).collect()
}

fn fixture(name: &str, body: Vec<u8>) -> Fixture {
    Fixture { name: name.into(), layout: Layout::read(&body), body }
}

/// The built ones.
pub fn built() -> Vec<Fixture> {
    // Long runs see the sizes that bugs like, everyday ones what is quickly read.
    let deep = build(512, if long() { 3000 } else { 400 }, 60);
    let wide = build(4096, if long() { 2200 } else { 500 }, 150);
    let listed = with_freelist(build(4096, 300, 20), false);
    let counted = with_freelist(build(1024, 300, 20), true);
    vec![
        fixture("built-512-deep", deep),
        fixture("built-4096-wide", wide),
        fixture("built-4096-freelist", listed),
        fixture("built-1024-freelist-counted", counted),
    ]
}

struct Memory(RefCell<Vec<u8>>);

impl ReadAt for Memory {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.borrow().read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.borrow().len() as u64)
    }
}

impl WriteAt for Memory {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.borrow_mut();
        let end = bytes.len().max(offset as usize + buf.len());
        bytes.resize(end, 0);
        bytes[offset as usize..offset as usize + buf.len()].copy_from_slice(buf);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.borrow_mut().resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A store as etcd would have it after `puts` puts of 500 keys with a few deletions, some values of several pages,
/// and `many` leases, users and removed members, so that each of those buckets is a tree of its own.
fn build(page_size: u32, puts: i64, many: u64) -> Vec<u8> {
    let mut build = Build::begin(Memory(RefCell::default()), page_size).unwrap();
    let mut put = |bucket: &[u8], rows: Vec<(Vec<u8>, Vec<u8>)>| {
        build.bucket(bucket).unwrap();
        for (key, value) in rows {
            build.put(&key, &value).unwrap();
        }
    };
    let hex = |n: u64| format!("{:x}", 0x1000_0000_0000_0000 + n).into_bytes();
    put(schema::ALARM, Vec::new());
    put(schema::AUTH, vec![(b"authRevision".into(), 1u64.to_be_bytes().into())]);
    put(schema::AUTH_ROLES, Vec::new());
    let user = |n: u64| {
        let name = format!("user{n:05}").into_bytes();
        (name.clone(), [&[10, name.len() as u8], &*name].concat())
    };
    put(schema::AUTH_USERS, (0..many).map(user).collect());
    put(schema::CLUSTER, vec![(b"clusterVersion".into(), b"3.6.0".into())]);
    put(schema::KEY, history(puts));
    let lease = |n: u64| {
        let id = 0x0123_0000 + n as i64;
        (id.to_be_bytes().into(), Lease { id, ttl: 60, remaining_ttl: 0 }.encode_to_vec())
    };
    put(schema::LEASE, (0..many).map(lease).collect());
    let member = br#"{"id":1152921504606846976,"peerURLs":["http://127.0.0.1:2380"],"name":"m1"}"#.to_vec();
    put(schema::MEMBERS, vec![(hex(0), member)]);
    put(schema::MEMBERS_REMOVED, (1..many).map(|n| (hex(n), b"removed".to_vec())).collect());
    let meta = [("consistent_index", puts as u64 + 9), ("term", 2)];
    put(schema::META, meta.map(|(key, n)| (key.into(), n.to_be_bytes().to_vec())).to_vec());
    build.finish(puts as u64).unwrap().0.into_inner()
}

/// The rows of the `key` bucket.
fn history(puts: i64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut keys = vec![(0i64, 0i64); 500];
    for main in 2..puts + 2 {
        let at = (main * 37 % 500) as usize;
        let key = format!("/registry/k/{at:05}").into_bytes();
        let mut row = Revision { main, sub: 0 }.to_bytes().to_vec();
        let (created, version) = keys[at];
        if main % 9 == 0 && version > 0 {
            row.push(b't');
            keys[at] = (0, 0);
            rows.push((row, KeyValue { key, ..KeyValue::default() }.encode_to_vec()));
            continue;
        }
        keys[at] = (if version == 0 { main } else { created }, version + 1);
        let len = if main % 101 == 0 { 9000 } else { 20 + (main % 60) as usize };
        let value = vec![b'a' + (main % 26) as u8; len];
        let (create_revision, version) = keys[at];
        rows.push((
            row,
            KeyValue { key, create_revision, mod_revision: main, version, value, lease: 0 }.encode_to_vec(),
        ));
    }
    rows
}

/// Adds three free pages and the list of them, as bbolt does without `NoFreelistSync`; `counted` in the form for
/// more than 65534 of them.
fn with_freelist(mut body: Vec<u8>, counted: bool) -> Vec<u8> {
    let page = super::u32_at(&body, 24) as usize;
    let hwm = u64_at(&body, 56);
    body.resize(body.len().max(hwm as usize * page) + 4 * page, 0xee);
    let id = hwm + 3;
    let mut list = id.to_le_bytes().to_vec();
    list.extend(0x10u16.to_le_bytes());
    list.extend((if counted { 0xffff } else { 3u16 }).to_le_bytes());
    list.extend(0u32.to_le_bytes());
    list.extend(counted.then_some(3u64.to_le_bytes()).into_iter().flatten());
    list.extend((hwm..hwm + 3).flat_map(u64::to_le_bytes));
    let at = id as usize * page;
    body[at..at + list.len()].copy_from_slice(&list);
    for meta in [0, page] {
        assert_eq!(u16_at(&body, meta + 8), 4);
        body[meta + 16 + 32..meta + 16 + 40].copy_from_slice(&id.to_le_bytes());
        body[meta + 16 + 40..meta + 16 + 48].copy_from_slice(&(hwm + 4).to_le_bytes());
        let sum = fnv1a(&body[meta + 16..meta + 72]);
        body[meta + 72..meta + 80].copy_from_slice(&sum.to_le_bytes());
    }
    body
}
