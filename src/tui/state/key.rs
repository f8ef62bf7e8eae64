//! Where the keyboard is, and what a key means there. Which key does what is in [`crate::tui::keymap`].

/// Where the keyboard is: a step, the text field, or one of the windows over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Step 1.
    Detect,
    /// Step 2.
    Snapshot,
    /// Step 3.
    Members,
    /// Step 4.
    Review,
    /// Step 5.
    Restore,
    /// Step 6.
    Launch,
    /// Step 7.
    Proof,
    /// A text field is open.
    Field,
    /// The list of keys.
    Help,
    /// The details of what was selected.
    Details,
    /// "Quit?"
    AskQuit,
    /// "Accept this file without a checksum?"
    AskUnhashed,
    /// "Stop the restore?"
    AskStop,
    /// "Replace the table by what was pasted?"
    AskPaste,
    /// "Write one key?"
    AskCanary,
    /// "Start this member?"
    AskStart,
    /// "Dry run?"
    AskRehearse,
    /// "Resume the earlier run?"
    AskUnfinished,
    /// "Make a new token?"
    AskToken,
    /// "Do it, although something would be lost?"
    AskSure,
    /// The list of the step's actions.
    Menu,
    /// What was asked for waits for something that is under way.
    Held,
}

/// What a key does. What it means in a step is the step's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is described by its line in the table")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Next,
    Back,
    Step(u8),
    Help,
    Note,
    Quit,
    Interrupt,
    Suspend,
    AskAgain,
    Endpoints,
    Cluster,
    Gone,
    Label,
    OpenFile,
    Details,
    Agree,
    Compare,
    StopWork,
    Add,
    Remove,
    LookAtHosts,
    FillHosts,
    Undo,
    TakeFix,
    Other,
    PasteCluster,
    FreshToken,
    SavePlan,
    Rehearse,
    Closer,
    Unfinished,
    Retry,
    Copy,
    WriteSheet,
    Runbook,
    StartMember,
    Canary,
    Submit,
    SubmitNext,
    TakeFixTyping,
    Leave,
    Close,
    Yes,
    Menu,
    FocusNext,
    FocusBefore,
    Filter,
    Toggle,
    Decide,
}
