//! A local user who owns the directory around a member's, and does there what she may: a shell with her rights.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::common::scratch;

/// Nobody else's number.
pub const EVE: u32 = 61_234;

/// A world of root's in which one directory is hers.
pub struct World {
    base: tempfile::TempDir,
}

impl World {
    /// None where the tests do not run as root, who alone can play two users.
    pub fn new() -> Option<World> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let world = World { base: scratch() };
        // Others may look around, as on any machine.
        fs::set_permissions(world.base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["hers", "roots", "tmp"] {
            fs::create_dir(world.path(name)).unwrap();
            fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        chown(world.path("hers"), Some(EVE), Some(EVE)).unwrap();
        fs::set_permissions(world.path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::create_dir_all(world.path("roots/dir/inner")).unwrap();
        for name in ["roots/precious", "roots/dir/precious", "roots/dir/inner/precious", "roots/dir/member"] {
            fs::write(world.path(name), format!("precious {name}")).unwrap();
        }
        Some(world)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// All that root has: names, owners, modes and content.
    pub fn roots(&self) -> Vec<String> {
        let (mut all, mut left) = (Vec::new(), vec![self.path("roots")]);
        while let Some(path) = left.pop() {
            let meta = fs::symlink_metadata(&path).unwrap();
            let text = if meta.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
            all.push(format!("{} {} {:o} {} {text}", path.display(), meta.uid(), meta.mode(), meta.ino()));
            if meta.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        all.sort();
        all
    }
}

/// Her shell: what it is told it has done when the call returns.
pub struct Shell {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Shell {
    pub fn new() -> Shell {
        let mut child = Command::new("sh")
            .uid(EVE)
            .gid(EVE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Shell { child, to, from }
    }

    /// Runs a command; whether it succeeded.
    pub fn run(&mut self, command: &str) -> bool {
        writeln!(self.to, "{command}\necho \"=$?\"").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "her shell ended at {command}");
            if let Some(code) = line.trim_end().strip_prefix('=') {
                return code == "0";
            }
        }
    }

    /// Runs a command that has to succeed: it shows that she could.
    pub fn can(&mut self, command: &str) {
        assert!(self.run(command), "she cannot: {command}");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as a word of her shell.
pub fn word(path: &Path) -> String {
    shell_words::quote(path.to_str().unwrap()).into_owned()
}
