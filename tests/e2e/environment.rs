//! What a child gets: environment, descriptors, session, signals.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
};

use rpm_tests::{Puppet, Raw, Rpm, Running, wait_until};
use serde_json::json;

#[test]
fn programs_find_what_pm2_gives_them() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web --namespace front -i 2");
    let list = rpm.jlist();
    for (number, entry) in list.iter().enumerate() {
        let environ = entry.environ();
        for (name, value) in [
            ("RPM_HOME", rpm.home().to_str().unwrap()),
            ("pm_id", &number.to_string()),
            ("NODE_APP_INSTANCE", &number.to_string()),
            ("name", "web"),
            ("namespace", "front"),
            ("exec_mode", "fork_mode"),
            ("exec_interpreter", "bash"),
            ("pm_exec_path", rpm.path("forever.sh").to_str().unwrap()),
            ("pm_cwd", rpm.dir().to_str().unwrap()),
            ("restart_time", "0"),
            ("unique_id", entry.text("unique_id")),
        ] {
            assert_eq!(environ.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
    rpm.ok("restart web");
    assert_eq!(rpm.jlist()[0].environ()["restart_time"], "1");
}

#[test]
fn declared_wins_over_the_callers_and_nothing_else_is_added() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv = { COLOUR = 'declared', NUMBER = 5, FLAG = true }\n",
    );
    let mut command = rpm.command("start eco.toml");
    command.env("COLOUR", "shell").env("SHAPE", "round");
    Running::start(command).output().ends_with(0);
    let environ = rpm.entry("web").environ();
    for (name, value) in [("COLOUR", "declared"), ("SHAPE", "round"), ("NUMBER", "5"), ("FLAG", "true")] {
        assert_eq!(environ.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!environ.contains_key("RPM_READY_FD"), "the daemon's own business: {environ:?}");
}

#[test]
fn the_daemons_environment_is_not_the_childs() {
    let rpm = Rpm::new();
    let start = |line: &str, variable: &str| {
        let mut command = rpm.command(line);
        command.env(variable, "1");
        Running::start(command).output().ends_with(0);
    };
    // The first start makes the daemon; the second app has nothing of that.
    start("start forever.sh --name a", "FIRST");
    start("start forever.sh --name b", "SECOND");
    let environ = rpm.entry("b").environ();
    assert!(environ.contains_key("SECOND") && !environ.contains_key("FIRST"), "{environ:?}");
}

#[test]
fn the_variable_of_the_instance_can_be_named() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'forever.sh'\ninstances = 2\ninstance_var = 'NUMBER'\n",
    );
    rpm.ok("start eco.toml");
    let environ = rpm.jlist()[1].environ();
    assert_eq!(environ["NUMBER"], "1");
    assert!(!environ.contains_key("NODE_APP_INSTANCE"));
}

#[test]
fn an_app_that_starts_another_leaks_nothing_of_itself() {
    let rpm = Rpm::new();
    let outer = Puppet::start(&rpm, "outer", "--namespace secret -i 1");
    let executable = rpm_tests::executable().display();
    outer.does(&format!("{executable} start forever.sh --name inner > started 2>&1; echo $? > code"));
    wait_until("the start from inside", || !rpm.read("code").is_empty());
    assert_eq!(rpm.read("code"), "0\n", "{}", rpm.read("started"));
    rpm.forever("plain", "");
    let environ = |name: &str| -> BTreeMap<_, _> {
        let mut environ = rpm.entry(name).environ();
        // What a shell sets by itself.
        environ.retain(|name, _| !["_", "SHLVL", "PWD", "OLDPWD"].contains(&name.as_str()));
        environ
    };
    let (inner, plain) = (environ("inner"), environ("plain"));
    assert!(inner.keys().eq(plain.keys()), "{inner:?}\n{plain:?}");
    for (name, value) in &plain {
        if !["name", "pm_id", "unique_id"].contains(&name.as_str()) {
            assert_eq!(&inner[name], value, "{name}");
        }
    }
    assert_eq!((inner["name"].as_str(), inner["namespace"].as_str()), ("inner", "default"));
}

#[test]
fn python_does_not_buffer() {
    let rpm = Rpm::new();
    // Whatever is called python gets it; what runs is a shell.
    std::os::unix::fs::symlink("/bin/sh", rpm.path("python-like")).unwrap();
    rpm.ok("start forever.sh --name web --interpreter ./python-like");
    assert_eq!(rpm.entry("web").environ()["PYTHONUNBUFFERED"], "1");
}

#[test]
fn values_may_hold_anything() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv = { ODD = \"a=b\\nc \\u00e9 '\\\"\" }\n",
    );
    rpm.ok("start eco.toml");
    assert_eq!(rpm.entry("web").environ()["ODD"], "a=b\nc é '\"");
}

#[test]
fn what_is_no_text_is_no_obstacle() {
    let rpm = Rpm::new();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let mut command = rpm.command("start forever.sh --name web");
    command.env("ODD", odd);
    Running::start(command).output().ends_with(0);
    assert_eq!(rpm.entry("web").status(), "online");
    let mut command = rpm.command("stop");
    command.arg(odd);
    Running::start(command).output().ends_with(1).complains("not found");
}

#[test]
fn an_environment_may_be_large() {
    let rpm = Rpm::new();
    let mut command = rpm.command("start forever.sh --no-autostart -i 25");
    let value = "x".repeat(100_000);
    for number in 0..7 {
        command.env(format!("LARGE_{number}"), &value);
    }
    Running::start(command).output().ends_with(0);
    // Together they are larger than any frame may be.
    let replies = Raw::greet(&rpm).ask(&json!({ "describe": null }));
    assert_eq!(replies.last(), Some(&json!("end")));
    let told = replies.iter().filter_map(|reply| reply["processes"].as_array()).flatten();
    assert_eq!(told.filter(|process| process["base_env"]["LARGE_6"] == value).count(), 25);
    rpm.ok("start 24");
    assert!(rpm.ok("list").stdout.contains("│ online "));
}

#[test]
fn a_child_has_a_session_of_its_own_and_three_descriptors() {
    let rpm = Rpm::new();
    let pid = rpm.forever("web", "").pid();
    // Before that the shell has its script open.
    wait_until("the shell having become sleep", || {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
    });
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let (group, session, terminal) = (fields[2], fields[3], fields[4]);
    assert_eq!((group, session, terminal), (&*pid.to_string(), &*pid.to_string(), "0"));
    let descriptors: BTreeSet<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(descriptors.iter().eq(["0", "1", "2"]), "{descriptors:?}");
}

#[test]
fn a_child_ignores_and_blocks_no_signal() {
    let rpm = Rpm::new();
    // Whoever starts the daemon may ignore some: nohup does.
    let command = rpm.command_under("nohup", &[], "start forever.sh --name web");
    Running::start(command).output().ends_with(0);
    let status = fs::read_to_string(format!("/proc/{}/status", rpm.entry("web").pid())).unwrap();
    for mask in ["SigIgn", "SigBlk"] {
        let value = status.lines().find_map(|line| line.strip_prefix(&format!("{mask}:"))).unwrap().trim();
        // Behind the first 31 are signals of the C library's own.
        assert_eq!(u64::from_str_radix(value, 16).unwrap() & 0x7fff_ffff, 0, "{mask}");
    }
}
