//! A shell in place of `ssh`: hosts that are silent, endless, or do not read.
#![allow(clippy::unwrap_used)]

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;

/// A far end that does what this script says.
fn begin(script: &str, stop: Stop<'_>) -> Result<Session> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Session::begin("h1", shell, "", stop)
}

#[test]
fn a_host_that_prints_without_end_is_bounded() {
    for script in ["exec yes x", "echo requorum-look 1; exec yes 'etcd 1 x'", "exec tr '\\0' x </dev/zero"] {
        assert_eq!(begin(script, &|| false).err().unwrap().kind, ErrorKind::NoAnswer, "{script}");
    }
}

/// A line every now and then: the silence that the wish to stop was looked at in never comes.
#[test]
fn a_stop_works_between_a_hosts_lines() {
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 20;
    let drip = "echo requorum-look 1; while echo user x; do sleep 0.02; done";
    assert_eq!(begin(drip, &stop).err().unwrap().kind, ErrorKind::Stopped);
}

/// It answers what it is asked before it is sent anything, and then takes nothing more than a pipe holds.
#[test]
fn a_stop_works_while_a_host_reads_nothing() {
    let told = "echo requorum-look 1; echo system Linux; echo user x; echo end; exec sleep 1000";
    let mut session = begin(told, &|| false).unwrap();
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 3;
    assert_eq!(session.write(&vec![0; 1 << 20], &stop).unwrap_err().kind, ErrorKind::Stopped);
    assert!(pipe::hold(&session.input).is_none(), "half a message is followed by nothing");
    assert_eq!(session.tell(&Request::Bye, &|| false).unwrap_err().kind, ErrorKind::Stopped);
}

/// Where nothing was begun there is nothing to wait for.
#[test]
fn a_silent_host_is_left_at_once() {
    let begun = Instant::now();
    assert_eq!(begin("exec sleep 1000", &|| true).err().unwrap().kind, ErrorKind::Stopped);
    assert!(begun.elapsed() < FAREWELL);
}

/// One that says nothing at all, one that stops in the middle of a line, and one that falls silent after a while.
#[test]
fn a_host_that_falls_silent_is_called_dead() {
    let told = "echo requorum-look 1; echo system Linux; echo user x; echo end; ";
    let beat = "echo '\"heartbeat\"'; ";
    for end in ["", "printf '\"do'; ", beat, &beat.repeat(9)] {
        let mut session = begin(&format!("{told}{end}exec sleep 1000"), &|| false).unwrap();
        session.silence = Duration::from_millis(200);
        let error = session.ask(&Request::DiscoverConfigs, &|| false, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoAnswer, "{end}: {error}");
        assert!(pipe::hold(&session.input).is_none() && !session.working, "{end}: nothing more is sent");
        let error = session.ask(&Request::DiscoverConfigs, &|| false, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Stopped, "{end}: {error}");
    }
}

/// Longer than the limit as a whole, by heartbeats, steps or the pieces of one line, and then an answer.
#[test]
fn a_host_showing_progress_is_awaited() {
    let told = "echo requorum-look 1; echo system Linux; echo user x; echo end; read -r asked; ";
    let step = "{\"progress\":{\"phase\":\"Hash\",\"done\":1,\"total\":2}}";
    for (sign, last) in
        [("echo '\"heartbeat\"'", "\"done\""), (&format!("echo '{step}'"), "\"done\""), ("printf ' '", "\"done\"")]
    {
        let work = format!("for n in 1 2 3 4 5 6 7 8; do {sign}; sleep 0.25; done; echo '{last}'; exec cat");
        let mut session = begin(&format!("{told}{work}"), &|| false).unwrap();
        session.silence = Duration::from_millis(1500);
        let answer = session.ask(&Request::DiscoverConfigs, &|| false, &mut |_| {});
        assert_eq!(answer.unwrap(), Event::Done, "{sign}");
    }
}

#[test]
fn a_stop_reported_by_a_host_is_failure() {
    let told = "echo requorum-look 1; echo system Linux; echo user x; echo end; ";
    let line = "{\"failed\":{\"kind\":\"Stopped\",\"what\":\"x\",\"why\":\"\",\"hint\":\"y\\nAll members serve.\"}}";
    let mut session = begin(&format!("{told} echo '{}'; exec cat", line.replace('\\', "\\\\")), &|| false).unwrap();
    let error = session.answer(&|| false, &mut |_| {}).unwrap_err();
    assert_eq!((error.kind, error.hint.as_str()), (ErrorKind::Failed, "y\n  All members serve."));
}

#[test]
fn a_flood_of_steps_is_stopped() {
    let told = "echo requorum-look 1; echo system Linux; echo user x; echo end; ";
    let flood = format!("{told} exec yes '{{\"progress\":{{\"phase\":\"Hash\",\"done\":1,\"total\":2}}}}'");
    let mut session = begin(&flood, &|| false).unwrap();
    let line = session.line(&|| false, None).unwrap().unwrap();
    let step: Event = codec::parse(&line).unwrap();
    assert!(matches!(step, Event::Progress(_)), "{step:?}");
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 20;
    session.parting = Duration::ZERO;
    assert!(session.answer(&stop, &mut |_| {}).is_err());
    drop(session);
    let long = Event::Failed(Error::new(ErrorKind::Failed, format!("\u{1b}[2J{}", "x".repeat(1 << 20))));
    let mut line = Vec::new();
    codec::write(&mut line, &long).unwrap();
    let mut session = begin(&format!("{told} cat"), &|| false).unwrap();
    session.write(&line, &|| false).unwrap();
    let error = session.answer(&|| false, &mut |_| {}).unwrap_err();
    assert!(error.what.len() < 5000 && !error.what.contains('\u{1b}'), "{}", error.what.len());
}
