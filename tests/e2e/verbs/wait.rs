//! `wait` and `start --wait`: exit codes tell.

use rpm_tests::{Rpm, wait_until};

#[test]
fn it_answers_when_all_are_there() {
    let rpm = Rpm::new();
    rpm.script("slow.sh", "#!/bin/sh\nwhile ! test -e go; do sleep 0.01; done\necho up\nexec sleep 1000\n");
    rpm.write(
        "app.toml",
        "[[apps]]\nname = 'slow'\nscript = 'slow.sh'\nready = 'log:up'\nlisten_timeout = '60s'\n\
         [[apps]]\nname = 'quick'\nscript = 'forever.sh'\n",
    );
    let starting = rpm.start("start app.toml");
    wait_until("the launch", || rpm.jlist().len() == 2);
    rpm.ok("wait quick --for online");
    rpm.run("wait slow --timeout 20ms").ends_with(124).complains("not there after 20ms");
    let mut waiting = rpm.start("wait slow quick");
    assert!(!waiting.has_ended());
    rpm.write("go", "");
    waiting.output().ends_with(0);
    starting.output().ends_with(0);
    let stopping = rpm.start("wait all --for stopped");
    let ending = rpm.start("wait slow --for exit");
    ending.has_asked();
    let lost = rpm.start("wait slow --for healthy --timeout 60s");
    lost.output().ends_with(1).complains("it declares no `health`");
    rpm.run("wait all --for stopped --timeout 20ms").ends_with(124);
    rpm.ok("restart slow");
    ending.output().ends_with(0);
    rpm.ok("stop all");
    stopping.output().ends_with(0);
    rpm.ok("wait all --for exit");
}

#[test]
fn what_will_not_come_is_told() {
    let rpm = Rpm::new();
    rpm.fails("wait nobody").complains("no daemon is running");
    rpm.script("crash.sh", "#!/bin/sh\nexit 3\n");
    rpm.ok("start crash.sh --max-restarts 2");
    rpm.wait_status("crash", "errored");
    for what in ["", "--for online", "--for ready", "--for stopped"] {
        rpm.fails(&format!("wait crash {what}")).complains("[crash](0) 2 unstable restarts in a row");
    }
    rpm.ok("wait crash --for exit");
    rpm.fails("wait nobody").complains("nobody");
    rpm.fails("wait crash --for lunch").complains("expected online, ready, healthy, stopped or exit");
    rpm.fails("wait crash --timeout soon").complains("no duration");
    rpm.ok("delete crash");
    // What ends, or goes, while it is waited for.
    for end in ["stop web", "delete web"] {
        rpm.write("web.toml", "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nhealth = { command = 'touch asked; false', start_period = '60s' }\n");
        rpm.ok("start web.toml");
        let waiting = rpm.start("wait web");
        wait_until("the check", || rpm.path("asked").exists());
        waiting.has_asked();
        rpm.ok(end);
        waiting.output().ends_with(1);
    }
}

#[test]
fn a_start_can_wait_for_all_that_it_starts() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\nexit $(cat outcome)\n");
    let file = "[[apps]]\nname = 'web'\nscript = 'forever.sh'\ndepends_on = [{ app = 'task', condition = 'completed' }]\n\
                health = { command = 'test -e well', interval = 20, start_period = '60s' }\n\
                [[apps]]\nname = 'task'\nscript = 'task.sh'\nautorestart = false\n";
    rpm.write("eco.toml", file);
    rpm.write("outcome", "0");
    rpm.run("start eco.toml --wait --timeout 200ms").ends_with(124);
    rpm.write("well", "");
    rpm.ok("start eco.toml --wait --timeout 60s");
    assert_eq!(rpm.entry("web").get("health_state")["state"], "healthy");
    rpm.write("outcome", "4");
    rpm.write("eco.toml", &file.replace("health =", "on_dependency_failure = 'fail'\nhealth ="));
    rpm.fails("start eco.toml --wait --timeout 60s").complains("it has ended with code 4");
}
