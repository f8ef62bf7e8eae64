//! What an ELF file says of itself: its processor, and whether another Linux can run it. Source: elf(5).

/// The processors that etcd runs on: their names in `uname -m`, their `e_machine`, and whether they are little-endian.
const MACHINES: [(&str, u64, bool); 5] =
    [("x86_64", 62, true), ("aarch64", 183, true), ("ppc64le", 21, true), ("riscv64", 243, true), ("s390x", 22, false)];

/// How much of a file's beginning has its program headers.
pub(super) const HEAD: usize = 1 << 16;

/// One program for Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elf {
    /// Its processor as `uname -m` prints it.
    pub machine: &'static str,
    /// Whether it needs a loader (`PT_INTERP`), so shared libraries.
    pub dynamic: bool,
    /// The length that the file has at least, by its segments.
    pub bytes: u64,
}

/// Returns the names of all processors that a file may be for.
pub(super) fn machines() -> impl Iterator<Item = &'static str> {
    MACHINES.iter().map(|(name, ..)| *name)
}

/// Reads the beginning of a file; none where it is no 64-bit Linux program for one of the processors.
pub(super) fn read(head: &[u8]) -> Option<Elf> {
    // magic, 64 bits, byte order, version; the ABI is System V's or Linux's own
    let little = match head.get(..8)? {
        [0x7f, b'E', b'L', b'F', 2, order @ (1 | 2), 1, 0 | 3] => *order == 1,
        _ => return None,
    };
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    };
    // an executable, or one that is loaded anywhere
    let (2 | 3) = number(16, 2)? else { return None };
    let kind = number(18, 2)?;
    let (machine, ..) = *MACHINES.iter().find(|(_, number, order)| (*number, *order) == (kind, little))?;
    let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let (mut dynamic, mut bytes, mut loaded) = (false, 0, false);
    for n in 0..count {
        let at = usize::try_from(start.checked_add(n.checked_mul(size)?)?).ok()?;
        match number(at, 4)? {
            1 => loaded = true,
            3 => dynamic = true,
            _ => {}
        }
        bytes = bytes.max(number(at.checked_add(8)?, 8)?.checked_add(number(at.checked_add(32)?, 8)?)?);
    }
    loaded.then_some(Elf { machine, dynamic, bytes })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A file with one loaded segment of `length` bytes after its headers, and a loader's name where `dynamic`.
    pub(in crate::system::ssh) fn made(machine: u16, little: bool, dynamic: bool, length: u64) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, if little { 1 } else { 2 }, 1, 0];
        let put = |out: &mut Vec<u8>, value: u64, bytes: usize| {
            let all = if little { value.to_le_bytes() } else { value.to_be_bytes() };
            out.extend(if little { &all[..bytes] } else { &all[8 - bytes..] });
        };
        let count = 1 + u64::from(dynamic);
        out.extend([0; 8]);
        // type, machine, version, entry, program headers, section headers, flags, sizes and counts
        for (value, bytes) in
            [(2, 2), (u64::from(machine), 2), (1, 4), (0, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2)]
        {
            put(&mut out, value, bytes);
        }
        for value in [count, 0, 0, 0] {
            put(&mut out, value, 2);
        }
        for kind in [1, 3].into_iter().take(usize::try_from(count).unwrap()) {
            // type, flags, offset, addresses, sizes, alignment
            let (offset, size) = if kind == 1 { (0, 64 + 56 * count + length) } else { (64, 0) };
            for (value, bytes) in [(kind, 4), (5, 4), (offset, 8), (0, 8), (0, 8), (size, 8), (size, 8), (4096, 8)] {
                put(&mut out, value, bytes);
            }
        }
        out
    }

    #[test]
    fn the_header_names_processor_and_length() {
        for (name, number, little) in MACHINES {
            for dynamic in [false, true] {
                let bytes = made(u16::try_from(number).unwrap(), little, dynamic, 100);
                let elf = read(&bytes).unwrap();
                assert_eq!((elf.machine, elf.dynamic, elf.bytes), (name, dynamic, bytes.len() as u64 + 100), "{name}");
            }
        }
        assert_eq!(read(&made(183, false, false, 0)), None, "no Linux is big-endian there");
        assert_eq!(read(&made(40, true, false, 0)), None, "32-bit ARM");
    }

    #[test]
    fn broken_headers_are_no_programs() {
        let whole = made(62, true, true, 0);
        for cut in 0..whole.len() {
            // after the fields of the last segment that are looked at it is whole
            assert_eq!(read(&whole[..cut]).is_some(), cut >= whole.len() - 16, "{cut}");
        }
        for (at, byte) in [(0, b'x'), (4, 1), (5, 3), (6, 0), (7, 9), (16, 1), (16, 4), (39, 0xff), (55, 0xff), (64, 6)]
        {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            assert_eq!(read(&bytes), None, "byte {at}");
        }
        assert_eq!(read(b"\xcf\xfa\xed\xfe and more"), None, "a program of macOS");
        assert_eq!(read(b"#!/bin/sh\nexit 0\n"), None);
    }

    #[test]
    fn programs_of_this_machine_are_read() {
        let own = read(&std::fs::read("/proc/self/exe").unwrap()[..HEAD]).unwrap();
        assert_eq!((own.machine, own.dynamic), (std::env::consts::ARCH, false), "tests are static, too");
        // `sh` is linked dynamically on the distributions that this is tested on
        assert!(read(&std::fs::read("/bin/sh").unwrap()[..4096]).unwrap().dynamic);
    }
}
