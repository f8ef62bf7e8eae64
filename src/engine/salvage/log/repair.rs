//! A flipped bit in a record, found by its checksum.
//!
//! A CRC is linear: the checksum of a record with one bit flipped differs from the right one by a value that depends on the bit's
//! place alone. CRC-32C detects every odd number of flipped bits, so two flips are never taken for one.

/// The polynomial of CRC-32C, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// One step of a CRC over a zero bit.
fn shift(value: u32) -> u32 {
    if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 }
}

/// Returns the byte and the bit in `length` bytes of data whose flip changes the checksum of the whole by `difference`.
pub fn flipped_bit(difference: u32, length: usize) -> Option<(usize, u8)> {
    if difference == 0 {
        return None;
    }
    // What each bit of the last byte does to the checksum; a zero byte after it moves that on by eight steps.
    let table: Vec<u32> = (0..256u32).map(|byte| (0..8).fold(byte, |value, _| shift(value))).collect();
    let step = |value: u32| table.get((value & 0xff) as usize).copied().unwrap_or_default() ^ value >> 8;
    let mut effects: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128].map(step);
    for at in (0..length).rev() {
        for (bit, effect) in (0u8..).zip(&mut effects) {
            if *effect == difference {
                return Some((at, bit));
            }
            *effect = step(*effect);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_flipped_bit_is_found(mut data in prop::collection::vec(any::<u8>(), 1..600), seed: u32, at: usize, bit in 0u8..8) {
            let right = crc32c::crc32c_append(seed, &data);
            let at = at % data.len();
            data[at] ^= 1 << bit;
            let wrong = crc32c::crc32c_append(seed, &data);
            prop_assert_eq!(flipped_bit(right ^ wrong, data.len()), Some((at, bit)));
            // A second flip is no single one.
            let again = (at + 1) % data.len();
            if again != at {
                data[again] ^= 1;
                let twice = crc32c::crc32c_append(seed, &data);
                prop_assert_eq!(flipped_bit(right ^ twice, data.len()), None);
            }
        }
    }
}
