//! Owner, group, mode and SELinux context of a restored directory.
//!
//! A restore mostly runs as root, while etcd runs as its own user, which cannot open what root created. So the owner is
//! changed before the directory is installed.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::engine::{
    durable_fs::{Dir, Disk},
    install::staging::StagingDir,
    source::io_trouble,
};
use crate::{
    domain::model::options::Options,
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// Owner, group and mode of a restored directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// User and group ID; unchanged if absent.
    pub ids: Option<(u32, u32)>,
    /// The mode of the directory itself; its content keeps etcd's own modes.
    pub mode: Option<u32>,
}

impl Owner {
    /// Resolves the options.
    ///
    /// # Errors
    /// If a user, group or directory does not exist, or the mode is invalid.
    pub fn from_options(options: &Options) -> Result<Owner> {
        let mut owner = Owner::default();
        if let Some(like) = &options.like {
            let meta = fs::metadata(like).map_err(|e| io_trouble("read the owner of", like, &e))?;
            owner = Owner { ids: Some((meta.uid(), meta.gid())), mode: Some(meta.mode() & 0o777) };
        }
        if let Some(text) = &options.owner {
            let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
            let ids = parse(text, &read("/etc/passwd"), &read("/etc/group"));
            owner.ids = Some(ids.map_err(|why| {
                Error::new(ErrorKind::Input, format!("--owner={text}: invalid owner"))
                    .why(why)
                    .hint("Use USER or USER:GROUP, by name as in /etc/passwd and /etc/group, or by number.")
            })?);
        }
        let mode = options.mode_bits().map_err(|why| Error::new(ErrorKind::Input, "--mode: invalid mode").why(why))?;
        owner.mode = mode.or(owner.mode);
        Ok(owner)
    }

    /// Sets owner, mode and SELinux context of what was built. The defaults are those of the existing directory, if
    /// there is one.
    ///
    /// # Errors
    /// If the system refuses: only root can change the owner.
    pub fn apply(&self, disk: &Disk, stage: &StagingDir) -> Result<()> {
        let content = stage.content();
        let found = content.metadata().map_err(|e| io_trouble("read", content.path(), &e))?;
        let before = disk.dir(stage.target()).ok();
        let kept = before.as_ref().and_then(|dir| dir.metadata().ok());
        let root = rustix::process::geteuid().is_root();
        let ids = self.ids.or_else(|| kept.as_ref().filter(|_| root).map(|kept| (kept.uid(), kept.gid())));
        // Done through open directories, while no other user can reach it; the owner last, as it is no longer ours
        // then.
        if let Some(before) = &before {
            contexts(before, content)?;
        }
        let mode = self.mode.or(kept.map(|kept| kept.mode() & 0o777)).filter(|_| !stage.inside());
        if let Some(mode) = mode {
            content.mode(mode).map_err(|e| io_trouble("set the mode of", stage.target(), &e))?;
        }
        if let Some((user, group)) = ids.filter(|ids| *ids != (found.uid(), found.gid())) {
            content.give(user, group).map_err(|e| {
                Error::new(
                    ErrorKind::Failed,
                    format!("{}: cannot change the owner to user {user}, group {group}", stage.target().shown()),
                )
                .why(e)
                .hint(
                    "Only root can change the owner of files: run requorum with sudo, or as that user without --owner.",
                )
            })?;
        }
        Ok(())
    }
}

/// The extended attribute that holds a file's SELinux context.
const SELINUX: &str = "security.selinux";

/// Sets the SELinux context of each new file to that of the file that it replaces, otherwise to that of the previous
/// directory: a renamed file does not get the context of its new directory.
fn contexts(before: &Dir, content: &Dir) -> Result<()> {
    let Some(of_all) = before.attribute(Path::new(""), SELINUX) else { return Ok(()) };
    for below in content.tree().map_err(|e| io_trouble("read", content.path(), &e))? {
        let wanted = before.attribute(&below, SELINUX).unwrap_or_else(|| of_all.clone());
        if content.attribute(&below, SELINUX).as_ref() != Some(&wanted) {
            content
                .set_attribute(&below, SELINUX, &wanted)
                .map_err(|e| io_trouble("set the SELinux context of", &content.path().join(&below), &e))?;
        }
    }
    Ok(())
}

/// Parses `USER[:GROUP]`; without a group it is the user's own.
fn parse(text: &str, passwd: &str, group: &str) -> std::result::Result<(u32, u32), String> {
    let (user_name, group_name) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let line = |file: &str, name: &str| -> Option<Vec<String>> {
        let mut lines = file.lines().map(|line| line.split(':').map(str::to_string).collect::<Vec<_>>());
        lines
            .find(|words| words.first().is_some_and(|first| first == name) || words.get(2).is_some_and(|id| id == name))
    };
    let number = |words: &Option<Vec<String>>, at: usize| words.as_ref()?.get(at)?.parse::<u32>().ok();
    let user_line = line(passwd, user_name);
    let user = number(&user_line, 2).or_else(|| user_name.parse().ok());
    let user = user.ok_or_else(|| format!("no user {user_name:?} on this machine"))?;
    let group = match group_name {
        None => number(&user_line, 3).or(Some(user)),
        Some(name) => number(&line(group, name), 2).or_else(|| name.parse().ok()),
    };
    let group = group.ok_or_else(|| format!("no group {:?} on this machine", group_name.unwrap_or_default()))?;
    Ok((user, group))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn users_and_groups_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\netcd:x:998:997::/var/lib/etcd:/usr/sbin/nologin\n";
        let group = "root:x:0:\nops:x:50:etcd\netcd:x:997:\n";
        for (text, ids) in [
            ("etcd", (998, 997)),
            ("etcd:ops", (998, 50)),
            ("998", (998, 997)),
            ("1234", (1234, 1234)),
            ("1234:ops", (1234, 50)),
            ("root:7", (0, 7)),
        ] {
            assert_eq!(parse(text, passwd, group), Ok(ids), "{text}");
        }
        let refused = ["nobody", "etcd:x", "", "etcd:"];
        let messages = refused.map(|text| (format!("{text:?}"), parse(text, passwd, group).unwrap_err()));
        crate::text::messages::hold("engine-owner", &messages);
    }
}
