//! Launch on other hosts: what they report about themselves, and starting the selected member by what starts an etcd
//! there.

use crate::{
    domain::{model::host_address, preflight::start::Start, render::start::HostKnown},
    error::{Error, Result as Outcome},
    execute::start::StartOption,
    system::journal,
    tui::{
        selectors::launch::selected,
        state::{
            key::Action,
            launch_start::State,
            messages::Effect,
            model::{Model, Overlay},
            step::Step,
        },
        steps::leaving::leave_when_safe,
        widgets::theme::Tone,
    },
};

/// Asks the other hosts once for each plan: their addresses, and how their etcds were started until now.
pub(in crate::tui) fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.restore.plan.clone() else { return Vec::new() };
    let far = plan.members.iter().filter(|m| !host_address::is_local(&m.host));
    let names: Vec<String> = far.map(|m| m.name.clone()).collect();
    // the program would be sent there
    if model.options.look_only || names.is_empty() || model.launch.started.asked.as_ref() == Some(&plan.short_id()) {
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
        Err(error) => return model.say_error(&error),
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
                model.with_keys(&[Action::StartMember]);
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
