//! One host over one connection: the system's `ssh` with the operator's own configuration, keys and jump hosts, and at
//! its other end a shell that inspects the host and then becomes a `requorum agent`. This machine is reached the same
//! way, by its own shell.
//!
//! The connection is one child process; when it ends, or its standard input does, the remote end stops at its next safe
//! point and cleans up. It never prompts on a terminal, and never accepts an unknown host key (`BatchMode`).

mod bootstrap_output;
mod elf;
mod errors;
mod pipe;
mod programs;
mod self_binary;
mod session;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use std::os::unix::process::CommandExt;

pub use bootstrap_output::read as read_look;
pub use programs::Programs;
pub use self_binary::Program;
pub use session::{Sent, Session, unexpected};

use crate::{domain::model::host_address, error::Result};

/// Returns whether the operator requested a stop.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// How `ssh` is called.
#[derive(Debug, Clone, Default)]
pub struct Ssh {
    /// `ssh -F`; its usual files if absent.
    pub config: Option<PathBuf>,
    /// Builds of the program for hosts of another processor, named by the operator.
    pub agents: Vec<PathBuf>,
}

impl Ssh {
    /// Connects to a host, or to this machine's own shell, and inspects `dirs` and the host itself. Nothing is written
    /// there.
    ///
    /// # Errors
    /// `NoAnswer` when it cannot be reached or its output is incomplete; `Stopped` when `stop` returns true.
    pub fn open(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Session> {
        let local = host_address::is_local(host);
        // On their own machine operators are who they are; elsewhere root is mostly reached by sudo.
        let script = bootstrap_output::script(dirs, !local);
        // The script is sent on standard input: the login shell, whichever it is, sees no more than this.
        let first = format!("eval \"$(head -c {})\"", script.len());
        let mut command = if local {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(first);
            // The agent asks no members and no object store.
            for (name, _) in std::env::vars_os() {
                if is_secret(&name) {
                    shell.env_remove(name);
                }
            }
            shell
        } else {
            let mut ssh = self.ssh();
            ssh.arg("--").arg(host).arg(format!("exec sh -c '{first}'"));
            ssh
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C is for requorum, which stops the work at a safe point.
        command.process_group(0);
        Session::begin(host, command, &script, stop)
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        if let Some(config) = &self.config {
            ssh.arg("-F").arg(config);
        }
        ssh.arg("-T");
        // An existing shared connection is used; a new one is not left behind for others.
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ControlMaster=no",
            "ClearAllForwardings=yes",
            "RemoteCommand=none",
            "ForkAfterAuthentication=no",
            "ForwardAgent=no",
            "PermitLocalCommand=no",
            "ForwardX11=no",
            "Tunnel=no",
        ] {
            ssh.arg("-o").arg(option);
        }
        // Its messages are parsed.
        cleared(&mut ssh).env("LC_ALL", "C");
        ssh
    }
}

/// The environment variables that `ssh`, its agents and its proxy commands need. Passwords and keys of object stores
/// are not among them: `SendEnv` or a proxy could forward them.
const PASSED_ON: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TMPDIR",
    "LANG",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_SK_PROVIDER",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// Returns whether a variable may hold a secret.
fn is_secret(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("ETCDCTL_") || name.starts_with("AWS_"))
}

/// Removes everything that is not in [`PASSED_ON`] from a command's environment.
fn cleared(command: &mut Command) -> &mut Command {
    let kept = std::env::vars_os().filter(|(name, _)| PASSED_ON.iter().any(|passed| name == passed));
    command.env_clear().envs(kept)
}
