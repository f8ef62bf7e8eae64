//! The parts of the sheet as shell: build, swap, and the way back.

use std::fmt::Write;

use super::{LOG_BYTES, beyond_etcdutl, tools};
use crate::domain::preflight::space::Needed;
use crate::{
    domain::model::{
        host_address,
        plan::{Member, Plan},
    },
    etcd::version::Minor,
    text::{join::all, number::thousands, quote::shell_word},
};

/// The first file of a log.
const SEGMENT: &str = "0000000000000000-0000000000000000.wal";

pub(super) const STOP: &str = r#"stop() { printf 'Stopped: %s.\n' "$1" >&2; exit 1; }
"#;

/// In an interactive shell the exchange waits for a word: pasted as a whole, a sheet would exchange before the
/// other members are verified. The rest of such a paste is discarded first.
const ASK: &str = r#"case $- in *i*)
  while read -r -t 1 word; do :; done </dev/tty
  printf 'Is every member of the plan proven? Type exchange and Enter to go on: ' >/dev/tty
  read -r word </dev/tty || word=
  [ "$word" = exchange ] || stop 'that was not the word, and nothing was moved; paste part 2 again when all are proven' ;;
esac
"#;

/// What is made in a directory of another user can be exchanged by that user between two commands, which would then be
/// about something else: everything here is done by paths. The way there has to be root's or of whoever pastes this; a
/// sticky directory on it, such as /tmp, keeps what is in it.
const OWN: &str = r#"own() {
  at=$1
  while :; do
    who=$(stat -c %u -- "$at") mode=$(stat -c %a -- "$at")
    case $who in
      0 | "$(id -u)") ;;
      *) stop "$at belongs to user $who, who could exchange what is made there; paste this into a shell of that user: sudo -u '#$who' bash" ;;
    esac
    case $mode in
      [1357]?[2367]? | [1357]??[2367]) [ "$at" != "$1" ] ;;
      *[2367]? | *[2367]) false ;;
    esac || stop "others may write in $at (mode $mode), and could exchange what is made there; take that right away first"
    [ "$at" != / ] || break
    at=$(dirname -- "$at")
  done
}
"#;

/// Moves without replacing anything: `mv -n` prints nothing when it does not move.
const MOVE: &str = r#"move() {
  { [ -e "$1" ] || [ -L "$1" ]; } || stop "$1 is not there"
  { [ ! -e "$2" ] && [ ! -L "$2" ]; } || stop "$2 is taken, and nothing is ever written over"
  mv -nT -- "$1" "$2"
  [ ! -e "$1" ] || stop "$1 could not be moved to $2"
}
"#;

/// The snapshot's name in the home directory of the host.
pub(super) fn file_name(plan: &Plan) -> String {
    format!("requorum-{}.db", plan.short_id())
}

/// The flags that `requorum`, `etcdutl` and `etcdctl` share.
pub(super) fn restore_flags(plan: &Plan, member: &Member) -> Vec<String> {
    let mut flags = vec![
        format!("--name={}", member.name),
        format!("--initial-cluster={}", plan.initial_cluster()),
        format!("--initial-cluster-token={}", plan.token),
        format!("--initial-advertise-peer-urls={}", member.peer_urls.join(",")),
    ];
    if plan.source.skip_hash_check {
        flags.push("--skip-hash-check".into());
    }
    if plan.bump_revision > 0 {
        flags.push(format!("--bump-revision={}", plan.bump_revision));
        flags.push("--mark-compacted".into());
    }
    flags
}

/// The paths: links are followed, so that the new directory is on the disk of the old one, and what is
/// mounted cannot be renamed, so there everything happens inside.
pub(super) fn places(plan: &Plan, member: &Member) -> String {
    let mark = format!(".requorum-byhand-{}-{}", plan.short_id(), member.id);
    let mut out = String::from(OWN);
    out.push_str("next_to() { if mountpoint -q \"$1\"; then printf '%s' \"$1\"; else dirname -- \"$1\"; fi; }\n");
    let named = [("data", Some(&member.data_dir), ""), ("wal", member.wal_dir.as_ref(), "-wal")];
    for (name, dir, suffix) in named {
        let Some(dir) = dir else { continue };
        let parent = dir.parent().unwrap_or(dir).to_string_lossy().into_owned();
        let dir = dir.to_string_lossy().into_owned();
        let missing = format!("{parent} does not exist; is this the right host? If so, create it first");
        let _ = writeln!(out, "[ -d {} ] || stop {}", shell_word(&parent), shell_word(&missing));
        let _ = writeln!(out, "{name}=$(readlink -f -- {})", shell_word(&dir));
        let new = if name == "data" { "new" } else { "newwal" };
        let _ = writeln!(out, "{new}=$(next_to \"${name}\")/{mark}{suffix}");
        let _ = writeln!(out, "own \"$(dirname -- \"${new}\")\"");
    }
    out
}

pub(super) fn build(plan: &Plan, member: &Member) -> String {
    let here = super::host(member);
    let mut out = format!("# ---- Part 1, on {here}: build it in staging; nothing in use is touched\n(\nset -eu\n");
    out.push_str(STOP);
    out.push_str(&places(plan, member));
    let snapshot = match host_address::is_local(&member.host) {
        true => shell_word(&plan.source.path.to_string_lossy()).into_owned(),
        false => format!("\"${{snapshot:-$HOME/{}}}\"", file_name(plan)),
    };
    let _ = write!(
        out,
        "snapshot={snapshot}\n\
         [ -f \"$snapshot\" ] || stop \"the snapshot is not at $snapshot; bring it, or type snapshot=/where/it/is and paste \
         this again\"\n\
         sum=$(sha256sum <\"$snapshot\" | cut -c1-64)\n\
         [ \"$sum\" = {} ] || stop \"$snapshot is not the plan's snapshot, or was not copied completely\"\n",
        shell_word(&plan.source.sha256)
    );
    let wal = member.wal_dir.is_some();
    for new in ["new"].into_iter().chain(wal.then_some("newwal")) {
        let _ = writeln!(
            out,
            "[ ! -e \"${new}\" ] || stop \"${new} is there from an earlier try; move it away: mv ${new} ${new}.$$\""
        );
    }
    let needed = Needed::of_plan(plan);
    out.push_str(
        "room() {\n  free=$(df -Pk \"$1\" | awk 'END { printf \"%.0f\", $4 * 1.024 }')\n  \
         [ \"$free\" -ge \"$2\" ] || stop \"$free kB are free at $1, and $2 kB are needed\"\n}\n",
    );
    let kilobytes = |bytes: u64| bytes.div_ceil(1000);
    let data = kilobytes(if wal { needed.data } else { needed.total() });
    let _ = writeln!(out, "room \"$(dirname -- \"$new\")\" {data}");
    if wal {
        let _ = writeln!(out, "room \"$(dirname -- \"$newwal\")\" {}", kilobytes(needed.wal));
    }
    out.push_str(&restore(plan, member));
    out.push_str(&owner(plan, wal));
    let segment = if wal { format!("$newwal/{SEGMENT}") } else { format!("$new/member/wal/{SEGMENT}") };
    let _ = write!(
        out,
        "sync\n\
         log=$(head -c {LOG_BYTES} \"{segment}\" | sha256sum | cut -c1-64)\n\
         code=$(printf '%s %s %s\\n' {} \"$sum\" \"$log\" | sha256sum | cut -c1-16 | sed 's/..../&-/g; s/-$//')\n\
         printf '%s\\n' \"$code\" >\"$new.code\"\n\
         printf '%s is built in %s. Take this code home: %s\\n' {} \"$new\" \"$code\"\n\
         ) </dev/null\n",
        plan.short_id(),
        shell_word(&member.name),
    );
    let mut next = String::new();
    crate::text::quote::comment_lines(
        &mut next,
        &format!(
            "At home: requorum sheet PLAN --member {} --result CODE says whether it is as planned",
            shell_word(&member.name)
        ),
    );
    out + &next + &ends("Part 2 waits until every member is verified; then run it on its own.")
}

/// The end of a part: where the whole sheet was given to a shell as a script, the next part must not follow on its
/// heels.
fn ends(words: &str) -> String {
    format!("case $?$- in *i*) ;; 0*) echo '{words}'; exit ;; *) exit 1 ;; esac\n")
}

/// The restore itself, by the tool that is there.
fn restore(plan: &Plan, member: &Member) -> String {
    let lines =
        |flags: Vec<String>| -> String { flags.iter().map(|flag| format!(" \\\n    {}", shell_word(flag))).collect() };
    let (shared, own) = (lines(restore_flags(plan, member)), lines(own_flags(plan)));
    let to = match member.wal_dir.is_some() {
        true => "--data-dir=\"$new\" --wal-dir=\"$newwal\"",
        false => "--data-dir=\"$new\"",
    };
    let mut out = format!(
        "if command -v requorum >/dev/null; then\n  requorum snapshot restore \"$snapshot\" {to}{shared}{own}\nelse\n"
    );
    if let Some(why) = beyond_etcdutl(plan) {
        let _ = write!(out, "  stop {}\nfi\n", shell_word(&format!("requorum is not here, and {why}")));
        return out;
    }
    let versions = tools(plan);
    let patterns: Vec<String> = versions.iter().map(|minor| format!("{minor}.*")).collect();
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let reads = match plan.target {
        Some(target) => format!("the plan is for etcd {target}"),
        None => "the plan names no etcd version (--etcd-version)".into(),
    };
    let _ = write!(
        out,
        "  tool=etcdutl\n  command -v etcdutl >/dev/null || tool=etcdctl\n  \
         command -v \"$tool\" >/dev/null || stop 'none of requorum, etcdutl and etcdctl is here'\n  \
         export ETCDCTL_API=3\n  version=$(\"$tool\" version | awk 'NR == 1 {{ print $3 }}')\n  \
         case $version in {}) ;; *) stop \"$tool is of version $version; \"{} ;; esac\n",
        patterns.join(" | "),
        shell_word(&format!("{reads}, and its log is as the tools of {} write it", all(&names))),
    );
    if plan.bump_revision > 0 {
        let _ = writeln!(
            out,
            "  \"$tool\" snapshot restore --help 2>&1 | grep -q -e --bump-revision || stop \"$tool $version cannot bump \
             revisions; etcdutl can from 3.5.10 on\""
        );
    }
    let revision = plan.expected_revision();
    let _ = write!(
        out,
        "  \"$tool\" snapshot restore \"$snapshot\" {to}{shared}\n  \
         \"$tool\" snapshot status -w json \"$new/member/snap/db\" | grep -q '\"revision\":{revision}[,}}]' ||\n    \
         stop 'what was restored does not begin at revision {}'\nfi\n",
        thousands(revision.unsigned_abs()),
    );
    out
}

/// What only requorum's restore takes.
fn own_flags(plan: &Plan) -> Vec<String> {
    let chosen = &plan.options;
    let mut flags: Vec<String> = plan.target.iter().map(|minor: &Minor| format!("--etcd-version={minor}")).collect();
    let switches = [
        (chosen.clear_alarms, "--clear-alarms"),
        (chosen.finish_downgrade, "--finish-downgrade"),
        (chosen.disable_auth, "--disable-auth"),
        (chosen.set_version, "--set-version"),
        (chosen.compact, "--compact"),
    ];
    flags.extend(switches.iter().filter(|(asked, _)| *asked).map(|(_, flag)| (*flag).to_string()));
    flags.extend(chosen.accept_damage.map(|revision| format!("--accept-damage={revision}")));
    flags
}

/// To whom it belongs: as the plan says, else as what is there.
fn owner(plan: &Plan, wal: bool) -> String {
    let chosen = &plan.options;
    let news = if wal { "\"$new\" \"$newwal\"" } else { "\"$new\"" };
    let mut out = String::new();
    let like = chosen.like.as_ref().map(|like| shell_word(&like.to_string_lossy()).into_owned());
    if like.is_none() && (chosen.owner.is_none() || chosen.mode.is_none()) {
        out.push_str("if [ -d \"$data\" ]; then\n");
        if chosen.owner.is_none() {
            let _ = writeln!(out, "  chown -R --reference=\"$data\" {news}");
        }
        if chosen.mode.is_none() {
            let _ = writeln!(out, "  chmod --reference=\"$data\" {news}");
        }
        out.push_str("fi\n");
    }
    if let Some(like) = &like {
        let _ = write!(out, "chown -R --reference={like} {news}\nchmod --reference={like} {news}\n");
    }
    if let Some(owner) = &chosen.owner {
        // Without a group it is the user's own, as for requorum, or a number's own.
        let group = if owner.contains(':') { "" } else { ":" };
        let _ = write!(out, "chown -R {} {news}", shell_word(&format!("{owner}{group}")));
        if owner.bytes().all(|b| b.is_ascii_digit()) {
            let _ = write!(out, " 2>/dev/null || chown -R {owner}:{owner} {news}");
        }
        out.push('\n');
    }
    if let Some(mode) = &chosen.mode {
        let _ = writeln!(out, "chmod {} {news}", shell_word(mode));
    }
    out
}

pub(super) fn swap(plan: &Plan, member: &Member, stamp: &str) -> String {
    let here = super::host(member);
    let mut out = format!(
        "# ---- Part 2, on {here}: only when every member is verified\n\
         # Stop the old etcd first, and keep it from starting again, such as: systemctl disable --now etcd\n\
         # (a static pod: mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/).\n(\nset -eu\n"
    );
    out.push_str(STOP);
    out.push_str(MOVE);
    out.push_str(&places(plan, member));
    out.push_str(
        "[ -f \"$new.code\" ] || stop 'part 1 was not done to its end here, or part 2 is done already'\n\
         db=$data/member/snap/db\n\
         if [ -e \"$db\" ]; then\n  \
           command -v flock >/dev/null || stop 'flock is not here; it tells whether an etcd still runs'\n  \
           flock -n \"$db\" true || stop \"an etcd still runs on $data\"\n\
         fi\n",
    );
    out.push_str(ASK);
    let _ = write!(
        out,
        "aside() {{\n  if mountpoint -q \"$1\"; then\n    old=$1/requorum-old-{stamp}\n    \
         [ ! -e \"$old\" ] || stop \"$old is taken, and nothing is ever written over\"\n    mkdir -m 700 -- \"$old\"\n    \
         for f in \"$1\"/*; do\n      case $f in \"$1/*\" | \"$old\" | */lost+found) ;; *) move \"$f\" \"$old/${{f##*/}}\" ;; \
         esac\n    done\n  elif [ -e \"$1\" ]; then move \"$1\" \"$1.requorum-old-{stamp}\"; fi\n}}\n\
         put() {{\n  if mountpoint -q \"$2\"; then\n    \
         for f in \"$1\"/*; do move \"$f\" \"$2/${{f##*/}}\"; done\n    rmdir -- \"$1\"\n  else move \"$1\" \"$2\"; fi\n  \
         if command -v restorecon >/dev/null; then restorecon -R \"$2\"; fi\n}}\n"
    );
    // The data last: an etcd that starts in between finds none.
    out.push_str(match member.wal_dir.is_some() {
        true => "aside \"$data\"\naside \"$wal\"\nput \"$newwal\" \"$wal\"\n",
        false => "aside \"$data\"\n",
    });
    let _ = write!(
        out,
        "put \"$new\" \"$data\"\nrm -f -- \"$new.code\"\nsync\n\
         printf '%s is installed in %s; start it with the command of the launch sheet.\\n' {} \"$data\"\n) </dev/null\n",
        shell_word(&member.name)
    );
    out + &ends("The rollback is a separate part.")
}

pub(super) fn back(plan: &Plan, member: &Member, stamp: &str) -> String {
    let here = super::host(member);
    let mut out = format!(
        "# ---- Rollback, on {here}: restores the old data and moves the new aside; stop etcd first\n(\nset -eu\n"
    );
    out.push_str(STOP);
    out.push_str(MOVE);
    out.push_str(&places(plan, member));
    let _ = write!(
        out,
        "back() {{\n  if mountpoint -q \"$1\"; then\n    old=$1/requorum-old-{stamp} new=$1/requorum-new-{stamp}\n    \
         if [ ! -d \"$old\" ]; then printf 'Nothing of %s was moved aside.\\n' \"$1\"; return; fi\n    \
         [ ! -e \"$new\" ] || stop \"$new exists, and nothing is ever overwritten\"\n    mkdir -m 700 -- \"$new\"\n    \
         for f in \"$1\"/*; do\n      case $f in \"$1/*\" | \"$old\" | \"$new\" | */lost+found) ;; *) move \"$f\" \"$new/${{f##*/}}\" ;; \
         esac\n    done\n    for f in \"$old\"/*; do [ ! -e \"$f\" ] || move \"$f\" \"$1/${{f##*/}}\"; done\n    \
         rmdir -- \"$old\"\n  else\n    old=$1.requorum-old-{stamp}\n    \
         if [ ! -e \"$old\" ]; then printf 'Nothing of %s was moved aside.\\n' \"$1\"; return; fi\n    \
         if [ -e \"$1\" ]; then move \"$1\" \"$1.requorum-new-{stamp}\"; fi\n    move \"$old\" \"$1\"\n  fi\n  \
         printf '%s is the old one again.\\n' \"$1\"\n}}\n\
         db=$data/member/snap/db\n\
         if [ -e \"$db\" ] && command -v flock >/dev/null; then flock -n \"$db\" true || stop \"an etcd runs on $data\"; fi\n\
         back \"$data\"\n"
    );
    if member.wal_dir.is_some() {
        out.push_str("back \"$wal\"\n");
    }
    out.push_str(") </dev/null\n");
    out
}
