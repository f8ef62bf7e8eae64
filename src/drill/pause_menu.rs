//! The pause menu, shown after the trainee leaves the wizard during an exercise. The clock is stopped; the menu offers hints,
//! actions at the hosts, the way back, a reset, and the end. It reads and prints lines.

use super::session::{Exercise, State, TraineeInput, What};
use crate::{error::Result, tui::Step};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Back into the wizard.
    Back,
    /// A reset to the same cluster.
    Reset,
    /// The end of the exercise.
    Done,
}

const PROMPT: &str = "coach> ";

/// Runs the menu until the trainee has chosen what comes next; `step` is the wizard's step. A closed terminal ends the
/// exercise. `next` waits for the next line.
///
/// # Errors
/// If printing or reading fails.
pub fn run(
    exercise: &Exercise,
    step: Step,
    next: &mut dyn FnMut() -> Result<TraineeInput>,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Choice> {
    pause(&mut exercise.lock());
    print(&menu(&exercise.lock()))?;
    print(PROMPT)?;
    let choice = loop {
        let line = match next()? {
            TraineeInput::Typed(line) => line,
            TraineeInput::Told(words) => {
                print(&format!("\n{words}\n{PROMPT}"))?;
                continue;
            }
            TraineeInput::Hung | TraineeInput::Ended => {
                print("\n")?;
                break Choice::Done;
            }
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["b"] => break Choice::Back,
            ["r"] => break Choice::Reset,
            ["d" | "q"] => break Choice::Done,
            ["h"] => {
                let tip = super::coach::tip(&mut exercise.lock(), step);
                print(&tip.map_or("There are no more hints for this step.\n".into(), |tip| format!("{tip}\n")))?;
            }
            ["s"] => print(&format!("{}\n", super::Drill::brief_of(&exercise.lock())))?,
            ["a"] => print(&actions(&exercise.lock()))?,
            ["a", number] => print(&act(&mut exercise.lock(), number))?,
            _ => print(&menu(&exercise.lock()))?,
        }
        print(PROMPT)?;
    };
    if choice == Choice::Back {
        resume(&mut exercise.lock());
    }
    Ok(choice)
}

fn pause(state: &mut State) {
    state.note(What::Pause, "paused");
    state.clock.stop();
}

fn resume(state: &mut State) {
    state.clock.go();
    state.note(What::Pause, "resumed");
}

fn menu(state: &State) -> String {
    let seconds = state.clock.elapsed().as_secs();
    let actions = match state.lab.scenario().actions.len() {
        0 => String::new(),
        n => format!("  a   list what can be done at the hosts ({n}); a 1 does the first\n"),
    };
    format!(
        "\nPaused at {:02}:{:02}.\n  b   back to the wizard, as you left it\n  h   a hint for the step you were at\n{actions}  \
         s   show the story again\n  r   reset: start again with the same cluster\n  d   done: end the exercise and show the debrief\n",
        seconds / 60,
        seconds % 60
    )
}

fn actions(state: &State) -> String {
    let actions = &state.lab.scenario().actions;
    if actions.is_empty() {
        return "Nothing can be done at the hosts in this exercise.\n".into();
    }
    let each =
        actions.iter().enumerate().map(|(n, action)| format!("  a {}  {}\n", n + 1, state.lab.expand(&action.says)));
    each.collect()
}

fn act(state: &mut State, number: &str) -> String {
    let at = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let action = at.and_then(|n| state.lab.scenario().actions.get(n).cloned());
    let Some(action) = action else { return actions(state) };
    match state.act_at_host(&action.act) {
        Ok(gives) => format!("{gives}\n"),
        Err(error) => format!("Failed: {error}\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::drill::{Drill, scenario::library};

    fn in_menu(drill: &Drill, step: Step, typed: &str) -> (Choice, String) {
        let typed = typed.lines().map(|line| TraineeInput::Typed(line.into()));
        hearing(drill, step, typed.collect())
    }

    fn hearing(drill: &Drill, step: Step, lines: Vec<TraineeInput>) -> (Choice, String) {
        let (mut said, mut lines) = (String::new(), lines.into_iter());
        let choice = run(&drill.exercise, step, &mut || Ok(lines.next().unwrap_or(TraineeInput::Hung)), &mut |text| {
            said.push_str(text);
            Ok(())
        });
        (choice.unwrap(), said)
    }

    #[test]
    fn an_instructor_reaches_the_menu_and_may_end_it() {
        let drill = Drill::set_up(library::find("wait-and-see", None).unwrap(), Default::default()).unwrap();
        let word = "Instructor: the phone rings";
        let (choice, said) = hearing(
            &drill,
            Step::Detect,
            vec![TraineeInput::Told(word.into()), TraineeInput::Ended, TraineeInput::Typed("b".into())],
        );
        assert_eq!(choice, Choice::Done);
        assert!(said.ends_with(&format!("{word}\ncoach> \n")), "{said}");
    }

    #[test]
    fn the_menu_stops_the_clock_gives_hints_and_acts() {
        let scenario = library::find("wait-and-see", None).unwrap();
        let drill = Drill::set_up(scenario, Default::default()).unwrap();
        let (choice, said) = in_menu(&drill, Step::Detect, "h\nh\nh\nh\nhuh\na\na 7\na 1\nb\n");
        assert_eq!(choice, Choice::Back);
        for part in [
            "What is enough for a quorum",
            "Its disk is intact",
            "no more hints",
            "reset: start again",
            "a 1  Start etcd",
            "runs. Its unit",
        ] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
        let state = drill.exercise.lock();
        assert!(state.lab.has_quorum() && !state.clock.is_stopped());
        assert_eq!(state.timeline.iter().filter(|h| h.what == What::Tip).count(), 3);
        drop(state);
        let (choice, _) = in_menu(&drill, Step::Detect, "");
        assert_eq!(choice, Choice::Done, "a closed terminal ends the exercise");
        assert!(drill.exercise.lock().clock.is_stopped());
        assert_eq!(in_menu(&drill, Step::Detect, "r\n").0, Choice::Reset);
    }
}
