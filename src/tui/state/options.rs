//! What the wizard starts from.

use std::path::PathBuf;

use super::step::Step;
use crate::{domain::model::plan::Plan, etcd::version::Minor, system::DataDir};

/// What the wizard starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Client URLs to ask, as given.
    pub endpoints: Vec<String>,
    /// Files and directories in which snapshots are looked for.
    pub places: Vec<PathBuf>,
    /// Data directories to look at, besides those that configurations name.
    pub data_dirs: Vec<DataDir>,
    /// What the operator calls the cluster, where it was given.
    pub label: Option<String>,
    /// Where new data directories, saved snapshots and files are proposed; absolute.
    pub base_dir: PathBuf,
    /// The current directory, absolute: relative paths that are typed are meant from here.
    pub here: PathBuf,
    /// Where journals are kept; absolute.
    pub journals: PathBuf,
    /// The etcd version that will run on the result, where it was given.
    pub target: Option<Minor>,
    /// The operator's inventory: who shall be in the new cluster.
    pub inventory: Vec<crate::domain::members::inventory::InventoryHost>,
    /// A plan to start from: its source, table, token and label are taken over.
    pub plan: Option<Plan>,
    /// Lines to show at the foot of a step.
    pub notes: Vec<(Step, String)>,
    /// True where a coach is connected who can be asked for more of them.
    pub accompanied: bool,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// Draw without colours.
    pub mono: bool,
    /// No screens: lines, and numbered choices.
    pub plain: bool,
    /// Nothing is written, neither here nor on a host nor to a cluster.
    pub look_only: bool,
}
