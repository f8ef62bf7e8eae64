//! What must hold on the hosts and of the old cluster before anything is installed.

pub mod blocker;
pub mod blockers;
pub mod final_check;
pub(crate) mod host_report;
pub mod hosts;
pub mod programs;
pub mod second_run;
pub mod space;
pub mod start;
pub mod stop;
