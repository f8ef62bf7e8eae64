//! Errors of an etcd server that requorum reacts to: identified by their gRPC code and the message that is part of
//! the API (`api/v3rpc/rpctypes/error.go`, the same from 3.4 to 3.7), read once where the answer arrives.

/// An error of an etcd server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerError {
    /// The member has no leader.
    NoLeader,
    /// The requested revision has been compacted.
    Compacted,
    /// Authentication is enabled, and no user name was given.
    NoUser,
    /// Permission denied.
    Denied,
    /// The token is from before a change of users or roles.
    OldAuthRevision,
    /// One of the authentication store's own errors, which streams of 3.4 pass on unchanged.
    AuthStore,
    /// A login although authentication is not enabled.
    NoAuthentication,
}

/// How every error of the authentication store begins (`server/auth/store.go`).
const AUTH_STORE: &str = "auth: ";

/// Each with its message, without the `etcdserver: ` that some versions leave out.
const MESSAGES: [(&str, ServerError); 7] = [
    ("no leader", ServerError::NoLeader),
    ("mvcc: required revision has been compacted", ServerError::Compacted),
    ("user name is empty", ServerError::NoUser),
    ("revision of auth store is old", ServerError::OldAuthRevision),
    ("permission denied", ServerError::Denied),
    ("authentication is not enabled", ServerError::NoAuthentication),
    // 3.4's HashKV sends the store's own error
    ("required revision has been compacted", ServerError::Compacted),
];

impl ServerError {
    /// The error of a message of an etcd server.
    pub fn from_message(message: &str) -> Option<ServerError> {
        let bare = message.strip_prefix("etcdserver: ").unwrap_or(message);
        let bare = bare.strip_prefix("mvcc: ").filter(|_| !bare.starts_with("mvcc: required")).unwrap_or(bare);
        let known = MESSAGES.iter().find(|(known, _)| *known == bare).map(|(_, error)| *error);
        known.or_else(|| message.starts_with(AUTH_STORE).then_some(ServerError::AuthStore))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_server_messages_are_recognized() {
        for (message, error) in [
            ("etcdserver: no leader", Some(ServerError::NoLeader)),
            ("etcdserver: mvcc: required revision has been compacted", Some(ServerError::Compacted)),
            ("mvcc: required revision has been compacted", Some(ServerError::Compacted)),
            ("etcdserver: user name is empty", Some(ServerError::NoUser)),
            ("etcdserver: permission denied", Some(ServerError::Denied)),
            ("etcdserver: authentication is not enabled", Some(ServerError::NoAuthentication)),
            ("etcdserver: revision of auth store is old", Some(ServerError::OldAuthRevision)),
            ("auth: revision in header is old", Some(ServerError::AuthStore)),
            ("the user name is empty", None),
            ("oauth: denied", None),
            ("etcdserver: request timed out", None),
            ("the member has no leader", None),
            ("", None),
        ] {
            assert_eq!(ServerError::from_message(message), error, "{message}");
        }
    }
}
