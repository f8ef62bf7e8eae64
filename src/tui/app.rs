//! The wizard as values: the [`Model`], and [`update`], which turns what happened ([`Msg`]) into what is to be done
//! ([`Effect`]).
//!
//! Nothing here reads a clock, a file, a socket or the terminal: the time comes as [`Msg::Tick`], results as messages
//! with the ID of the effect that they answer, and a result that is no longer waited for is dropped. A run can
//! therefore be replayed from its messages. Each step's own rules are in [`super::steps`].

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    error::Result,
    text::Shown,
    tui::{
        frame::{text_scrolls, window::most_scroll},
        keymap::{self, moved},
        selectors::{
            filter,
            review::{begins_answer, may_begin_answer},
        },
        state::{
            key::{Action, Place},
            leaving::WrittenPath,
            messages::{Effect, Msg},
            model::{Focus, Model, Overlay},
            prompt::Ask,
            step::Step,
        },
        steps::{
            self, blockers, can, detect, hosts, launch, launch_start,
            leaving::{interrupt, leave, terminated},
            members,
            menu::{self, OnButton},
            restore, resume, review, snapshot, snapshot_tasks, verify,
        },
        widgets::theme::Tone,
    },
};

/// Takes one message. What is to be done comes back as effects, in order.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let news = !matches!(
        msg,
        Msg::Tick(_) | Msg::LookAgain | Msg::Key(_) | Msg::Noted(_) | Msg::Stepped { .. } | Msg::Told { .. }
    );
    match &msg {
        // what was under way when the wizard was left does not answer any more
        Msg::Returned => model.under_way.clear(),
        msg => model.under_way.retain(|id| Some(*id) != msg.settles()),
    }
    let before = model.step;
    let mut effects = take(model, msg);
    if model.step != before {
        enter_focus(model);
    }
    effects.extend(members::look_at_certificates(model));
    if news {
        snapshot::relist(model);
        effects.extend(detect::confirm(model));
        effects.extend(detect::compare(model));
    }
    model.under_way.extend(effects.iter().filter_map(Effect::id));
    effects
}

/// Where the focus is when a step begins: on Review, which asks for the label, on the button that leads there.
fn enter_focus(model: &mut Model) {
    model.focus = if model.step == Step::Review { Focus::Button(0) } else { Focus::Body };
    model.below = 0;
    model.filter.clear();
}

fn take(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Start { now, fresh } => {
            model.started = now;
            model.members.fresh = fresh;
            let mut effects = detect::ask_all(model);
            effects.push(detect::look_around(model));
            effects.extend(resume::look(model));
            effects
        }
        Msg::Returned => {
            detect::forget_compared(model);
            model.detect.again = None;
            let asks = model.detect.asking() > 0;
            let mut effects = if asks { detect::ask_all(model) } else { Vec::new() };
            effects.extend(snapshot_tasks::again(model));
            if model.review.asking() {
                effects.extend(review::ask(model));
            }
            effects
        }
        Msg::LookAgain => detect::look_again(model),
        Msg::Tick(now_ms) => {
            model.now_ms = model.now_ms.max(now_ms);
            Vec::new()
        }
        Msg::Resized(columns, lines) => {
            model.size = (columns, lines);
            model.scroll = model.scroll.min(most_scroll(model));
            Vec::new()
        }
        Msg::Key(event) => press(model, event),
        Msg::Paste(text) => {
            paste(model, &text);
            Vec::new()
        }
        Msg::Terminated => terminated(model),
        Msg::Answered { id, answer } => detect::answered(model, id, answer),
        Msg::LookedAround { id, around } => {
            detect::looked_around(model, id, around);
            snapshot_tasks::take_dirs(model)
        }
        Msg::Hashed { id, hash } => {
            detect::hashed(model, id, hash);
            Vec::new()
        }
        Msg::HeldAgainst { id, compared } => {
            detect::held_against(model, id, compared);
            Vec::new()
        }
        Msg::Found { id, result } => snapshot_tasks::found(model, id, result),
        Msg::Stepped { id, progress } => {
            snapshot_tasks::stepped(model, id, progress);
            Vec::new()
        }
        Msg::Inspected { id, result } => snapshot_tasks::inspected(model, id, result),
        Msg::Looked { id, facts } => snapshot_tasks::looked(model, id, *facts),
        Msg::Related { id, result } => snapshot_tasks::related(model, id, result),
        Msg::Compared { id, result } => {
            snapshot_tasks::compared(model, id, result);
            Vec::new()
        }
        Msg::Saved { id, result } => snapshot_tasks::saved(model, id, result),
        Msg::HostSeen { id, look } => {
            hosts::seen(model, id, *look);
            Vec::new()
        }
        Msg::HostsSeen { id } => hosts::all_seen(model, id),
        Msg::Here { id, here } => {
            hosts::filled(model, id, &here);
            Vec::new()
        }
        Msg::Journals { id, found } => {
            let effects = snapshot_tasks::journaled(model, &found);
            resume::found(model, id, found);
            effects
        }
        Msg::Told { id, told } => {
            restore::on_event(model, id, *told);
            Vec::new()
        }
        Msg::ApplyEnded { id, result } => restore::ended(model, id, result),
        Msg::Fenced { id, seen, fences } => {
            blockers::fenced(model, id, seen, fences);
            Vec::new()
        }
        Msg::Seen { id, proof } => {
            verify::seen(model, id, proof);
            Vec::new()
        }
        Msg::Verified { id, result } => verify::verified(model, id, result),
        Msg::Written { id, path, result } => {
            written(model, id, path, result);
            Vec::new()
        }
        Msg::Copied { id, to } => {
            launch::copied(model, id, to);
            Vec::new()
        }
        Msg::HostsKnown { id, hosts, troubles } => {
            launch_start::hosts_known(model, id, hosts, troubles);
            Vec::new()
        }
        Msg::Offered { id, result } => {
            launch_start::offered(model, id, result);
            Vec::new()
        }
        Msg::Started { id, result } => launch_start::started(model, id, result),
        Msg::Certificates { id, seen } => {
            members::certificates(model, id, seen);
            Vec::new()
        }
        Msg::Noted(notes) => {
            model.options.notes = notes;
            Vec::new()
        }
        Msg::Fresh { id, now, fresh } => {
            members::fresh(model, id, now, fresh);
            Vec::new()
        }
    }
}

fn press(model: &mut Model, event: KeyEvent) -> Vec<Effect> {
    let place = model.place();
    if place == Place::Review
        && let Some(letter) = keymap::letter(event)
    {
        if begins_answer(model, letter) {
            // something is asked for: its first letter is text before it is a key
            return review::type_answer(model, letter);
        }
        if may_begin_answer(model, letter) {
            model.open(Overlay::Held(Action::Next));
            return Vec::new();
        }
    }
    // where a letter is text, its command works with Alt
    let event = match keymap::alt_letter(event).filter(|_| place == Place::Review) {
        Some(letter) => KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE),
        None => event,
    };
    let Some(binding) = keymap::lookup(place, event) else {
        if place == Place::Field {
            let now_ms = model.now_ms;
            if let Some(prompt) = &mut model.prompt
                && prompt.field.press(event)
            {
                prompt.touched_ms = now_ms;
                model.status = None;
            }
        } else if let Some(Overlay::Held(action)) = model.overlay
            && keymap::lookup(model.step.place(), event).is_some_and(|binding| binding.action == action)
        {
            // the same key once more asks once more
            model.status = None;
            return yes(model);
        } else if let Some(entry) = menu_letter(model, event) {
            model.overlay = None;
            return act(model, entry);
        } else if let Some(why) = keymap::elsewhere(place, event) {
            model.say(Tone::Warn, why);
        }
        return Vec::new();
    };
    model.status = None;
    act(model, binding.action)
}

/// The action whose letter was pressed in the menu.
fn menu_letter(model: &Model, event: KeyEvent) -> Option<Action> {
    model.overlay.filter(|overlay| *overlay == Overlay::Menu)?;
    let action = keymap::lookup(model.step.place(), event)?.action;
    menu::entries(model).iter().any(|entry| entry.binding.action == action).then_some(action)
}

/// Up and down, in the step's list and then in its text; past the end, to the buttons.
fn move_in_step(model: &mut Model, action: Action) -> Vec<Effect> {
    let text_only = matches!(action, Action::PageUp | Action::PageDown) && model.step == Step::Launch;
    if action == Action::Up && model.below > 0 {
        model.below -= 1;
        return Vec::new();
    }
    if action == Action::First {
        model.below = 0;
    }
    // the count of hidden lines names these keys, so they scroll the text before they move the selection
    match action {
        Action::PageDown if model.below < text_scrolls(model).most => {
            let scrolls = text_scrolls(model);
            model.below = (model.below + scrolls.page).min(scrolls.most);
            return Vec::new();
        }
        Action::PageUp if model.below > 0 => {
            let scrolls = text_scrolls(model);
            model.below = model.below.min(scrolls.most).saturating_sub(scrolls.page);
            return Vec::new();
        }
        _ => {}
    }
    let before = filter::selection(model);
    let effects = if text_only { Vec::new() } else { steps::act(model, action) };
    if filter::selection(model) != before {
        model.below = 0;
        return effects;
    }
    let scrolls = text_scrolls(model);
    let past = action == Action::Down && model.below >= scrolls.most;
    match action {
        Action::Down if past => model.focus = Focus::Button(0),
        Action::Down => model.below += 1,
        Action::Last => model.below = scrolls.most,
        _ => {}
    }
    effects
}

/// Does what a key means, or says why not.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let action = match menu::on_button(model, action) {
        OnButton::Does(action) => action,
        OnButton::Moved => return Vec::new(),
        OnButton::Passes => action,
    };
    if let Err(why) = can(model, action) {
        if steps::awaits(model, action) {
            model.open(Overlay::Held(action));
        }
        model.say(Tone::Warn, why);
        return Vec::new();
    }
    if model.overlay.is_none() && model.prompt.is_none() && steps::question(model, action).is_some() {
        model.open(Overlay::Sure(action));
        return Vec::new();
    }
    match action {
        Action::Suspend => vec![Effect::Suspend],
        Action::Interrupt => interrupt(model),
        Action::Quit => {
            model.open(Overlay::Quit);
            Vec::new()
        }
        Action::Help => {
            model.open(Overlay::Help);
            Vec::new()
        }
        Action::Close => {
            model.overlay = None;
            Vec::new()
        }
        Action::Yes => yes(model),
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last
            if model.overlay == Some(Overlay::Menu) =>
        {
            model.pick = moved(model.pick, action, menu::entries(model).len());
            Vec::new()
        }
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last
            if model.overlay.is_none() && model.prompt.is_none() =>
        {
            move_in_step(model, action)
        }
        Action::FocusNext | Action::FocusBefore => {
            menu::leave_body(model, action);
            Vec::new()
        }
        Action::Menu => {
            model.open(Overlay::Menu);
            Vec::new()
        }
        Action::Toggle => {
            model.yes = !model.yes;
            Vec::new()
        }
        Action::Decide if model.yes => yes(model),
        Action::Decide => {
            model.overlay = None;
            Vec::new()
        }
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last
            if model.overlay.is_some() =>
        {
            model.scroll = moved(model.scroll, action, most_scroll(model) + 1);
            Vec::new()
        }
        Action::Submit => super::dialogs::submit(model),
        Action::SubmitNext => super::dialogs::submit_next(model),
        Action::TakeFixTyping => {
            members::take_fix_typing(model);
            Vec::new()
        }
        Action::Leave => {
            model.prompt = None;
            Vec::new()
        }
        Action::Label => {
            let label = model.label.clone();
            model.ask(Ask::Label, label);
            Vec::new()
        }
        Action::Note => vec![Effect::Note],
        Action::Next => steps::next(model),
        Action::Back if !model.filter.is_empty() => {
            model.filter.clear();
            model.below = 0;
            Vec::new()
        }
        Action::Back => {
            if let Some(before) = model.step.before() {
                steps::go_back(model, before);
            }
            Vec::new()
        }
        Action::Step(number) => steps::jump(model, number),
        action => steps::act(model, action),
    }
}

fn paste(model: &mut Model, text: &str) {
    let now_ms = model.now_ms;
    if model.step == Step::Members && model.overlay.is_none() && members::pasted(model, text) {
        return;
    }
    match &mut model.prompt {
        Some(prompt) if model.overlay.is_none() => {
            prompt.field.paste(text);
            prompt.touched_ms = now_ms;
            model.status = None;
        }
        _ => model.say(Tone::Warn, "Text can be pasted only into an open text field; the paste was ignored."),
    }
}

fn yes(model: &mut Model) -> Vec<Effect> {
    match model.overlay.take() {
        Some(Overlay::Quit) => leave(model),
        Some(Overlay::Unhashed) => snapshot::agree(model),
        Some(Overlay::Stop) => restore::stop(model),
        Some(Overlay::Canary) => verify::agree(model),
        Some(Overlay::Start) => launch_start::agree(model),
        Some(Overlay::Pasted) => {
            members::take_pasted(model);
            Vec::new()
        }
        Some(Overlay::Rehearse) => restore::rehearse(model),
        Some(Overlay::Unfinished) => resume::go_on(model),
        Some(Overlay::Token) => members::new_token(model),
        Some(Overlay::Menu) => {
            let picked = menu::entries(model).get(model.pick).map(|entry| entry.binding.action);
            // what was picked is meant for the step, not for its button
            model.focus = if picked == Some(Action::Open) { Focus::Body } else { model.focus };
            picked.map_or_else(Vec::new, |action| act(model, action))
        }
        Some(Overlay::Held(action)) => match steps::held(model, action) {
            Err(why) if action == Action::Next && model.step == Step::Review => {
                model.open(Overlay::Held(action));
                model.say(Tone::Warn, why);
                Vec::new()
            }
            _ => act(model, action),
        },
        Some(Overlay::Sure(action)) => sure(model, action),
        _ => Vec::new(),
    }
}

/// What was asked about was agreed to; it may have become impossible meanwhile.
fn sure(model: &mut Model, action: Action) -> Vec<Effect> {
    match can(model, action) {
        Ok(()) => steps::act(model, action),
        Err(why) => {
            model.say(Tone::Warn, why);
            Vec::new()
        }
    }
}

fn written(model: &mut Model, id: u64, path: PathBuf, result: Result<()>) {
    let what = if model.review.writing == Some(id) {
        model.review.writing = None;
        "the plan"
    } else if let Some((_, what)) = model.launch.writing.filter(|(writing, _)| *writing == id) {
        model.launch.writing = None;
        what
    } else {
        return;
    };
    match result {
        Ok(()) => {
            model.say(Tone::Good, format!("Saved {what}: {}", path.shown()));
            model.written.push((path, WrittenPath::File(what)));
        }
        Err(error) => model.say_error(&error),
    }
}
