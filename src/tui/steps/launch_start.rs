//! Launch on other hosts: what they report about themselves, and starting the selected member by what starts an etcd
//! there.

use super::{
    super::{
        app::{Model, Overlay, leave_when_safe},
        keymap::Action,
        messages::Effect,
        widgets::theme::Tone,
    },
    Step,
};
use crate::text::join;
use crate::{
    domain::{
        model::{
            host_address,
            plan::{Member, Plan},
        },
        preflight::start::Start,
        render::start::HostKnown,
    },
    error::{Error, Result as Outcome},
    execute::start::StartOption,
    system::journal,
};

/// What other hosts reported, and what became of starting members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that asks the hosts.
    asking: Option<u64>,
    /// For which plan they were asked.
    asked: Option<String>,
    /// What they reported.
    pub known: Vec<HostKnown>,
    /// Why some did not, with the host's name.
    troubles: Vec<(String, Error)>,
    /// The effect that looks how a member would be started.
    looking: Option<u64>,
    /// The member that is asked about, and the commands for it.
    offer: Option<(StartOption, Vec<String>)>,
    /// The effect that starts a member, and its name.
    starting: Option<(u64, String)>,
    /// What became of members.
    ended: Vec<(String, String, Tone)>,
}

impl State {
    pub(super) fn starting_id(&self) -> Option<u64> {
        self.starting.as_ref().map(|(id, _)| *id)
    }

    fn ends(&mut self, member: &str, words: String, tone: Tone) {
        self.ended.retain(|(name, ..)| name != member);
        self.ended.push((member.into(), words, tone));
    }
}

fn selected(model: &Model) -> Option<(&Plan, &Member)> {
    let plan = model.restore.plan.as_ref()?;
    Some((plan, plan.members.get(model.launch.at)?))
}

/// Asks the other hosts once for each plan: their addresses, and how their etcds were started until now.
pub(in crate::tui) fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.restore.plan.clone() else { return Vec::new() };
    let far = plan.members.iter().filter(|m| !host_address::is_local(&m.host));
    let names: Vec<String> = far.map(|m| m.name.clone()).collect();
    if names.is_empty() || model.launch.started.asked.as_ref() == Some(&plan.short_id()) {
        return Vec::new();
    }
    let id = model.id();
    let asked = Some(plan.short_id());
    model.launch.started = State { asking: Some(id), asked, ..State::default() };
    vec![Effect::KnowHosts { id, plan: Box::new(plan), names }]
}

pub(in crate::tui) fn hosts_known(model: &mut Model, id: u64, hosts: Vec<HostKnown>, troubles: Vec<(String, Error)>) {
    let state = &mut model.launch.started;
    if state.asking == Some(id) {
        (state.asking, state.known, state.troubles) = (None, hosts, troubles);
    }
}

pub(super) fn can(model: &Model) -> Result<(), String> {
    let state = &model.launch.started;
    match (&state.starting, selected(model)) {
        (_, None) => Err("There is no restored plan to launch.".into()),
        (Some((_, name)), _) => Err(format!("{name} is being started.")),
        _ if state.looking.is_some() => Err("The host is being checked.".into()),
        _ => Ok(()),
    }
}

/// True while a host is looked at, or a member started.
pub(super) fn is_busy(model: &Model) -> bool {
    let state = &model.launch.started;
    state.starting.is_some() || state.looking.is_some()
}

/// Looks how the selected member would be started; what is found is asked for.
pub(super) fn ask(model: &mut Model) -> Vec<Effect> {
    let Some((plan, member)) = selected(model) else { return Vec::new() };
    let (plan, name) = (Box::new(plan.clone()), member.name.clone());
    let journal = journal::of_plan(&model.options.journals, &plan);
    let id = model.id();
    model.launch.started.looking = Some(id);
    model.say(Tone::Plain, format!("Checking how {name} can be started on its host."));
    // the question comes here: no key that is pressed before it may answer it
    model.open(Overlay::Held(Action::StartMember));
    vec![Effect::Offer { id, plan, name, journal }]
}

pub(in crate::tui) fn offered(model: &mut Model, id: u64, result: Outcome<Vec<StartOption>>) {
    if model.launch.started.looking != Some(id) {
        return;
    }
    model.launch.started.looking = None;
    model.status = None;
    if model.overlay == Some(Overlay::Held(Action::StartMember)) {
        model.overlay = None;
    }
    let offer = match result {
        Ok(offers) => offers.into_iter().next(),
        Err(error) => return super::super::app::show_error(model, &error),
    };
    let Some(offer) = offer else { return };
    let member = offer.member.clone();
    match &offer.how {
        Ok(Start::By(commands)) => {
            let commands = commands.clone();
            // over nothing else: what is being typed there must not answer it
            if model.step == Step::Launch && model.overlay.is_none() && model.prompt.is_none() {
                model.launch.started.offer = Some((offer, commands));
                model.open(Overlay::Start);
            } else {
                model.say(Tone::Plain, format!("{member} can be started from here: press s on Launch."));
            }
        }
        Ok(Start::Runs(pid)) => {
            let pid = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            model.launch.started.ends(&member, format!("{member} is already running{pid}"), Tone::Good);
        }
        Err(why) => {
            let words = format!("{member} must be started by hand: {why}");
            model.launch.started.ends(&member, words, Tone::Warn);
        }
    }
}

/// What is asked before a member is started.
pub(in crate::tui) fn start_words(model: &Model) -> (String, Vec<String>) {
    let Some((offer, commands)) = &model.launch.started.offer else { return (String::new(), Vec::new()) };
    let host = if host_address::is_local(&offer.host) { "this machine" } else { &offer.host };
    let mut lines = vec![format!("This is run on {host}, now:"), String::new()];
    lines.extend(commands.iter().map(|command| format!("  {command}")));
    lines.push(String::new());
    lines.push(
        "The first member waits for the second; that is normal. Start the others within a minute, then see on Proof \
         what they serve."
            .into(),
    );
    (format!("Start {} on {host}?", offer.member), lines)
}

/// The operator agreed to a member being started.
pub(in crate::tui) fn agree(model: &mut Model) -> Vec<Effect> {
    let offer = model.launch.started.offer.take();
    let (Some((offer, commands)), Some(plan)) = (offer, model.restore.plan.clone()) else { return Vec::new() };
    let journal = journal::of_plan(&model.options.journals, &plan);
    let id = model.id();
    model.launch.started.starting = Some((id, offer.member.clone()));
    vec![Effect::Start { id, plan: Box::new(plan), name: offer.member, commands, journal }]
}

pub(in crate::tui) fn started(model: &mut Model, id: u64, result: Outcome<String>) -> Vec<Effect> {
    let state = &mut model.launch.started;
    let Some((_, name)) = state.starting.take_if(|(starting, _)| *starting == id) else { return Vec::new() };
    match result {
        Ok(words) => state.ends(&name, words, Tone::Good),
        Err(error) => state.ends(&name, format!("{name}: {}: {}", error.what, error.why), Tone::Bad),
    }
    leave_when_safe(model)
}

/// What is shown about the selected member, and its tone.
pub(super) fn words(model: &Model) -> Option<(String, Tone)> {
    let (_, member) = selected(model)?;
    let state = &model.launch.started;
    if let Some((_, name)) = state.starting.as_ref().filter(|(_, name)| *name == member.name) {
        return Some((
            format!("{name} is being started; this ends when a process holds its data directory."),
            Tone::Plain,
        ));
    }
    if let Some((_, words, tone)) = state.ended.iter().find(|(name, ..)| *name == member.name) {
        return Some((join::sentence(words), *tone));
    }
    if host_address::is_local(&member.host) {
        return None;
    }
    if state.asking.is_some() {
        let words = "Asking the hosts for their addresses and how their etcds were started before.";
        return Some((words.into(), Tone::Faint));
    }
    let (_, error) = state.troubles.iter().find(|(host, _)| host.is_empty() || *host == member.host)?;
    let words = format!("It is not known how its etcd was started before: {}", error.what);
    Some((join::sentence(&words), Tone::Warn))
}
