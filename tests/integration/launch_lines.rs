//! What `launch`, its saved files and the Launch screen print is one command when it is pasted: run by shells, with
//! programs in place of etcd and the container tools that give back their arguments.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use requorum::{
    domain::{
        model::{plan::Plan, plan_yaml},
        render::start::{StartFormat, commands, sheet},
    },
    tui::{Model, Options, Step, headless::screen},
};

use crate::support::{fixture, requorum, succeed};

/// A plan whose values are wider than a screen, or have what shells take for something else.
fn plan(dir: &Path) -> Plan {
    let root = dir.join("it's a (long) directory $5 of `etcd` data & more; with \"quotes\", and so on to the end");
    let members: Vec<String> =
        (1..=5).map(|n| format!("member-{n}=https://etcd-{n}.a-long-name.example.net:2380")).collect();
    let mut command = requorum(["plan", "--label", "prod", "--initial-cluster", &members.join(","), "--snapshot"]);
    command.arg(fixture("s35.db")).arg("--data-root").arg(&root).arg("-o").arg(dir.join("plan.yaml"));
    succeed(&mut command);
    let plan = plan_yaml::from_yaml(&fs::read_to_string(dir.join("plan.yaml")).unwrap()).unwrap();
    // the guards ask for the restored directories
    for member in &plan.members {
        fs::create_dir_all(member.data_dir.join("member")).unwrap();
    }
    plan
}

/// Programs that print their own name and arguments, each ended by a zero byte.
fn programs(dir: &Path) -> PathBuf {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["etcd", "docker", "podman"] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\nprintf '%s\\0' {name} \"$@\"\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

/// The arguments that a program was started with, by `shell` with this text pasted into it.
fn argv(shell: &str, text: &str, bin: &Path) -> Vec<String> {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output =
        Command::new(shell).args(["-c", text]).env("PATH", path).env("ETCD_IMAGE", "an image").output().unwrap();
    assert!(output.status.success(), "{shell}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(String::from).collect()
}

fn is_sound(text: &str) {
    let output = Command::new("bash").args(["-n", "-c", text]).output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn printed_and_saved_commands_are_the_plans() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path());
    let bin = programs(home.path());
    let file = home.path().join("plan.yaml");
    let printed = succeed(requorum(["launch"]).arg(&file));
    let each: Vec<&str> = printed.trim_end().split("\n\n").collect();
    let wanted = commands(&plan);
    assert_eq!(each.len(), wanted.len());
    for (text, launch) in each.iter().zip(&wanted) {
        assert!(text.lines().count() > 5, "a line for each flag");
        for shell in ["sh", "bash"] {
            assert_eq!(argv(shell, text, &bin), launch.argv);
        }
    }
    let all: Vec<String> = wanted.iter().flat_map(|launch| launch.argv.clone()).collect();
    let manual = succeed(requorum(["launch", "--manual"]).arg(&file));
    assert_eq!(manual, sheet(&plan));
    assert_eq!(argv("bash", &manual, &bin), all);
    for format in ["docker", "podman"] {
        let text = succeed(requorum(["launch", "--member", "member-2", "--format", format]).arg(&file));
        let got = argv("bash", &text, &bin);
        assert_eq!(got.split_at(got.len() - wanted[1].argv.len() + 1).1, &wanted[1].argv[1..], "{format}");
    }
    for format in ["systemd", "drop-in", "env", "compose", "pod", "config", "shell"] {
        for member in ["member-1", "member-5"] {
            let output = requorum(["launch", "--member", member, "--format", format]).arg(&file).output().unwrap();
            // a format may refuse what it has no escape for
            if output.status.success() {
                is_sound(&String::from_utf8(output.stdout).unwrap());
            }
        }
    }
}

/// The lines of the command on the screen, as a mouse selects them.
fn on_screen(model: &Model, width: u16) -> String {
    let screen = screen(model, width, 90);
    let lines: Vec<&str> = screen.lines().collect();
    let formats = lines.iter().position(|line| line.contains("systemd") && line.contains("podman")).unwrap();
    let text = lines[formats + 1..].iter().skip_while(|line| line.is_empty());
    text.take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_is_selected_on_the_screen_is_one_command() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path());
    let bin = programs(home.path());
    let wanted = commands(&plan);
    let mut model = Model::new(Options::default(), "REAL");
    (model.step, model.restore.plan) = (Step::Launch, Some(plan.clone()));
    for width in [60, 80, 81, 100, 140] {
        for (at, launch) in wanted.iter().enumerate() {
            model.launch.at = at;
            model.launch.form = Some(StartFormat::Shell);
            let text = on_screen(&model, width);
            for shell in ["sh", "bash"] {
                assert_eq!(argv(shell, &text, &bin), launch.argv, "{shell} at {width}:\n{text}");
            }
            for form in [StartFormat::Docker, StartFormat::Podman] {
                model.launch.form = Some(form);
                let got = argv("bash", &on_screen(&model, width), &bin);
                assert_eq!(got.split_at(got.len() - launch.argv.len() + 1).1, &launch.argv[1..], "{form:?} at {width}");
            }
        }
    }
}
