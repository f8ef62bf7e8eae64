//! Every scenario that the program carries: not passed untouched, by none of its wrong ways, and by the expert's path,
//! each walked with keys through the wizard's own `update` loop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use libtest_mimic::{Arguments, Failed, Trial};
use requorum::drill::{
    play,
    scenario::{library::BUILT_IN, parse},
};

fn main() -> std::process::ExitCode {
    let trials = BUILT_IN
        .iter()
        .map(|(name, text)| {
            Trial::test(*name, move || {
                let scenario = parse(name, text).map_err(|e| Failed::from(e.to_string()))?;
                play::prove(&scenario, None).map_err(|e| Failed::from(e.to_string()))
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
