//! Ports on loopback for one exercise: the same for the same seed where they are free, and no other exercise's on this
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

/// Below the ports that systems give to outgoing connections.
const FIRST: u16 = 21_000;
const BLOCKS: u16 = 250;
const BLOCK: u16 = 32;

/// A block of ports; given back when it is dropped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    // A name, not a file: it goes with the process.
    _held: UnixListener,
}

impl Ports {
    /// Takes the block that `seed` leads to, or the next one that is free.
    ///
    /// # Errors
    /// When none is.
    pub fn take(seed: u64, count: usize) -> Result<Ports> {
        let wanted = u16::try_from(count).ok().filter(|count| *count <= BLOCK);
        let Some(wanted) = wanted else {
            return Err(Error::new(ErrorKind::Input, format!("an exercise has at most {} members", BLOCK / 2)));
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
            .ok_or_else(|| Error::new(ErrorKind::Failed, "no free ports on 127.0.0.1"))
    }

    /// The `n`th of them.
    pub fn get(&self, n: usize) -> u16 {
        self.first + u16::try_from(n).unwrap_or(0)
    }
}

fn hold(block: u16) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("requorum-drill-{block}"))?)
}
