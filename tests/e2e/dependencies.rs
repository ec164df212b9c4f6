//! `depends_on`: what is started when, what ends when, and what cannot be.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpm_tests::{Rpm, wait_until};

/// It says `up` once the file `<name>.go` is there; and that it ends in the file `ends`.
const SERVICE: &str = "#!/bin/sh
trap 'echo $name >> ends; exit 0' INT
while ! test -e $name.go; do sleep 0.01; done
echo $name >> starts
echo up
while :; do sleep 0.01; done
";

/// It ends with what is in the file `outcome`, once it is there.
const TASK: &str = "#!/bin/sh
while ! test -s outcome; do sleep 0.01; done
echo $name >> starts
exit $(cat outcome)
";

fn stack(more: &str) -> Rpm {
    let rpm = Rpm::new();
    rpm.script("service.sh", SERVICE);
    rpm.script("task.sh", TASK);
    rpm.write(
        "stack.toml",
        &format!(
            "[[apps]]\nname = 'api'\nscript = 'service.sh'\nready = 'log:up'\nlisten_timeout = '60s'\n\
             depends_on = ['db', {{ app = 'migrate', condition = 'completed' }}]\n{more}\n\
             [[apps]]\nname = 'migrate'\nscript = 'task.sh'\nautorestart = false\ndepends_on = 'db'\n\
             [[apps]]\nname = 'db'\nscript = 'service.sh'\nready = 'log:up'\nlisten_timeout = '60s'\n"
        ),
    );
    rpm
}

fn status(rpm: &Rpm, name: &str) -> String {
    rpm.jlist()
        .iter()
        .find(|entry| entry.name() == name)
        .map_or_else(String::new, |entry| entry.status().to_owned())
}

#[test]
fn each_is_started_when_what_it_needs_is_there_and_ends_before_that_ends() {
    let rpm = stack("");
    let starting = rpm.start("start stack.toml");
    wait_until("those who wait", || {
        status(&rpm, "db") == "launching"
            && status(&rpm, "migrate") == "waiting"
            && status(&rpm, "api") == "waiting"
    });
    rpm.ok("describe api").says("│ depends on ").says("db (ready), migrate (completed)").says("│ waits for ");
    rpm.write("db.go", "");
    starting.output().ends_with(0);
    wait_until("the migration", || status(&rpm, "migrate") == "online");
    assert_eq!(status(&rpm, "api"), "waiting");
    rpm.write("api.go", "");
    rpm.write("outcome", "0");
    rpm.wait_status("migrate", "stopped");
    rpm.ok("wait api --timeout 60s");
    assert_eq!(rpm.read("starts"), "db\nmigrate\napi\n");
    rpm.ok("save");
    rpm.ok("stop all");
    assert_eq!(rpm.read("ends"), "api\ndb\n");
    rpm.ok("delete all");
    rpm.write("starts", "");
    rpm.ok("resurrect");
    rpm.ok("wait api db --timeout 60s");
    assert_eq!(rpm.read("starts"), "db\nmigrate\napi\n", "its work is needed again");
    rpm.write("ends", "");
    rpm.ok("kill");
    assert_eq!(rpm.read("ends"), "api\ndb\n");
}

#[test]
fn the_effect_of_a_failure_can_be_chosen() {
    for (chosen, expected) in [("wait", "waiting"), ("fail", "errored"), ("start", "online")] {
        let rpm = stack(&format!("on_dependency_failure = '{chosen}'"));
        for file in ["db.go", "api.go"] {
            rpm.write(file, "");
        }
        rpm.write("outcome", "3");
        rpm.run("start stack.toml");
        rpm.wait_where("migrate", "its end", |entry| {
            entry.status() == "stopped" && entry.number("exit_code") == 3
        });
        rpm.wait_status("api", expected);
        if chosen == "fail" {
            rpm.ok("describe api").says("migrate (completed) will not be: it has ended with code 3");
            rpm.fails("wait api --timeout 60s").complains("it has ended with code 3");
        }
        if chosen == "wait" {
            rpm.ok("describe api").says("migrate (completed): it has ended with code 3");
            rpm.write("outcome", "0");
            rpm.ok("restart migrate");
            rpm.wait_status("api", "online");
        }
    }
}

#[test]
fn a_stop_of_one_that_waits_ends_the_waiting_and_a_crash_does_not_begin_it() {
    let rpm = stack("");
    rpm.write("db.go", "");
    rpm.write("api.go", "");
    rpm.ok("start stack.toml");
    rpm.ok("stop api");
    assert_eq!(status(&rpm, "api"), "stopped");
    rpm.write("outcome", "0");
    rpm.wait_status("migrate", "stopped");
    assert_eq!(status(&rpm, "api"), "stopped");
    rpm.ok("start api");
    let api = rpm.wait_status("api", "online");
    rpm.ok("stop db");
    // It was started already: it is restarted by its own rules.
    kill(Pid::from_raw(api.pid()), Signal::SIGKILL).unwrap();
    rpm.wait_where("api", "a restart", |entry| entry.restarts() == 1 && entry.status() == "online");
    // But whoever starts it anew waits.
    rpm.ok("restart api");
    rpm.wait_status("api", "waiting");
    rpm.ok("start db");
    rpm.wait_status("api", "online");
}

#[test]
fn all_instances_have_to_be_there() {
    let rpm = Rpm::new();
    rpm.write(
        "stack.toml",
        "[[apps]]\nname = 'api'\nscript = 'forever.sh'\ndepends_on = [{ app = 'db', condition = 'healthy' }]\n\
         [[apps]]\nname = 'db'\nscript = 'forever.sh'\ninstances = 2\n\
         health = { command = 'test -e well.$NODE_APP_INSTANCE', interval = 20, start_period = '60s' }\n",
    );
    rpm.ok("start stack.toml");
    let healthy =
        || rpm.jlist().iter().filter(|entry| entry.get("health_state")["state"] == "healthy").count();
    rpm.write("well.0", "");
    wait_until("the first", || healthy() == 1);
    assert_eq!(status(&rpm, "api"), "waiting");
    // What it waits for is known to the next daemon, too.
    rpm.ok("update");
    assert_eq!(status(&rpm, "api"), "waiting");
    rpm.lose_daemon();
    rpm.ok("ping");
    wait_until("the first", || healthy() == 1);
    assert_eq!(status(&rpm, "api"), "waiting");
    rpm.write("well.1", "");
    rpm.wait_status("api", "online");
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let rpm = Rpm::new();
    let app = |name: &str, needs: &str| {
        format!("[[apps]]\nname = '{name}'\nscript = 'forever.sh'\ndepends_on = [{needs}]\n")
    };
    rpm.write("eco.toml", &[app("a", "'b'"), app("b", "'c'"), app("c", "'a'")].concat());
    rpm.fails("start eco.toml")
        .complains("eco.toml:4:15: depends_on: these depend on each other in a circle: a -> b -> c -> a");
    rpm.write("eco.toml", &[app("api", "'database', 'dbb'"), app("db", "")].concat());
    rpm.fails("start eco.toml")
        .complains("eco.toml:4:15: app \"api\": depends_on: no app \"database\" is started here or in the list\n")
        .complains("eco.toml:4:27: app \"api\": depends_on: no app \"dbb\" is started here or in the list: did you mean \"db\"?");
    assert!(rpm.processes().is_empty());
    // What is in the list, or in another file, is known.
    rpm.write("other.toml", &app("database", ""));
    rpm.forever("dbb", "");
    rpm.ok("start other.toml eco.toml");
    rpm.wait_status("api", "online");
    // A circle through the list.
    rpm.write("other.toml", &app("database", "'api'"));
    rpm.fails("start other.toml").complains("in a circle: api -> database -> api");
    // Only a part of a file, and the rest is not there.
    rpm.ok("delete all");
    rpm.write("eco.toml", &[app("api", "'db'"), app("db", "")].concat());
    rpm.fails("start eco.toml --only api").complains("eco.toml:4:15").complains("no app \"db\"");
    rpm.ok("start eco.toml --only db");
    rpm.ok("start eco.toml --only api");
    rpm.wait_status("api", "online");
}

#[test]
fn apply_brings_a_stack_in_order() {
    let rpm = stack("");
    for file in ["db.go", "api.go"] {
        rpm.write(file, "");
    }
    rpm.write("outcome", "0");
    rpm.ok("apply stack.toml");
    rpm.ok("wait api --timeout 60s");
    assert_eq!(rpm.read("starts"), "db\nmigrate\napi\n");
    rpm.ok("apply stack.toml --dry-run").says("Nothing to do");
}
