//! Connection flags: etcdctl's flags and `ETCDCTL_…` variables.

use std::{env, path::PathBuf, time::Duration};

use crate::cli::warn;
use crate::{
    error::{Error, ErrorKind, Result},
    system::etcd_client::{Connect, Members},
    text::Foreign,
};

/// The variables of etcdctl that requorum supports; any other is refused by name.
const KNOWN: [&str; 12] = [
    "ETCDCTL_API",
    "ETCDCTL_ENDPOINTS",
    "ETCDCTL_CACERT",
    "ETCDCTL_CERT",
    "ETCDCTL_KEY",
    "ETCDCTL_USER",
    "ETCDCTL_PASSWORD",
    "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
    "ETCDCTL_INSECURE_TRANSPORT",
    "ETCDCTL_DIAL_TIMEOUT",
    "ETCDCTL_COMMAND_TIMEOUT",
    "ETCDCTL_WRITE_OUT",
];

/// The default endpoint, as etcdctl's.
pub(in crate::cli) const DEFAULT_ENDPOINT: &str = "127.0.0.1:2379";

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection to the members (as in etcdctl; only for commands that use it)")]
pub(in crate::cli) struct ConnectArgs {
    /// Client URLs of the members, comma-separated
    #[arg(long, env = "ETCDCTL_ENDPOINTS", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// CA certificate that verifies the members
    #[arg(long, env = "ETCDCTL_CACERT", value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Client certificate
    #[arg(long, env = "ETCDCTL_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate
    #[arg(long, env = "ETCDCTL_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// User name, or NAME:PASSWORD
    ///
    /// Sent only to endpoints that you name or that --cacert verifies, and never over http when one of them uses
    /// https.
    #[arg(long, env = "ETCDCTL_USER", hide_env_values = true)]
    user: Option<String>,
    /// Password of the user
    #[arg(long, env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Skip verification of server certificates
    ///
    /// Any server that answers at the address is trusted.
    #[arg(long, env = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY")]
    insecure_skip_tls_verify: bool,
    /// Use http for endpoints without a scheme
    #[arg(long, env = "ETCDCTL_INSECURE_TRANSPORT", value_name = "BOOL",
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    insecure_transport: Option<bool>,
    /// Timeout for connecting [default: 2s]
    #[arg(long, env = "ETCDCTL_DIAL_TIMEOUT", value_name = "TIME", value_parser = duration)]
    dial_timeout: Option<Duration>,
    /// Timeout for one request [default: 5s]
    #[arg(long, env = "ETCDCTL_COMMAND_TIMEOUT", value_name = "TIME", value_parser = duration)]
    command_timeout: Option<Duration>,
}

impl ConnectArgs {
    /// Returns these flags, completed by those of `outer`: etcdctl takes its flags before and after the subcommand.
    pub(in crate::cli) fn or(self, outer: &ConnectArgs) -> ConnectArgs {
        let outer = outer.clone();
        ConnectArgs {
            endpoints: if self.endpoints.is_empty() { outer.endpoints } else { self.endpoints },
            cacert: self.cacert.or(outer.cacert),
            cert: self.cert.or(outer.cert),
            key: self.key.or(outer.key),
            user: self.user.or(outer.user),
            password: self.password.or(outer.password),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify || outer.insecure_skip_tls_verify,
            insecure_transport: self.insecure_transport.or(outer.insecure_transport),
            dial_timeout: self.dial_timeout.or(outer.dial_timeout),
            command_timeout: self.command_timeout.or(outer.command_timeout),
        }
    }

    /// Returns the warning to show as long as members are asked with these flags.
    pub(in crate::cli) fn standing_warning(&self) -> Option<&'static str> {
        self.insecure_skip_tls_verify.then_some(
            "--insecure-skip-tls-verify: server certificates are not verified; any server that answers is trusted.",
        )
    }

    /// Returns a client with short timeouts, for servers that may not exist: silence means nothing, and is not waited
    /// for.
    ///
    /// # Errors
    /// As [`ConnectArgs::members`].
    pub(in crate::cli) fn brief_members(&self) -> Result<Members> {
        let (dial_timeout, command_timeout) = (Some(brief(self.dial_timeout)), Some(brief(self.command_timeout)));
        ConnectArgs { dial_timeout, command_timeout, ..self.clone() }.members()
    }

    /// Returns the dial timeout of [`ConnectArgs::brief_members`].
    pub(in crate::cli) fn brief_dial(&self) -> Duration {
        brief(self.dial_timeout)
    }

    /// Returns the endpoints as typed; may be empty.
    pub(in crate::cli) fn endpoints(&self) -> Vec<String> {
        // none that can be asked has anything in it that is escaped
        self.endpoints.iter().map(|e| Foreign::new(e.trim()).to_string()).filter(|e| !e.is_empty()).collect()
    }

    /// Returns a client for the members.
    ///
    /// # Errors
    /// When a variable of etcdctl is set that requorum does not support, or flags contradict each other.
    pub(in crate::cli) fn members(&self) -> Result<Members> {
        refuse_unknown_variables(env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        if let (Some(_), None) | (None, Some(_)) = (&self.cert, &self.key) {
            return Err(Error::new(ErrorKind::Usage, "--cert and --key must be used together"));
        }
        if self.insecure_skip_tls_verify {
            warn(
                "Warning: --insecure-skip-tls-verify: server certificates are not verified; any server that answers is trusted.",
            );
        }
        let (user, password) = match (&self.user, &self.password) {
            (Some(user), None) => match user.split_once(':') {
                Some((name, password)) => (Some(name.to_string()), Some(password.to_string())),
                None => {
                    return Err(Error::new(ErrorKind::Usage, format!("user {user}: no password"))
                        .hint("Set ETCDCTL_PASSWORD, or give --user NAME:PASSWORD."));
                }
            },
            (user, password) => (user.clone(), password.clone()),
        };
        let default = Connect::default();
        let members = Members::new(Connect {
            cacert: self.cacert.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            user,
            password,
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            insecure_transport: self.insecure_transport.unwrap_or(default.insecure_transport),
            dial_timeout: self.dial_timeout.unwrap_or(default.dial_timeout),
            command_timeout: self.command_timeout.unwrap_or(default.command_timeout),
            ..default
        })?;
        members.name_endpoints(&self.endpoints());
        Ok(members)
    }
}

/// Returns one second, or `time` where that is shorter.
fn brief(time: Option<Duration>) -> Duration {
    let second = Duration::from_secs(1);
    time.unwrap_or(second).min(second)
}

fn refuse_unknown_variables(names: impl Iterator<Item = String>) -> Result<()> {
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with("ETCDCTL_") && !KNOWN.contains(&name.as_str())).collect();
    unknown.sort();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("{}: not supported by requorum", unknown.join(", ")))
        .why("ignoring it could reach another cluster than etcdctl would")
        .hint(format!(
            "Unset it for this command: env{} requorum …",
            unknown.iter().map(|n| format!(" -u {n}")).collect::<String>()
        )))
}

/// Parses a duration as Go writes it: `5s`, `1m30s`, `500ms`, `1.5s`, `0`.
pub(in crate::cli) fn duration(text: &str) -> std::result::Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(duration);
    }
    let seconds = text.strip_suffix('s').and_then(|s| s.parse::<f64>().ok());
    seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| format!("invalid duration {text:?}; examples: 5s, 500ms, 1m30s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, millis) in [("5s", 5000), ("500ms", 500), ("1m30s", 90_000), ("1.5s", 1500), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert!(duration("5").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn unsupported_etcdctl_variables_are_refused_by_name() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter();
        assert!(refuse_unknown_variables(names(&["HOME", "ETCDCTL_API", "ETCDCTL_CACERT"])).is_ok());
        let error = refuse_unknown_variables(names(&["ETCDCTL_DISCOVERY_SRV", "PATH"])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.to_string().contains("ETCDCTL_DISCOVERY_SRV"));
    }
}
