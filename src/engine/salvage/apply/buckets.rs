//! The small buckets of the database, row by row in memory: all but `key` and `lease`.

use std::collections::BTreeMap;

use super::super::store::Base;
use crate::{bbolt, etcd::schema};

/// The rows of a bucket.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The buckets that are held in memory.
pub const SMALL: [&[u8]; 8] = [
    schema::ALARM,
    schema::AUTH,
    schema::AUTH_ROLES,
    schema::AUTH_USERS,
    schema::CLUSTER,
    schema::MEMBERS,
    schema::MEMBERS_REMOVED,
    schema::META,
];

/// The small buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets(BTreeMap<&'static [u8], Rows>);

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets(SMALL.into_iter().map(|name| (name, Rows::new())).collect())
    }
}

impl Buckets {
    /// Reads them.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn read(base: &Base) -> Result<Buckets, bbolt::Error> {
        let mut buckets = Buckets::default();
        for (name, rows) in &mut buckets.0 {
            let Some(bucket) = base.bucket(name)? else { continue };
            let mut cursor = base.cursor(&bucket);
            while let Some(row) = cursor.next()? {
                rows.insert(row.key.to_vec(), row.value.to_vec());
            }
        }
        Ok(buckets)
    }

    /// Returns the rows of a bucket.
    pub fn rows(&self, bucket: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.0.get(bucket).into_iter().flatten()
    }

    /// Returns the value of a row.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Option<&Vec<u8>> {
        self.0.get(bucket)?.get(key)
    }

    /// Returns the value of a row with a number.
    pub fn number(&self, bucket: &[u8], key: &[u8]) -> Option<u64> {
        self.get(bucket, key)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Sets a row.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        if let Some(rows) = self.0.get_mut(bucket) {
            rows.insert(key.to_vec(), value.to_vec());
        }
    }

    /// Removes a row; returns whether there was one.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) -> bool {
        self.0.get_mut(bucket).is_some_and(|rows| rows.remove(key).is_some())
    }
}
