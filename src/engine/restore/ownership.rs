//! To whom a restored directory belongs.
//!
//! A restore mostly runs as root, while etcd runs as its own user, which then cannot open what root
//! made. What was made is given away before it is renamed into place.

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

/// Owner, group and mode for what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// User and group by number; as made where absent.
    pub ids: Option<(u32, u32)>,
    /// The mode of the directory itself; what is in it keeps etcd's own.
    pub mode: Option<u32>,
}

impl Owner {
    /// What the options ask for.
    ///
    /// # Errors
    /// When a user, group, mode or directory is not there.
    pub fn from_options(options: &Options) -> Result<Owner> {
        let mut owner = Owner::default();
        if let Some(like) = &options.like {
            let meta = fs::metadata(like).map_err(|e| io_trouble("take the owner of", like, &e))?;
            owner = Owner { ids: Some((meta.uid(), meta.gid())), mode: Some(meta.mode() & 0o777) };
        }
        if let Some(text) = &options.owner {
            let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
            let ids = parse(text, &read("/etc/passwd"), &read("/etc/group"));
            owner.ids = Some(ids.map_err(|why| {
                Error::new(ErrorKind::Input, format!("--owner={text} is not right"))
                    .why(why)
                    .hint("Give USER or USER:GROUP, by name as in /etc/passwd and /etc/group, or by number.")
            })?);
        }
        let mode = options.mode_bits().map_err(|why| Error::new(ErrorKind::Input, "--mode is not right").why(why))?;
        owner.mode = mode.or(owner.mode);
        Ok(owner)
    }

    /// Gives what the stage holds to its owner. Where a directory was there before, things come as that one's own
    /// unless told otherwise, with its mode and its SELinux context.
    ///
    /// # Errors
    /// When the system refuses: only root gives files away.
    pub fn give(&self, disk: &Disk, stage: &StagingDir) -> Result<()> {
        let content = stage.content();
        let found = content.metadata().map_err(|e| io_trouble("look at", content.path(), &e))?;
        let before = disk.dir(stage.target()).ok();
        let kept = before.as_ref().and_then(|dir| dir.metadata().ok());
        let root = rustix::process::geteuid().is_root();
        let ids = self.ids.or_else(|| kept.as_ref().filter(|_| root).map(|kept| (kept.uid(), kept.gid())));
        // All of it is done by handles, while nobody else reaches it; the owner last, after which it is no longer ours.
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
                    format!("cannot give {} to user {user}, group {group}", stage.target().shown()),
                )
                .why(e)
                .hint("Only root may give files away: run requorum with sudo, or as that user and without --owner.")
            })?;
        }
        Ok(())
    }
}

/// The extended attribute that holds a file's SELinux context.
const SELINUX: &str = "security.selinux";

/// Gives each new file the SELinux context of the one that it takes the place of, or, where there is none, that of the
/// directory there before: one that is put in place by a rename gets none by itself.
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

/// User and group of `USER[:GROUP]`; without a group the user's own.
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
    let user = user.ok_or_else(|| format!("there is no user {user_name:?} on this machine"))?;
    let group = match group_name {
        None => number(&user_line, 3).or(Some(user)),
        Some(name) => number(&line(group, name), 2).or_else(|| name.parse().ok()),
    };
    let group =
        group.ok_or_else(|| format!("there is no group {:?} on this machine", group_name.unwrap_or_default()))?;
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
        for (text, words) in
            [("nobody", "no user \"nobody\""), ("etcd:x", "no group \"x\""), ("", "no user"), ("etcd:", "no group")]
        {
            assert!(parse(text, passwd, group).unwrap_err().contains(words), "{text}");
        }
    }
}
