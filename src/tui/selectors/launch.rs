//! How each member is started, as the selected one is shown.

use crate::{
    domain::{
        model::{
            host_address,
            observations::{Answer, config::ConfigFacts},
            plan::{Member, Plan},
        },
        quorum::scope::Belongs,
        render::start::{self, HostKnown, Known, Launch, StartFormat},
    },
    text::join,
    tui::state::model::Model,
};

pub(in crate::tui) fn commands(model: &Model) -> Vec<Launch> {
    model.restore.plan.as_ref().map_or_else(Vec::new, |plan| start::commands_on(plan, &known(model)))
}

/// What the first step found on this machine, and what other hosts reported. The table was filled from it, so its flags
/// are not added once more.
pub(in crate::tui) fn known(model: &Model) -> Known {
    // a member of another cluster may have the same name
    let scope = model.detect.scope();
    let peers = || model.restore.plan.iter().flat_map(|plan| &plan.members).flat_map(|m| &m.peer_urls);
    let own = |config: &&ConfigFacts| {
        let at = config.get("initial-advertise-peer-urls").unwrap_or_default();
        let in_place = config.data_dir.as_ref().is_some_and(|dir| {
            model.restore.plan.iter().flat_map(|plan| &plan.members).any(|member| member.data_dir == *dir)
        });
        in_place
            || scope.of_config(config, &model.detect.dirs) != Belongs::Other
            || peers().any(|url| at.split(',').any(|own| own.trim() == url))
    };
    let configs = model.detect.configs.iter().filter(own).cloned().collect();
    let addresses = model.detect.addresses.clone();
    let version = model.detect.rows.iter().find_map(|row| match &row.facts.answer {
        Answer::Says(says) => says.version.parse().ok(),
        _ => None,
    });
    let here = HostKnown { host: host_address::LOCAL.into(), configs, adopt: false, addresses };
    let hosts = std::iter::once(here).chain(model.launch.started.known.clone()).collect();
    Known { version, hosts, ..Known::default() }
}

/// The start format in which the selected member is shown.
pub(in crate::tui) fn form(model: &Model) -> StartFormat {
    let fitting = || {
        let plan = model.restore.plan.as_ref()?;
        Some(StartFormat::fitting(plan, &plan.members.get(model.launch.at)?.name, &known(model)))
    };
    model.launch.form.or_else(fitting).unwrap_or(StartFormat::Shell)
}

/// The selected member in its start format.
pub(in crate::tui) struct Shown {
    /// What is seen.
    pub(in crate::tui) text: String,
    /// What is copied.
    pub(in crate::tui) copy: String,
    /// What to know, sentences without a full stop.
    pub(in crate::tui) notes: Vec<String>,
}

pub(in crate::tui) fn shown(model: &Model) -> Option<Shown> {
    let list = commands(model);
    let command = list.get(model.launch.at)?;
    let form = form(model);
    if form == StartFormat::Shell {
        let notes = command.notes.iter().chain(&command.changes).cloned().collect();
        return Some(Shown { text: command.pretty.clone(), copy: command.command.clone(), notes });
    }
    let plan = model.restore.plan.as_ref()?;
    Some(match start::page(plan, &command.member, form, &known(model)) {
        Ok(page) => Shown { text: page.start.clone(), copy: page.text(), notes: page.notes },
        Err(why) => {
            let text = format!("# {}", join::sentence(&why));
            Shown { copy: text.clone(), text, notes: Vec::new() }
        }
    })
}

/// The plan and its selected member.
pub(in crate::tui) fn selected(model: &Model) -> Option<(&Plan, &Member)> {
    let plan = model.restore.plan.as_ref()?;
    Some((plan, plan.members.get(model.launch.at)?))
}
