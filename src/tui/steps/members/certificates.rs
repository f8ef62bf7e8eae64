//! The certificates that the table names: read again whenever other ones are named.

use crate::{
    domain::members::certificates,
    tui::state::{members::Certificates, messages::Effect, model::Model},
};

/// What has to be read now: called after every message, for cells change in many ways.
pub(in crate::tui) fn look_at_certificates(model: &mut Model) -> Option<Effect> {
    let named = certificates::named(&model.members.rows);
    if named == model.members.certs.named {
        return None;
    }
    // What was read of other files says nothing of these.
    model.members.certs = Certificates { named: named.clone(), ..Certificates::default() };
    if named.is_empty() {
        return None;
    }
    let id = model.id();
    model.members.certs.reading = Some(id);
    Some(Effect::Certificates { id, named })
}

/// What was read, unless other files are named by now.
pub(in crate::tui) fn certificates(model: &mut Model, id: u64, seen: certificates::CertificateFacts) {
    if model.members.certs.reading == Some(id) {
        model.members.certs.reading = None;
        model.members.certs.seen = seen;
    }
}
