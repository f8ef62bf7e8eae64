//! Reads the operator's clusters from `config.yaml`. A file that others may change is refused: it decides which hosts are
//! asked and which certificates they are shown.

use std::{
    env,
    fs::{self, Metadata, OpenOptions},
    io::{ErrorKind as Io, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::{fs::OFlags, process};

use crate::{
    domain::model::cluster_profile::{self, Bases, Cluster},
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    text::Shown,
    yaml,
};

/// Reads the clusters of the file at `path`; none where it does not exist.
///
/// # Errors
/// `Refused` where others may change the file or its directory; `Input` for what is no configuration.
pub fn read(path: &Path, reserved: &[String]) -> Result<Vec<Cluster>> {
    let fail = |e: std::io::Error| io_trouble("read", path, &e);
    // does not block on a pipe
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(e) if matches!(e.kind(), Io::NotFound | Io::NotADirectory) => return Ok(Vec::new()),
        opened => opened.map_err(fail)?,
    };
    let meta = file.metadata().map_err(fail)?;
    let refused = |why: String, place: &Path| {
        Err(Error::new(ErrorKind::Refused, format!("{}: not read", path.shown()))
            .why(why)
            .hint(format!("Check what it holds, then: chmod go-w {}", crate::text::quote::shell_word(&place.shown()))))
    };
    if !meta.is_file() || meta.len() > yaml::MAX_BYTES as u64 {
        return Err(Error::new(ErrorKind::Input, format!("{}: not a configuration", path.shown()))
            .why(format!("it is not a regular file of at most {} bytes", yaml::MAX_BYTES)));
    }
    if let Some(why) = changed_by_others(&meta) {
        return refused(format!("the file {why}"), path);
    }
    let dir = path.parent().unwrap_or(Path::new("/"));
    if let Some(why) = fs::metadata(dir).ok().and_then(|meta| changed_by_others(&meta)) {
        return refused(format!("the directory {} {why}", dir.shown()), dir);
    }
    let mut text = String::new();
    file.take(yaml::MAX_BYTES as u64).read_to_string(&mut text).map_err(fail)?;
    let home = env::var_os("HOME").map(std::path::PathBuf::from).filter(|home| home.is_absolute());
    let bases = Bases { file: dir, home: home.as_deref() };
    cluster_profile::read(&text, bases, reserved)
        .map_err(|error| Error { what: format!("{}: {}", path.shown(), error.what), ..error })
}

/// Returns why others than this user and root may change a file or directory. Under sudo it may be the user's who called
/// it. An ordinary user's own group, which many systems give write access by default, does not count.
fn changed_by_others(meta: &Metadata) -> Option<String> {
    let user = process::geteuid();
    let caller = user.is_root().then(|| env::var("SUDO_UID").ok()?.parse::<u32>().ok()).flatten();
    if ![Some(user.as_raw()), Some(0), caller].contains(&Some(meta.uid())) {
        return Some(format!("belongs to user {}", meta.uid()));
    }
    let own_group = !user.is_root() && meta.gid() == process::getegid().as_raw();
    let others = if own_group { 0o002 } else { 0o022 };
    (meta.mode() & others != 0).then(|| format!("is writable by others (mode {:04o})", meta.mode() & 0o7777))
}
