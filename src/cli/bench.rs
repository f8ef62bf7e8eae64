//! `requorum bench`: how fast is it here, side by side with etcdutl?

use std::path::PathBuf;

use super::progress::{Meter, interruptible};
use crate::{
    engine::bench::generate::{Shape, generate},
    trouble::Result,
};

#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// How big the made-up snapshots are: bytes, or with K, M or G behind (1G is 10^9 bytes).
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = size)]
    size: u64,
    /// Only write one snapshot to FILE: big-values, small-keys or half-free.
    #[arg(long, value_name = "SHAPE", requires = "file")]
    generate: Option<Shape>,
    /// The file that --generate writes.
    #[arg(value_name = "FILE", requires = "generate")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &BenchArgs) -> Result<()> {
    if let (Some(shape), Some(file)) = (args.generate, &args.file) {
        return interruptible(|cancel| {
            let mut meter = Meter::new(cancel.clone());
            let made = generate(shape, args.size, file, &mut |step| meter.step("", step));
            meter.done();
            made
        });
    }
    Ok(())
}

/// `1G`, `300M`, `64K` or plain bytes.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match text.get(digits.len()..) {
        Some("K") => 1000,
        Some("M") => 1_000_000,
        Some("G") => 1_000_000_000,
        Some("") => 1,
        _ => return Err("one of K, M and G may stand behind the number".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "it has to be a whole number")?;
    number.checked_mul(unit).ok_or_else(|| "it is too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("1G", 1_000_000_000), ("64K", 64_000), ("512", 512), ("0", 0)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for wrong in ["", "G", "1GG", "1T", "-1", "1.5G", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
