//! The coach's desk: where one is after leaving the wizard in the middle of an exercise. The clock stands still; there are
//! hints, hands at the hosts, the way back, a reset, and the end. Lines in, lines out, no screen.

use super::session::{Exercise, State, TraineeInput, What};
use crate::{error::Result, tui::Step};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Back into the wizard.
    Back,
    /// The same cluster anew.
    Reset,
    /// The end.
    Done,
}

const PROMPT: &str = "coach> ";

/// Sits down at the desk, coming from `step`, until the trainee knows how to go on. Who hangs up has done. `next` waits for
/// the next line.
///
/// # Errors
/// When nothing can be printed or read.
pub fn desk(
    exercise: &Exercise,
    step: Step,
    next: &mut dyn FnMut() -> Result<TraineeInput>,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Choice> {
    stop(&mut exercise.lock());
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
                print(&tip.map_or("That is all there is to say about this step.\n".into(), |tip| format!("{tip}\n")))?;
            }
            ["s"] => print(&format!("{}\n", super::Drill::brief_of(&exercise.lock())))?,
            ["a"] => print(&hands(&exercise.lock()))?,
            ["a", number] => print(&act(&mut exercise.lock(), number))?,
            _ => print(&menu(&exercise.lock()))?,
        }
        print(PROMPT)?;
    };
    if choice == Choice::Back {
        go(&mut exercise.lock());
    }
    Ok(choice)
}

fn stop(state: &mut State) {
    state.note(What::Pause, "the clock stands still");
    state.clock.stop();
}

fn go(state: &mut State) {
    state.clock.go();
    state.note(What::Pause, "the clock goes on");
}

fn menu(state: &State) -> String {
    let seconds = state.clock.elapsed().as_secs();
    let hands = match state.range.scenario().hands.len() {
        0 => String::new(),
        n => format!("  a   have something done at the hosts ({n}); a 1 does the first\n"),
    };
    format!(
        "\nThe clock stands still at {:02}:{:02}.\n  b   back into the wizard, as it was\n  h   a hint for where you were\n{hands}  \
         s   the story once more\n  r   reset: the same cluster anew\n  d   done: how it went\n",
        seconds / 60,
        seconds % 60
    )
}

fn hands(state: &State) -> String {
    let hands = &state.range.scenario().hands;
    if hands.is_empty() {
        return "There is nobody at the hosts who could do anything.\n".into();
    }
    let each = hands.iter().enumerate().map(|(n, hand)| format!("  a {}  {}\n", n + 1, state.range.expand(&hand.says)));
    each.collect()
}

fn act(state: &mut State, number: &str) -> String {
    let hand = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let Some(hand) = hand.and_then(|n| state.range.scenario().hands.get(n).cloned()) else { return hands(state) };
    match state.hand(&hand.act) {
        Ok(gives) => format!("{gives}\n"),
        Err(trouble) => format!("It could not be done: {trouble}\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::drill::{Drill, scenario::library};

    fn at_desk(drill: &Drill, step: Step, typed: &str) -> (Choice, String) {
        let typed = typed.lines().map(|line| TraineeInput::Typed(line.into()));
        hearing(drill, step, typed.collect())
    }

    fn hearing(drill: &Drill, step: Step, lines: Vec<TraineeInput>) -> (Choice, String) {
        let (mut said, mut lines) = (String::new(), lines.into_iter());
        let choice = desk(&drill.exercise, step, &mut || Ok(lines.next().unwrap_or(TraineeInput::Hung)), &mut |text| {
            said.push_str(text);
            Ok(())
        });
        (choice.unwrap(), said)
    }

    #[test]
    fn an_instructor_can_end_a_pause() {
        let drill = Drill::set_up(library::find("wait-and-see", None).unwrap(), Default::default()).unwrap();
        let told = TraineeInput::Told("Game master: the phone rings".into());
        let (choice, said) =
            hearing(&drill, Step::Detect, vec![told, TraineeInput::Ended, TraineeInput::Typed("b".into())]);
        assert_eq!(choice, Choice::Done);
        assert!(said.ends_with("Game master: the phone rings\ncoach> \n"), "{said}");
    }

    #[test]
    fn a_pause_stops_the_clock_and_gives_hints() {
        let scenario = library::find("wait-and-see", None).unwrap();
        let drill = Drill::set_up(scenario, Default::default()).unwrap();
        let (choice, said) = at_desk(&drill, Step::Detect, "h\nh\nh\nhuh\na\na 7\na 1\nb\n");
        assert_eq!(choice, Choice::Back);
        for part in [
            "What is enough for a quorum",
            "Its disk is whole",
            "That is all",
            "reset: the same",
            "a 1  Start etcd",
            "runs. Its unit",
        ] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
        let state = drill.exercise.lock();
        assert!(state.range.has_quorum() && !state.clock.stands());
        assert_eq!(state.timeline.iter().filter(|h| h.what == What::Tip).count(), 2);
        drop(state);
        let (choice, _) = at_desk(&drill, Step::Detect, "");
        assert_eq!(choice, Choice::Done, "who hangs up has done");
        assert!(drill.exercise.lock().clock.stands());
        assert_eq!(at_desk(&drill, Step::Detect, "r\n").0, Choice::Reset);
    }
}
