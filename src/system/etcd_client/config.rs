//! How members are reached: etcdctl's flags as values.

use std::{fmt, path::PathBuf, time::Duration};

/// The longest time limit of one answer; a shorter `--command-timeout` takes precedence.
const ANSWER: Duration = Duration::from_secs(3);

/// How members are reached: etcdctl's flags of the same names.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// `--cacert`: the CA of the members' certificates; the system's CAs if it is not given.
    pub cacert: Option<PathBuf>,
    /// `--cert`: the client certificate.
    pub cert: Option<PathBuf>,
    /// `--key`: its private key.
    pub key: Option<PathBuf>,
    /// `--user`, without the password (`name:password` is split if no password is given).
    pub user: Option<String>,
    /// `--password`.
    pub password: Option<String>,
    /// `--insecure-skip-tls-verify`: any server certificate is accepted.
    pub insecure_skip_tls_verify: bool,
    /// `--insecure-transport`, true by default: endpoints without a scheme are `http`, unless
    /// certificates are given.
    pub insecure_transport: bool,
    /// `--dial-timeout`: for name, TCP and TLS together. 2 s by default.
    pub dial_timeout: Duration,
    /// `--command-timeout`: for one answer; more than 3 s is taken as 3 s when members are asked.
    /// 5 s by default.
    pub command_timeout: Duration,
    /// How long a snapshot's stream may stall, and a hash of all keys may take. 30 s by default.
    pub idle_timeout: Duration,
    /// If a client port is silent or returns no member list, the same host's usual peer port (2380) and
    /// metrics port (2381) are asked, too; their answers count only if they are the same member's. On by default.
    pub guess_ports: bool,
}

impl Default for Connect {
    fn default() -> Self {
        Connect {
            cacert: None,
            cert: None,
            key: None,
            user: None,
            password: None,
            insecure_skip_tls_verify: false,
            insecure_transport: true,
            dial_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            guess_ports: true,
        }
    }
}

impl fmt::Debug for Connect {
    /// Formats everything but the password, which may also follow the user's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("cacert", &self.cacert)
            .field("cert", &self.cert)
            .field("key", &self.key)
            .field("user", &self.user.as_deref().map(|u| u.split(':').next().unwrap_or_default()))
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("insecure_skip_tls_verify", &self.insecure_skip_tls_verify)
            .field("insecure_transport", &self.insecure_transport)
            .field("dial_timeout", &self.dial_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("guess_ports", &self.guess_ports)
            .finish()
    }
}

impl Connect {
    /// Returns true if an endpoint without a scheme means `https`.
    pub(super) fn wants_tls(&self) -> bool {
        !self.insecure_transport || self.cacert.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// Returns name and password, if a name is given.
    pub(super) fn credentials(&self) -> Option<(String, String)> {
        let user = self.user.as_deref().filter(|user| !user.is_empty())?;
        match (&self.password, user.split_once(':')) {
            (Some(password), _) => Some((user.to_owned(), password.clone())),
            (None, Some((name, password))) => Some((name.to_owned(), password.to_owned())),
            (None, None) => Some((user.to_owned(), String::new())),
        }
    }

    pub(super) fn answer_timeout(&self) -> Duration {
        self.command_timeout.min(ANSWER)
    }
}
