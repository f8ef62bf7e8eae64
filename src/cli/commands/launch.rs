//! `requorum launch`: the launch command of each member, in a start format.

use crate::domain::render::runbook;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::plan::{chosen, read_without, timestamp};
use crate::cli::{
    Format, absolute,
    args::{plan_arg::PlanArg, ssh_args::SshArgs},
    output::progress::interruptible,
    print, print_json, refuse_problems, warn,
};
use crate::{
    cli::output::remedies,
    domain::{
        members::{build_plan, table::About},
        model::{
            host_address,
            observations::config::{ConfigFacts, Setting},
            plan::Plan,
        },
        render::start::{self, HostKnown, Known, Page, StartFormat},
    },
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    execute,
    system::{Clock, Files, Hosts, discovery, etcd_client::Members, local::Local},
    text::{Shown, join::either, nearest::candidates},
};

#[derive(Debug, clap::Args)]
#[command(mut_arg("ssh_config", |arg| arg.requires("discover")), mut_arg("agent", |arg| arg.requires("discover")))]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// Print only this member; repeatable [default: all]
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// Print all commands as one manual, with their order, guards and notes
    #[arg(long, alias = "sheet", conflicts_with_all = ["start_format", "member"])]
    manual: bool,
    /// Start format: shell, systemd, …, auto or runbook
    ///
    /// One of shell, systemd, drop-in, env, config, docker, podman, compose, pod; auto matches how the member was
    /// started before; runbook is the whole recovery on paper, also runbook:FORMAT.
    #[arg(long = "format", alias = "form", value_name = "FORMAT")]
    start_format: Option<String>,
    /// Write each file of the format to a new file in this directory
    #[arg(short, long, value_name = "DIR", requires = "start_format")]
    output: Option<PathBuf>,
    /// How a member was started before; its flags are kept
    ///
    /// A systemd unit, a static pod's manifest, a file of ETCD_ variables, etcd's own YAML, a script that only starts
    /// etcd, or the output of docker inspect. Repeatable, also for one member whose unit and environment file are
    /// separate.
    #[arg(long, value_name = "NAME=FILE")]
    old: Vec<String>,
    /// Find that, and host addresses, on the members' hosts
    ///
    /// Over SSH, or on this machine.
    #[arg(long)]
    discover: bool,
    #[command(flatten)]
    ssh: SshArgs,
    /// etcd version that will run, if not in the plan: 3.4 to 3.7
    #[arg(long, value_name = "VERSION")]
    etcd_version: Option<Minor>,
    /// Image that the containers run
    #[arg(long)]
    image: Option<String>,
    /// Path of etcd on the hosts [default: /usr/bin/etcd]
    #[arg(long, value_name = "PATH")]
    program: Option<String>,
}

pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    // certificates are checked later, with the flags that are printed
    let plan = read_without(args.plan.path(), Some(About::Certificates))?;
    let ssh = args.ssh.ssh()?;
    let system = Local::new(Members::new(Default::default())?).by(ssh);
    let known = known(args, &plan, &system)?;
    uncertified(&plan, &known)?;
    if args.manual {
        return print(&start::sheet_on(&plan, &known));
    }
    let names = chosen(&plan, &args.member)?;
    let Some(form) = &args.start_format else { return commands(&plan, &names, &known, format) };
    let parse = |text: &str| {
        let wrong = |why: String| Error::new(ErrorKind::Usage, "--format: invalid value").why(why);
        text.parse::<StartFormat>().map_err(wrong).map_err(|error| match meant(text).as_slice() {
            [] => error,
            names => error.hint(format!("Did you mean {}?", either(names))),
        })
    };
    if let Some(rest) = form.strip_prefix("runbook").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
        let form = rest.strip_prefix(':').map(parse).transpose()?;
        let text = runbook::runbook(&plan, form, &known, &timestamp(system.now()).replace([':', '-'], ""));
        return match &args.output {
            None => print(&text),
            Some(dir) => write(&system, dir, &[(format!("runbook-{}.md", plan.short_id()), text)]),
        };
    }
    let mut pages = Vec::new();
    for name in &names {
        let form = if form == "auto" { StartFormat::fitting(&plan, name, &known) } else { parse(form)? };
        let page = start::page(&plan, name, form, &known).map_err(|why| {
            Error::new(ErrorKind::Input, format!("{name}: start format {} is not possible", form.as_str()))
                .why(why)
                .hint("Choose another format.")
        })?;
        pages.push(page);
    }
    if let Some(dir) = &args.output {
        let files: Vec<(String, String)> = pages.iter().flat_map(files).collect();
        return write(&system, dir, &files);
    }
    if format == Format::Json {
        let list: Vec<serde_json::Value> = pages.iter().map(page_json).collect();
        return print_json(&format!("{}\n", serde_json::Value::from(list)));
    }
    let texts: Vec<String> = pages.iter().map(Page::text).collect();
    print(&texts.join("\n"))
}

/// Returns the formats that may have been meant by an unknown one: mistyped, or called as other tools call them.
fn meant(text: &str) -> Vec<String> {
    const OTHERS: [(&str, &str); 18] = [
        ("unit", "systemd"),
        ("service", "systemd"),
        ("systemctl", "systemd"),
        ("override", "drop-in"),
        ("dropin", "drop-in"),
        ("bash", "shell"),
        ("sh", "shell"),
        ("command", "shell"),
        ("environment", "env"),
        ("default", "env"),
        ("yaml", "config"),
        ("yml", "config"),
        ("manifest", "pod"),
        ("static-pod", "pod"),
        ("kubernetes", "pod"),
        ("kubeadm", "pod"),
        ("docker-compose", "compose"),
        ("markdown", "runbook"),
    ];
    if let Some((_, name)) = OTHERS.iter().find(|(other, _)| other.eq_ignore_ascii_case(text)) {
        return vec![(*name).to_string()];
    }
    let names = StartFormat::all().map(StartFormat::as_str).chain(["auto", "runbook"]);
    candidates(text, names).into_iter().map(str::to_string).collect()
}

/// Warns of https without certificates, by the flags that are printed.
fn uncertified(plan: &Plan, known: &Known) -> Result<()> {
    let launches = start::commands_on(plan, known);
    let mut printed = plan.clone();
    for (member, launch) in printed.members.iter_mut().zip(launches) {
        member.etcd_flags = launch.argv.into_iter().skip(1).collect();
    }
    let mut problems = build_plan::verify(&printed);
    problems.retain(|problem| problem.about == About::Certificates);
    let names: Vec<&str> = plan.members.iter().map(|m| m.name.as_str()).collect();
    refuse_problems("plan refused", &problems, &names)
}

/// Collects what is known in addition to the plan.
fn known(args: &Args, plan: &Plan, system: &Local) -> Result<Known> {
    let mut hosts = match args.discover {
        true => {
            let names = chosen(plan, &args.member)?;
            let learned = interruptible(|cancel| execute::discover::known(plan, &names, system, cancel))?;
            learned
                .troubles
                .iter()
                .for_each(|(host, error)| warn(&format!("Warning: {host}: {}", remedies::error(error))));
            learned.hosts
        }
        false => {
            let here = host_address::LOCAL.into();
            vec![HostKnown { host: here, addresses: system.addresses(), ..HostKnown::default() }]
        }
    };
    let mut given = Vec::new();
    for item in &args.old {
        let wrong = |why: String| Error::new(ErrorKind::Usage, format!("--old={item}: invalid value")).why(why);
        let (name, file) = item.split_once('=').ok_or_else(|| wrong("the format is NAME=FILE".into()))?;
        let member = plan.member(name).map_err(|error| wrong(error.what).hint(error.hint))?;
        let here = host_address::is_local(&member.host);
        let mut facts = discovery::one(&absolute(Path::new(file))?, here)?;
        set_name(&mut facts, name, plan);
        let at = match hosts.iter().position(|host| host.host == member.host) {
            Some(at) => at,
            None => {
                hosts.push(HostKnown { host: member.host.clone(), ..HostKnown::default() });
                hosts.len() - 1
            }
        };
        let Some(host) = hosts.get_mut(at) else { continue };
        host.adopt = true;
        match given.contains(&name).then(|| host.configs.iter_mut().find(|c| c.get("name") == Some(name))).flatten() {
            Some(first) => joined(first, facts),
            None => host.configs.insert(0, facts),
        }
        given.push(name);
    }
    Ok(Known { version: args.etcd_version, hosts, image: args.image.clone(), program: args.program.clone() })
}

/// Assigns the configuration to this member, whatever name it has; if that is another member's, a note says so.
fn set_name(facts: &mut ConfigFacts, name: &str, plan: &Plan) {
    let other = facts.get("name").filter(|other| *other != name && plan.member(other).is_ok());
    let note = other.map(|other| format!("it names member {other}, but was given for {name}"));
    facts.notes.extend(note);
    facts.flags.retain(|setting| setting.flag != "name");
    facts.flags.push(Setting { flag: "name".into(), value: name.into(), from: "--old".into() });
}

/// Adds from a second file of the same member what the first does not set.
fn joined(first: &mut ConfigFacts, second: ConfigFacts) {
    for setting in second.flags {
        if first.get(&setting.flag).is_none() {
            first.flags.push(setting);
        }
    }
    first.notes.extend(second.notes);
}

fn commands(plan: &Plan, names: &[String], known: &Known, format: Format) -> Result<()> {
    let launches: Vec<start::Launch> =
        start::commands_on(plan, known).into_iter().filter(|l| names.contains(&l.member)).collect();
    if format == Format::Json {
        let list: Vec<serde_json::Value> = launches
            .iter()
            .map(|l| {
                json!({"member": l.member, "argv": l.argv, "command": l.command, "notes": l.notes, "changes": l.changes})
            })
            .collect();
        return print_json(&format!("{}\n", serde_json::Value::from(list)));
    }
    for (n, launch) in launches.iter().enumerate() {
        for note in launch.notes.iter().chain(&launch.changes) {
            warn(&format!("{}: {note}", launch.member));
        }
        let gap = if n > 0 { "\n" } else { "" };
        print(&format!("{gap}{}\n", launch.pretty))?;
    }
    Ok(())
}

/// Returns the files that a page is saved as: its files under the names that its lines use, and the whole page.
fn files(page: &Page) -> Vec<(String, String)> {
    let word = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = page.member.chars().map(word).collect();
    let whole = (format!("{name}-{}.txt", page.form.as_str()), page.text());
    page.files.iter().map(|file| (file.name.clone(), file.text.clone())).chain([whole]).collect()
}

fn write(system: &Local, dir: &Path, files: &[(String, String)]) -> Result<()> {
    let dir = absolute(dir)?;
    system.create_dir(&dir)?;
    for (name, text) in files {
        let path = dir.join(name);
        system.write_new(&path, text)?;
        print(&format!("{}\n", path.shown()))?;
    }
    Ok(())
}

fn page_json(page: &Page) -> serde_json::Value {
    let files: Vec<serde_json::Value> =
        page.files.iter().map(|f| json!({"place": f.place, "name": f.name, "text": f.text})).collect();
    json!({
        "member": page.member, "form": page.form.as_str(), "files": files, "start": page.start, "back": page.back,
        "notes": page.notes,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::{CommandFactory, Parser, error::ErrorKind};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn formats_that_may_have_been_meant() {
        for (typed, names) in [
            ("sytemd", &["systemd"][..]),
            ("sys", &["systemd"]),
            ("Unit", &["systemd"]),
            ("static-pod", &["pod"]),
            ("runbok", &["runbook"]),
            ("pdman", &["podman"]),
            ("d", &["drop-in", "docker"]),
            ("xml", &[]),
        ] {
            assert_eq!(meant(typed), names, "{typed}");
        }
    }

    #[test]
    fn earlier_names_of_flags_are_still_read() {
        let read = |words: &[&str]| {
            let line = Line::try_parse_from([&["launch", "p"], words].concat());
            line.map(|line| (line.args.manual, line.args.start_format)).map_err(|error| error.kind())
        };
        for (now, before, expected) in [
            (&["--format", "pod"][..], &["--form", "pod"][..], Ok((false, Some("pod".to_string())))),
            (
                &["--format=runbook:pod", "-o", "d"],
                &["--form=runbook:pod", "-o", "d"],
                Ok((false, Some("runbook:pod".into()))),
            ),
            (&["--manual"], &["--sheet"], Ok((true, None))),
            (&["--manual", "--format", "pod"], &["--sheet", "--form", "pod"], Err(ErrorKind::ArgumentConflict)),
            (&["--manual", "--member", "m1"], &["--sheet", "--member", "m1"], Err(ErrorKind::ArgumentConflict)),
            (&["-o", "d"], &["--output", "d"], Err(ErrorKind::MissingRequiredArgument)),
        ] {
            assert_eq!(read(now), expected, "{now:?}");
            assert_eq!(read(before), expected, "{before:?}");
        }
        let help = Line::command().render_long_help().to_string();
        assert!(help.contains("--format <FORMAT>") && help.contains("--manual"), "{help}");
        assert!(!help.contains("--form ") && !help.contains("--sheet"), "{help}");
    }
}
