//! Starts installed members with what normally starts etcd on their hosts: first it finds out how, then it starts each
//! that the operator agreed to. Hosts are handled in parallel, since the first member waits for the second.

use super::{
    Cancel, discover,
    events::{EventReporter, EventSink, HostEvent},
    journal_seal,
    prepare::PreparedHost,
    side_by_side::side_by_side,
    spec::ExecutionSpec,
};
use crate::{
    agent::protocol::{Event, Request},
    domain::{
        model::plan::Member,
        preflight::{
            hosts,
            start::{self, Start},
            stop::RunningEtcd,
        },
    },
    engine::progress::Flow,
    error::{Error, Result},
    execute::RowEvent,
    system::{
        journal::{self, Journal},
        ssh::{Programs, unexpected},
    },
};

/// How a member is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOption {
    /// Its host's name in the plan.
    pub host: String,
    /// Its name.
    pub member: String,
    /// The commands, or why it has to be started by session, as a sentence without a full stop.
    pub how: std::result::Result<Start, String>,
}

/// Finds out how the job's members would be started, in the order of the hosts. Nothing is written except the program,
/// which is removed again.
///
/// # Errors
/// When this program's own file cannot be read; `Stopped`.
pub fn offers(job: &ExecutionSpec<'_>, cancel: &Cancel) -> Result<Vec<StartOption>> {
    let groups = hosts::groups(job.plan, job.names);
    let programs = job.system.programs()?;
    let looked = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        let members: Vec<&Member> = members.iter().filter_map(|at| job.plan.members.get(*at)).collect();
        let dirs = members.iter().map(|m| (m.data_dir.clone(), m.wal_dir.clone())).collect();
        let around = discover::around(host, dirs, job.system, &programs, cancel).and_then(|(_, around)| around);
        let halted = halted(job, host);
        let how = |member: &Member| match &around {
            Ok(around) => start::start(job.plan, member, around, &halted),
            Err(error) => Err(error.to_string()),
        };
        let offer = |m: &&Member| StartOption { host: host.clone(), member: m.name.clone(), how: how(m) };
        Some(members.iter().map(offer).collect::<Vec<_>>())
    });
    job.stop(cancel)?;
    Ok(looked.into_iter().flatten().flatten().collect())
}

/// Returns what was stopped by consent on a host, according to the operator's journal; nothing if that cannot be read.
fn halted(job: &ExecutionSpec<'_>, host: &str) -> Vec<RunningEtcd> {
    let records = Journal::at(job.system, job.journal).read().unwrap_or_default();
    let here = records.iter().filter(|r| r.kind == journal::Event::Done);
    let here = here.filter(|r| r.data.get("host").and_then(|value| value.as_str()) == Some(host));
    here.filter_map(|r| serde_json::from_value(r.data.get("halt")?.clone()).ok()).collect()
}

/// Starts these members of the job by these commands, which the operator agreed to. The journal records the job's
/// decisions and each result.
///
/// # Errors
/// The first failure, after the others were tried.
pub fn start(
    job: &ExecutionSpec<'_>,
    orders: &[(String, Vec<String>)],
    cancel: &Cancel,
    hear: EventSink<'_>,
) -> Result<()> {
    let reporter = EventReporter::new(job, hear);
    reporter.decided()?;
    let names: Vec<String> = orders.iter().map(|(name, _)| name.clone()).collect();
    let groups = hosts::groups(job.plan, &names);
    let programs = job.system.programs()?;
    let done = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        let members: Vec<(&Member, &[String])> = members
            .iter()
            .filter_map(|at| {
                let member = job.plan.members.get(*at)?;
                let (_, commands) = orders.iter().find(|(name, _)| *name == member.name)?;
                Some((member, commands.as_slice()))
            })
            .collect();
        let outcome = on_host(job, host, &members, &programs, cancel, &reporter);
        if let Err(Failed::Host(error)) = &outcome {
            reporter.host(host, HostEvent::Failed(error.clone()));
        }
        Some(outcome.map_err(|(Failed::Host(error) | Failed::Member(error))| error))
    });
    done.into_iter().flatten().collect()
}

/// The error, and whether it was reported already.
enum Failed {
    Host(Error),
    Member(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Host(error)
    }
}

fn on_host(
    job: &ExecutionSpec<'_>,
    host: &str,
    members: &[(&Member, &[String])],
    programs: &Programs,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> std::result::Result<(), Failed> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut session = job.system.open_session(host, &[], &stop)?;
    let (program, way) = programs.choose(host, session.facts())?;
    session.start(program, &way, &stop, &mut |at| reporter.host(host, HostEvent::Program(at, program.bytes)))?;
    let targets = members.iter().flat_map(|(m, _)| hosts::dirs(m).map(|(_, dir)| dir.clone())).collect();
    journal_seal::claim(job, (host, &mut *session), targets, reporter, &stop, &mut |_| {})?;
    let mut outcome = Ok(());
    for (member, commands) in members {
        let name = &member.name;
        reporter.host(host, HostEvent::Starting(name.clone(), commands.to_vec()));
        let request = Request::Start { of: PreparedHost::subject(job, member), commands: commands.to_vec() };
        match session.ask(&request, &stop, &mut |_| {}) {
            Ok(Event::Started { pid, already }) => {
                reporter.host(host, HostEvent::Started { member: name.clone(), pid, already });
            }
            Ok(other) => {
                return Err(unexpected(host, &other).into());
            }
            Err(error) => {
                reporter.host(host, HostEvent::Row(name.clone(), RowEvent::Failed(error.clone())));
                outcome = outcome.and(Err(Failed::Member(error)));
            }
        }
    }
    session.close();
    outcome
}
