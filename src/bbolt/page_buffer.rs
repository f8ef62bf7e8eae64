//! Memory that files are read into: where it begins decides how fast the kernel copies into it.

use std::{
    collections::TryReserveError,
    ops::{Deref, DerefMut},
};

/// Where a large buffer begins: at a multiple of this many bytes, the size of a page of memory.
///
/// glibc places large allocations 16 bytes into a page. Copying to there is the one case that AMD's Zen processors do at a
/// fifth of their speed (`rep movsb` whose destination begins just after a page's start), and the kernel's copy is most
/// of the work of reading a file that is in the page cache.
const ALIGN: usize = 4096;
/// Buffers from this size on are aligned; smaller ones come from elsewhere in the heap.
const LARGE: usize = 32 << 10;

/// A buffer of bytes for reading into. Its memory is kept when it shrinks, and never filled again.
#[derive(Debug, Default)]
pub struct PageBuffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// Returns a buffer of `len` zeros.
    pub fn new(len: usize) -> PageBuffer {
        PageBuffer::over(vec![0; PageBuffer::needed(len)], len)
    }

    /// Sets the length. The bytes that were there stay up to the shorter of both lengths; any others are undefined,
    /// for the next read to overwrite.
    ///
    /// # Errors
    /// When there is no memory; the buffer is then as it was.
    pub fn try_resize(&mut self, len: usize) -> Result<(), TryReserveError> {
        if len > self.capacity() {
            let mut larger = Vec::new();
            larger.try_reserve_exact(PageBuffer::needed(len))?;
            larger.resize(PageBuffer::needed(len), 0);
            let mut larger = PageBuffer::over(larger, len);
            let kept = larger.get_mut(..self.len).unwrap_or_default();
            kept.copy_from_slice(self);
            *self = larger;
        }
        self.len = len;
        Ok(())
    }

    /// Sets the length without keeping what was there.
    pub fn reset(&mut self, len: usize) {
        if len > self.capacity() {
            *self = PageBuffer::new(len);
        }
        self.len = len;
    }

    /// The longest that it can be without new memory.
    pub fn capacity(&self) -> usize {
        self.memory.len().saturating_sub(self.start)
    }

    fn needed(len: usize) -> usize {
        if len < LARGE { len } else { len.saturating_add(ALIGN) }
    }

    fn over(memory: Vec<u8>, len: usize) -> PageBuffer {
        // The memory does not move with its vector, which never grows.
        let start = match memory.len().saturating_sub(len) {
            0 => 0,
            room => memory.as_ptr().align_offset(ALIGN).min(room),
        };
        PageBuffer { memory, start, len }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn large_buffers_begin_at_a_page() {
        for len in [LARGE, LARGE + 1, 256 << 10, (1 << 20) + 7, 4 << 20] {
            let mut buffer = PageBuffer::new(len);
            assert_eq!((buffer.as_ptr().align_offset(ALIGN), buffer.len()), (0, len));
            buffer.try_resize(len * 2).unwrap();
            assert_eq!((buffer.as_ptr().align_offset(ALIGN), buffer.len()), (0, len * 2));
        }
    }

    #[test]
    fn content_survives_growth_and_memory_shrinking() {
        let mut buffer = PageBuffer::default();
        assert!(buffer.is_empty());
        buffer.try_resize(4096).unwrap();
        buffer.fill(7);
        buffer.try_resize(1 << 20).unwrap();
        assert_eq!((buffer.len(), buffer.iter().filter(|byte| **byte == 7).count()), (1 << 20, 4096));
        let at = buffer.as_ptr();
        buffer.try_resize(10).unwrap();
        buffer.reset(1 << 20);
        assert_eq!((buffer.as_ptr(), buffer.len()), (at, 1 << 20));
        assert!(buffer.try_resize(usize::MAX / 2).is_err());
        assert_eq!(buffer.len(), 1 << 20);
    }
}
