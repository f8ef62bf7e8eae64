//! Connection flags: etcdctl's flags and `ETCDCTL_…` variables.

use std::{env, path::PathBuf, time::Duration};

use crate::cli::{detail, note, warn};
use crate::{
    domain::model::{cluster_profile::Cluster, endpoint},
    error::{Error, ErrorKind, Result},
    system::etcd_client::{Connect, Members},
    text::{Foreign, nearest::distance},
};

/// The variables of etcdctl that requorum supports.
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

/// Variables that decide which cluster etcdctl reaches, or as whom, in ways that requorum does not support: refused by
/// name. The second group is that of etcdctl's version 2.
const DECIDING: [&str; 12] = [
    "ETCDCTL_DISCOVERY_SRV",
    "ETCDCTL_DISCOVERY_SRV_NAME",
    "ETCDCTL_AUTH_JWT_TOKEN",
    "ETCDCTL_ENDPOINT",
    "ETCDCTL_PEERS",
    "ETCDCTL_CA_FILE",
    "ETCDCTL_CERT_FILE",
    "ETCDCTL_KEY_FILE",
    "ETCDCTL_USERNAME",
    "ETCDCTL_CACERT_FILE",
    "ETCDCTL_DISCOVERY",
    "ETCDCTL_PROXY",
];

/// Variables of etcdctl that change nothing here.
const HARMLESS: [&str; 9] = [
    "ETCDCTL_DEBUG",
    "ETCDCTL_HEX",
    "ETCDCTL_KEEPALIVE_TIME",
    "ETCDCTL_KEEPALIVE_TIMEOUT",
    "ETCDCTL_INSECURE_DISCOVERY",
    "ETCDCTL_MAX_REQUEST_BYTES",
    "ETCDCTL_MAX_RECV_BYTES",
    "ETCDCTL_NO_SYNC",
    "ETCDCTL_VERSION",
];

/// The variables that a cluster of the configuration replaces: `--cluster` names another one than they may.
pub(in crate::cli) const REPLACED_BY_CLUSTER: [&str; 6] = [
    "ETCDCTL_ENDPOINTS",
    "ETCDCTL_CACERT",
    "ETCDCTL_CERT",
    "ETCDCTL_KEY",
    "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
    "ETCDCTL_INSECURE_TRANSPORT",
];

/// The default endpoint, as etcdctl's.
pub(in crate::cli) const DEFAULT_ENDPOINT: &str = "127.0.0.1:2379";

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection to the members (as in etcdctl; only for commands that use it)")]
pub(in crate::cli) struct ConnectArgs {
    /// Cluster of your configuration: its endpoints and certificates
    ///
    /// `requorum cluster list` prints the names; flags that are given come before what it has.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
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
    #[arg(long, env = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY", value_name = "BOOL", value_parser = go_bool,
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    insecure_skip_tls_verify: Option<bool>,
    /// Use http for endpoints without a scheme
    #[arg(long, env = "ETCDCTL_INSECURE_TRANSPORT", value_name = "BOOL", value_parser = go_bool,
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
            cluster: self.cluster.or(outer.cluster),
            endpoints: if self.endpoints.is_empty() { outer.endpoints } else { self.endpoints },
            cacert: self.cacert.or(outer.cacert),
            cert: self.cert.or(outer.cert),
            key: self.key.or(outer.key),
            user: self.user.or(outer.user),
            password: self.password.or(outer.password),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify.or(outer.insecure_skip_tls_verify),
            insecure_transport: self.insecure_transport.or(outer.insecure_transport),
            dial_timeout: self.dial_timeout.or(outer.dial_timeout),
            command_timeout: self.command_timeout.or(outer.command_timeout),
        }
    }

    /// Returns the connection of a cluster of the configuration.
    pub(in crate::cli) fn of_cluster(cluster: &Cluster) -> ConnectArgs {
        let Cluster { endpoints, cacert, cert, key, user, .. } = cluster.clone();
        ConnectArgs {
            cluster: None,
            endpoints,
            cacert,
            cert,
            key,
            user,
            password: None,
            insecure_skip_tls_verify: None,
            insecure_transport: None,
            dial_timeout: None,
            command_timeout: None,
        }
    }

    fn skips_verification(&self) -> bool {
        self.insecure_skip_tls_verify.unwrap_or_default()
    }

    /// Returns the warning to show as long as members are asked with these flags.
    pub(in crate::cli) fn standing_warning(&self) -> Option<&'static str> {
        self.skips_verification().then_some(
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
        refuse_variables(set_variables())?;
        self.refuse_endpoint_slips()?;
        if let (Some(_), None) | (None, Some(_)) = (&self.cert, &self.key) {
            return Err(Error::new(ErrorKind::Usage, "--cert and --key must be used together"));
        }
        if self.skips_verification() {
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
            insecure_skip_tls_verify: self.skips_verification(),
            insecure_transport: self.insecure_transport.unwrap_or(default.insecure_transport),
            dial_timeout: self.dial_timeout.unwrap_or(default.dial_timeout),
            command_timeout: self.command_timeout.unwrap_or(default.command_timeout),
            ..default
        })?;
        members.name_endpoints(&self.endpoints());
        Ok(members)
    }
}

impl ConnectArgs {
    /// Refuses endpoints that cannot be asked.
    fn refuse_endpoint_slips(&self) -> Result<()> {
        let insecure = self.insecure_transport.unwrap_or(true);
        let tls = !insecure || self.cacert.is_some() || self.cert.is_some() || self.skips_verification();
        let slips = endpoint::slips(&self.endpoints(), tls);
        let Some((first, more)) = slips.split_first() else { return Ok(()) };
        let also: Vec<String> = more.iter().map(|slip| format!("also: {}: {}", slip.typed, slip.text)).collect();
        let error =
            Error::new(ErrorKind::Usage, format!("endpoint {}: not valid", slip_name(&first.typed))).why(&first.text);
        Err(if also.is_empty() { error } else { error.hint(also.join("\n  ")) })
    }
}

/// Returns an endpoint for a message, without what may be a password in it.
fn slip_name(typed: &str) -> String {
    match typed.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => typed.to_string(),
    }
}

/// Returns one second, or `time` where that is shorter.
fn brief(time: Option<Duration>) -> Duration {
    let second = Duration::from_secs(1);
    time.unwrap_or(second).min(second)
}

/// Returns the names of the variables that are set; an empty one counts as not set, as for etcdctl.
fn set_variables() -> impl Iterator<Item = String> {
    env::vars_os().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.into_string().ok())
}

/// Refuses variables that decide which cluster is reached and that are not supported, and mistyped ones; others that
/// are not known are reported.
fn refuse_variables(names: impl Iterator<Item = String>) -> Result<()> {
    let mut refused: Vec<(String, Option<&str>)> = Vec::new();
    let mut names: Vec<String> = names.filter(|name| name.starts_with("ETCDCTL_")).collect();
    names.sort();
    for name in names {
        let is_in = |list: &[&str]| list.contains(&name.as_str());
        if is_in(&KNOWN) {
        } else if is_in(&HARMLESS) {
            detail(&format!("{name} has no effect here."));
        } else if is_in(&DECIDING) {
            let instead = slip_of(&name);
            refused.push((name, instead));
        } else if let Some(meant) = slip_of(&name) {
            refused.push((name, Some(meant)));
        } else {
            note(&format!("{} is not a variable of etcdctl; it is ignored.", Foreign::new(&name)));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let why = match refused.iter().find_map(|(name, meant)| Some((name, (*meant)?))) {
        Some((name, meant)) => {
            format!("ignoring it could reach another cluster than you mean; {name} may be meant as {meant}")
        }
        None => "ignoring it could reach another cluster than etcdctl would".to_string(),
    };
    let unset: String = refused.iter().map(|(name, _)| format!(" -u {}", Foreign::new(name))).collect();
    let all: Vec<String> = refused.iter().map(|(name, _)| Foreign::new(name).to_string()).collect();
    Err(Error::new(ErrorKind::Usage, format!("{}: not supported by requorum", all.join(", ")))
        .why(why)
        .hint(format!("Unset it for this command: env{unset} requorum …")))
}

/// Returns the supported variable that a mistyped one probably is.
fn slip_of(name: &str) -> Option<&'static str> {
    let letters = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let rest = |name: &str| letters(name.strip_prefix("ETCDCTL_").unwrap_or(name));
    KNOWN.into_iter().find(|known| {
        let (typed, known) = (rest(name), rest(known));
        typed == known || (known.len() > 3 && distance(&typed, &known) <= 1)
    })
}

/// Parses a boolean as Go does.
fn go_bool(text: &str) -> std::result::Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("{text:?} is not a boolean; true or false is wanted")),
    }
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
    fn variables_that_decide_are_refused_by_name() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter();
        for list in [
            &["HOME", "ETCDCTL_API", "ETCDCTL_CACERT"][..],
            &["ETCDCTL_DEBUG", "ETCDCTL_HEX", "ETCDCTL_KEEPALIVE_TIME", "ETCDCTL_KEEPALIVE_TIMEOUT"],
            &["ETCDCTL_IMAGE", "ETCDCTL_BIN"],
            &[],
        ] {
            assert_eq!(refuse_variables(names(list)), Ok(()), "{list:?}");
        }
        for (list, named) in [
            (&["ETCDCTL_DISCOVERY_SRV", "PATH"][..], "ETCDCTL_DISCOVERY_SRV"),
            (&["ETCDCTL_CA_CERT"], "meant as ETCDCTL_CACERT"),
            (&["ETCDCTL_ENDPOINT"], "meant as ETCDCTL_ENDPOINTS"),
            (&["ETCDCTL_ENDPONTS"], "meant as ETCDCTL_ENDPOINTS"),
            (&["ETCDCTL_DEBUG", "ETCDCTL_PEERS"], "env -u ETCDCTL_PEERS requorum"),
        ] {
            let error = refuse_variables(names(list)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn booleans_as_go_writes_them() {
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(go_bool(yes), Ok(true));
        }
        for no in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(go_bool(no), Ok(false));
        }
        for neither in ["yes", "on", "2", "tRUE", ""] {
            assert!(go_bool(neither).is_err(), "{neither}");
        }
    }
}
