//! Which clients that depend on revisions have data in a database: live keys, or only the history of deleted ones.

use std::collections::HashSet;

use crate::{
    bbolt::{self, ReadAt, View},
    domain::model::revisions::Client,
    etcd::{proto::KeyValueRef, revision::RevisionKey, schema},
};

/// The number of live keys that are remembered for a client during the scan: while one of them is not deleted, the
/// client has a live key.
const WITNESSES: usize = 16;

/// The clients found in rows, which are read in the order of their revisions.
#[derive(Debug, Default)]
pub(in crate::engine) struct Clients(Vec<Found>);

#[derive(Debug)]
struct Found {
    client: Client,
    /// Keys of it that are live as of the last row that was read.
    witnesses: Vec<Vec<u8>>,
}

impl Clients {
    /// Adds a row.
    pub(in crate::engine) fn row(&mut self, kv: &KeyValueRef<'_>, tombstone: bool) {
        if tombstone {
            for found in &mut self.0 {
                found.witnesses.retain(|key| key.as_slice() != kv.key);
            }
        }
        for client in Client::ALL {
            let at = self.0.iter().position(|found| found.client == client);
            let enough = at.and_then(|at| self.0.get(at)).is_some_and(|f| tombstone || f.witnesses.len() >= WITNESSES);
            if enough || !client.wrote(kv.key, kv.value) {
                continue;
            }
            let at = at.unwrap_or_else(|| {
                let next = self.0.len();
                self.0.push(Found { client, witnesses: Vec::new() });
                next
            });
            if let Some(found) = self.0.get_mut(at).filter(|_| !tombstone)
                && !found.witnesses.iter().any(|key| key.as_slice() == kv.key)
            {
                found.witnesses.push(kv.key.to_vec());
            }
        }
    }

    /// Returns all clients, and those without a live key. If every remembered key of one was deleted, its rows are read
    /// once more.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(in crate::engine) fn finish<R: ReadAt>(
        &mut self,
        view: &View<R>,
    ) -> Result<(Vec<Client>, Vec<Client>), bbolt::Error> {
        let mut all: Vec<Client> = self.0.iter().map(|found| found.client).collect();
        all.sort_unstable();
        let open = self.0.iter().filter(|found| found.witnesses.is_empty()).map(|found| found.client);
        let open: Vec<Client> = open.collect();
        if open.is_empty() {
            return Ok((all, Vec::new()));
        }
        let mut live: Vec<(Client, HashSet<Vec<u8>>)> = open.into_iter().map(|c| (c, HashSet::new())).collect();
        for (_, bucket) in view.buckets()?.into_iter().filter(|(name, _)| name.as_slice() == schema::KEY) {
            let mut rows = view.cursor(&bucket);
            while let Some(row) = rows.next()? {
                let (Some(at), Some(kv)) = (RevisionKey::parse(row.key), KeyValueRef::parse(row.value)) else {
                    continue;
                };
                for (client, keys) in &mut live {
                    if at.tombstone {
                        keys.remove(kv.key);
                    } else if client.wrote(kv.key, kv.value) {
                        keys.insert(kv.key.to_vec());
                    }
                }
            }
        }
        let mut past: Vec<Client> = live.into_iter().filter(|(_, keys)| keys.is_empty()).map(|(c, _)| c).collect();
        past.sort_unstable();
        Ok((all, past))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prost::Message;

    use super::*;
    use crate::{
        bbolt::Build,
        engine::progress::Flow,
        etcd::{proto::KeyValue, revision::Revision},
    };

    /// A database with these rows, one revision each: a key with its value, or its deletion.
    fn found(rows: &[(String, Option<&str>)]) -> (Vec<Client>, Vec<Client>, bool) {
        let mut build = Build::begin(tempfile::tempfile().unwrap(), 4096).unwrap();
        for bucket in schema::ALL {
            build.bucket(bucket).unwrap();
            if bucket == schema::KEY {
                for (at, (key, value)) in rows.iter().enumerate() {
                    let main = i64::try_from(at).unwrap() + 2;
                    let tombstone = value.is_none();
                    let mut row = Revision { main, sub: 0 }.to_bytes().to_vec();
                    row.extend(tombstone.then_some(b't'));
                    let mut kv = KeyValue { key: key.as_bytes().to_vec(), ..KeyValue::default() };
                    if let Some(value) = value {
                        (kv.create_revision, kv.mod_revision, kv.version) = (main, main, 1);
                        kv.value = value.as_bytes().to_vec();
                    }
                    build.put(&row, &kv.encode_to_vec()).unwrap();
                }
            }
        }
        let view = View::open(build.finish(1).unwrap()).unwrap();
        let walk = crate::engine::scan::row_scan::walk(&view, &mut |_| Flow::Go).unwrap();
        (walk.content.clients, walk.content.past_clients, walk.content.kubernetes)
    }

    #[test]
    fn deleted_history_differs_from_live_keys() {
        use Client::{Calico, Kubernetes};
        let put = |key: &str, value: &'static str| (key.to_string(), Some(value));
        let gone = |key: &str| (key.to_string(), None);
        let many = || (0..40).map(|n| put(&format!("/registry/pods/{n:02}"), "{}")).collect::<Vec<_>>();
        let all_but =
            |kept: usize| (0..40).filter(move |n| *n != kept).map(|n| gone(&format!("/registry/pods/{n:02}")));
        for (what, rows, clients, past) in [
            ("nothing", vec![put("a", "1")], vec![], vec![]),
            ("live", vec![put("/registry/a", "{}")], vec![Kubernetes], vec![]),
            ("deleted", vec![put("/registry/a", "{}"), gone("/registry/a")], vec![Kubernetes], vec![Kubernetes]),
            ("a deletion alone is left", vec![gone("/registry/a")], vec![Kubernetes], vec![Kubernetes]),
            (
                "back again",
                vec![put("/registry/a", "{}"), gone("/registry/a"), put("/registry/a", "{}")],
                vec![Kubernetes],
                vec![],
            ),
            ("one of many is left, early", many().into_iter().chain(all_but(0)).collect(), vec![Kubernetes], vec![]),
            ("one of many is left, late", many().into_iter().chain(all_but(39)).collect(), vec![Kubernetes], vec![]),
            ("none of many", many().into_iter().chain(all_but(99)).collect(), vec![Kubernetes], vec![Kubernetes]),
            (
                "known by its values",
                vec![put("any/a", "k8s:enc:aescbc:v1:k:"), gone("any/a")],
                vec![Kubernetes],
                vec![Kubernetes],
            ),
            (
                "another lives",
                vec![put("/registry/a", "{}"), put("/calico/a", "{}"), gone("/registry/a")],
                vec![Kubernetes, Calico],
                vec![Kubernetes],
            ),
        ] {
            let live = clients.contains(&Kubernetes) && !past.contains(&Kubernetes);
            assert_eq!(found(&rows), (clients, past, live), "{what}");
        }
    }
}
