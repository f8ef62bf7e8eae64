//! A snapshot that is sent to a host.

use std::{fs::File, os::unix::fs::FileExt, sync::mpsc::TryRecvError};

use super::{Session, stopped};
use crate::{
    agent::{
        codec,
        protocol::{CHUNK_BYTES, Event, Have, Request, Wanted},
    },
    bbolt::PageBuffer,
    engine::progress::{Phase, Progress},
    error::{Error, ErrorKind, Result},
    system::ssh::Stop,
};

/// What was sent over the connection for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// The first byte that was sent.
    pub from: u64,
    /// How many bytes of the snapshot.
    pub bytes: u64,
    /// How many bytes after compression, where that helped.
    pub packed: u64,
}

impl Session {
    /// Returns whether the snapshot is present.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn have(&mut self, wanted: &Wanted, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Have> {
        match self.ask(&Request::HaveSnapshot(wanted.clone()), stop, on)? {
            Event::Snapshot(have) => Ok(have),
            other => Err(self.unexpected_response(&other)),
        }
    }

    /// Sends the rest of `file` that the host does not have yet, from byte `from` on. `on` receives the progress.
    ///
    /// # Errors
    /// As [`Session::ask`]; what was received stays there.
    pub fn send(
        &mut self,
        wanted: &Wanted,
        file: &File,
        from: u64,
        stop: Stop<'_>,
        on: &mut dyn FnMut(Progress),
    ) -> Result<(Have, Sent)> {
        let mut sent = Sent { from, ..Sent::default() };
        match self.ask(&Request::Receive { snapshot: wanted.clone(), from }, stop, on)? {
            Event::Snapshot(Have::Part(at)) if at == from => {}
            Event::Snapshot(have @ (Have::All(_) | Have::Wrong(_))) => return Ok((have, sent)),
            other => return Err(self.unexpected_response(&other)),
        }
        let (mut at, mut buffer, mut packing) = (from, PageBuffer::new(CHUNK_BYTES), true);
        while at < wanted.bytes {
            if stop() {
                return Err(stopped(&self.host));
            }
            match self.lines.try_recv() {
                // Only a failure is reported before the last byte.
                Ok(line) => match self.event(&line)? {
                    Event::Heartbeat => {}
                    Event::Failed(error) => return Err(error),
                    other => return Err(self.unexpected_response(&other)),
                },
                Err(TryRecvError::Disconnected) => return Err(self.broken()),
                Err(TryRecvError::Empty) => {}
            }
            let want = usize::try_from(wanted.bytes - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let chunk = buffer.get_mut(..want).unwrap_or_default();
            file.read_exact_at(chunk, at)
                .map_err(|e| Error::new(ErrorKind::Failed, "snapshot: changed while it was sent").why(e))?;
            sent.packed += self.put(stop, |input| codec::write_chunk(input, chunk, &mut packing))?;
            at += want as u64;
            sent.bytes = at - from;
            on(Progress { phase: Phase::Receive, done: at, total: wanted.bytes });
        }
        match self.answer(stop, on)? {
            Event::Snapshot(have @ (Have::All(_) | Have::Wrong(_))) => Ok((have, sent)),
            other => Err(self.unexpected_response(&other)),
        }
    }
}
