//! Parallel work on several hosts.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Runs `work` for 0 to `count`, at most `limit` at a time; returns the results in order.
pub(super) fn side_by_side<T: Send>(
    limit: usize,
    count: usize,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..limit.clamp(1, count.max(1)) {
            let work = || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = done.get(at) else { return };
                    let made = work(at);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = made;
                }
            };
            // Named like the calling thread, so that a panic is attributed to it.
            let name = thread::current().name().unwrap_or("requorum").to_string();
            if thread::Builder::new().name(name).spawn_scoped(scope, work).is_err() {
                work();
            }
        }
    });
    done.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn never_more_than_the_limit_at_a_time() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = std::sync::Barrier::new(2);
        let done = side_by_side(2, 6, |at| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Passes only when two are at it.
            barrier.wait();
            now.fetch_sub(1, Ordering::SeqCst);
            (at != 3).then_some(at)
        });
        assert_eq!(done, [Some(0), Some(1), Some(2), None, Some(4), Some(5)]);
        assert_eq!(most.into_inner(), 2);
        assert!(side_by_side(0, 0, Some).is_empty());
    }
}
