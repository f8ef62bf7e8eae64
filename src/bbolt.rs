//! The bbolt file format (version 2), read and written natively; knows nothing of etcd.
//!
//! [`View`] reads an untrusted file: every id, count and length in it is checked
//! before it is used, every allocation is bounded by the file's length and every walk by its
//! number of pages, so that a hostile file results in an [`Error`] that names the page.
//! [`check()`] checks every page, [`Edit`] changes a file copy-on-write, [`Build`] writes a
//! compacted one. All bytes are little-endian; the layout is that of bbolt's `internal/common`, drawn in
//! `assets/guide/formats/bbolt.md`.
//!
//! ```
//! use requorum::bbolt::{Build, View, check};
//!
//! let mut build = Build::begin(tempfile::tempfile().unwrap(), 4096)?;
//! build.bucket(b"fruit")?;
//! build.put(b"apple", b"red")?;
//! build.put(b"lemon", b"yellow")?;
//! let view = View::open(build.finish(1)?)?;
//! assert!(check(&view, &mut |_, _| true)?.problems.is_empty());
//!
//! let fruit = view.bucket(b"fruit")?.unwrap();
//! assert_eq!(view.get(&fruit, b"lemon")?.as_deref(), Some(&b"yellow"[..]));
//! let mut rows = view.cursor(&fruit);
//! while let Some(row) = rows.next()? {
//!     println!("{}", row.key.escape_ascii());
//! }
//! # Ok::<(), requorum::bbolt::Error>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used)]
#![deny(clippy::panic, clippy::unreachable, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod bulk_writer;
mod check;
mod cursor;
mod error;
mod meta;
mod page;
mod page_buffer;
mod page_set;
mod page_writer;
mod read_tx;
mod unreachable_pages;
mod write_tx;

pub use bulk_writer::Build;
pub use check::{FreeList, Part, Report, check, check_rows};
pub use cursor::Cursor;
pub use error::{Error, Fault, Place};
pub use meta::Meta;
pub use page::Row;
pub use page_buffer::PageBuffer;
pub use page_set::PageSet;
pub use read_tx::{Bucket, KeyValue, View};
pub use unreachable_pages::{Children, right_edge, stray_branches, stray_rows};
pub use write_tx::Edit;

use std::io;
use std::sync::Arc;

/// Reads at an offset without moving a file position, so that one source serves many readers.
pub trait ReadAt {
    /// Fills `buf` from the bytes at `offset`; fails with `UnexpectedEof` if the file ends first.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Returns the length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Returns whether the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Writes at an offset; [`Edit`] and [`Build`] write through it.
pub trait WriteAt {
    /// Writes all of `buf` at `offset`, growing the file if needed.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Truncates or extends (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Syncs: returns once everything written is on disk.
    fn sync_data(&self) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl WriteAt for std::fs::File {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        std::fs::File::set_len(self, len)
    }
    fn sync_data(&self) -> io::Result<()> {
        std::fs::File::sync_data(self)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok();
        let found = from.and_then(|from| self.get(from..from.checked_add(buf.len())?));
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        u64::try_from(<[u8]>::len(self)).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }
}

macro_rules! through_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: ReadAt + ?Sized> ReadAt for $pointer {
            fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                (**self).read_exact_at(buf, offset)
            }
            fn len(&self) -> io::Result<u64> {
                ReadAt::len(&**self)
            }
        }
        impl<T: WriteAt + ?Sized> WriteAt for $pointer {
            fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
                (**self).write_all_at(buf, offset)
            }
            fn set_len(&self, len: u64) -> io::Result<()> {
                (**self).set_len(len)
            }
            fn sync_data(&self) -> io::Result<()> {
                (**self).sync_data()
            }
        }
    )*};
}
through_pointer!(&T, Arc<T>);

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used)]
#[allow(clippy::panic, clippy::unreachable, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod tests;
