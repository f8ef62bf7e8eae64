//! Which clients that keep revisions have data in a database: live keys, or history of deleted ones alone.

use std::collections::HashSet;

use crate::{
    bolt::{self, ReadAt, View},
    etcd::{proto::KeyValueRef, revision::RevisionKey, schema},
    plan::revisions::Client,
};

/// So many live keys of a client are remembered while rows go by: as long as one of them is not deleted, the client has one.
const WITNESSES: usize = 16;

/// The clients, while rows go by in the order of their revisions.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Found>);

#[derive(Debug)]
struct Found {
    client: Client,
    /// Keys of it that live as of the row that was last.
    witnesses: Vec<Vec<u8>>,
}

impl Clients {
    /// Notes a row.
    pub(super) fn row(&mut self, kv: &KeyValueRef<'_>, tombstone: bool) {
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
                self.0.push(Found { client, witnesses: Vec::new() });
                self.0.len() - 1
            });
            if let Some(found) = self.0.get_mut(at).filter(|_| !tombstone)
                && !found.witnesses.iter().any(|key| key.as_slice() == kv.key)
            {
                found.witnesses.push(kv.key.to_vec());
            }
        }
    }

    /// All clients, and those of which no key lives. Where every witness of one was deleted, its rows are read once more.
    ///
    /// # Errors
    /// At a page that cannot be read.
    pub(super) fn finish<R: ReadAt>(&mut self, view: &View<R>) -> Result<(Vec<Client>, Vec<Client>), bolt::Error> {
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
