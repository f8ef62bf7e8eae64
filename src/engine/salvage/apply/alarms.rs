//! Alarms: which are raised, and what each refuses.
//!
//! Source: etcd `server/etcdserver/apply/uber_applier.go`, `capped.go`, `corrupt.go` (3.6, 3.7), `apply.go` (3.4, 3.5).

use prost::Message;

use super::{Buckets, Doubt, Outcome, Refusal, State};
use crate::etcd::{
    proto::AlarmMember,
    raft_request::request::{Action, Alarm, Op, OpRequest, Txn},
    schema,
    version::Minor,
};

const NOSPACE: i32 = 1;
const CORRUPT: i32 = 2;
const ACTIVATE: i32 = 1;
const DEACTIVATE: i32 = 2;

/// What a server refuses because of alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applier {
    capped: bool,
    corrupt: bool,
    /// Whether permissions are checked: 3.4 and 3.5 skip that for an alarm raised while they run.
    pub(super) checks_permissions: bool,
}

impl Applier {
    /// As at the start of a server.
    pub(super) fn restored(buckets: &Buckets) -> Applier {
        let raised = |kind| raised(buckets, kind) > 0;
        Applier { capped: raised(NOSPACE), corrupt: raised(CORRUPT), checks_permissions: true }
    }
}

/// How many alarms of a kind are raised.
fn raised(buckets: &Buckets, kind: i32) -> usize {
    let alarms = buckets.rows(schema::ALARM).filter_map(|(key, _)| AlarmMember::decode(&**key).ok());
    alarms.filter(|alarm| alarm.alarm == kind).count()
}

impl State {
    /// Returns why a raised alarm refuses a request, if one does.
    pub(super) fn alarmed(&mut self, action: &Action) -> Option<Refusal> {
        use Action::{Compaction, DeleteRange, LeaseGrant, LeaseRevoke, Put, Txn};
        let Applier { capped, corrupt, .. } = self.applier;
        match action {
            Put(_) | DeleteRange(_) | Txn(_) | Compaction(_) | LeaseGrant(_) | LeaseRevoke(_) if corrupt => {
                Some(Refusal::Corrupt)
            }
            Put(_) | LeaseGrant(_) if capped => Some(Refusal::NoSpace),
            Txn(txn) if capped && puts(txn, true) => {
                let nested_only = !puts(txn, false);
                // 3.4 never counted them.
                if nested_only && self.rules.minor > Minor::V3_4 {
                    self.patch_doubt(Doubt::NestedPuts);
                }
                (!nested_only || self.rules.counts_nested_puts()).then_some(Refusal::NoSpace)
            }
            _ => None,
        }
    }

    pub(super) fn alarm(&mut self, request: Alarm) -> Outcome {
        let kind = request.alarm;
        let row = AlarmMember { member_id: request.member_id, alarm: kind }.encode_to_vec();
        let before = raised(&self.buckets, kind);
        let changed = match request.action {
            // 3.4 stores an alarm of no kind.
            ACTIVATE if kind == 0 && self.rules.minor >= Minor::V3_5 => false,
            ACTIVATE if self.buckets.get(schema::ALARM, &row).is_none() => {
                self.buckets.put(schema::ALARM, &row, b"");
                true
            }
            DEACTIVATE => self.buckets.delete(schema::ALARM, &row),
            _ => false,
        };
        let left = raised(&self.buckets, kind);
        if self.rules.minor >= Minor::V3_6 {
            if [ACTIVATE, DEACTIVATE].contains(&request.action) {
                self.applier = Applier::restored(&self.buckets);
            }
        } else if [NOSPACE, CORRUPT].contains(&kind) {
            if request.action == ACTIVATE && before == 0 && left == 1 {
                let (capped, corrupt) = (kind == NOSPACE, kind == CORRUPT);
                self.applier = Applier { capped, corrupt, checks_permissions: false };
            } else if request.action == DEACTIVATE && before > 0 && left == 0 {
                // Even if the other kind is still raised.
                self.applier = Applier { capped: false, corrupt: false, checks_permissions: true };
            }
        }
        if changed { Outcome::Changed } else { Outcome::Unchanged }
    }
}

/// Returns whether a transaction has a put in either branch, or in a transaction in one of them.
fn puts(txn: &Txn, nested: bool) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op: &Op| match &op.request {
        Some(OpRequest::Put(_)) => true,
        Some(OpRequest::Txn(inner)) => nested && puts(inner, true),
        _ => false,
    })
}
