//! Loopback ports for one exercise: the same for the same seed if they are free, and never those of another exercise on this
//! machine.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

use crate::error::{Error, ErrorKind, Result};

/// Below the ephemeral ports of outgoing connections.
const FIRST: u16 = 21_000;
const BLOCKS: u16 = 250;
const BLOCK: u16 = 32;

/// A block of ports; released when it is dropped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    // an abstract name, not a file: it ends with the process
    _held: UnixListener,
}

impl Ports {
    /// Takes the block selected by `seed`, or the next free one.
    ///
    /// # Errors
    /// If none is free.
    pub fn take(seed: u64, count: usize) -> Result<Ports> {
        let wanted = u16::try_from(count).ok().filter(|count| *count <= BLOCK);
        let Some(wanted) = wanted else {
            return Err(Error::new(ErrorKind::Input, format!("too many members; the maximum is {}", BLOCK / 2)));
        };
        let from = u16::try_from(seed % u64::from(BLOCKS)).unwrap_or(0);
        (0..BLOCKS)
            .map(|n| (from + n) % BLOCKS)
            .find_map(|block| {
                let first = FIRST + block * BLOCK;
                let held = hold(block).ok()?;
                let free = (first..first + wanted).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
                free.then_some(Ports { first, _held: held })
            })
            .ok_or_else(|| Error::new(ErrorKind::Failed, "127.0.0.1: no free ports"))
    }

    /// Returns the `n`th port.
    pub fn get(&self, n: usize) -> u16 {
        self.first + u16::try_from(n).unwrap_or(0)
    }
}

fn hold(block: u16) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("requorum-drill-{block}"))?)
}
