//! Where output goes, and what it looks like there.

use std::fs;

use rpm_tests::{Puppet, Rpm, wait_until};

#[test]
fn a_child_appends_to_its_files_itself() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    let pid = rpm.entry("web").pid();
    for (descriptor, log) in [(1, "web-out.log"), (2, "web-error.log")] {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert_eq!(target, rpm.home().join("logs").join(log));
        let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        assert_ne!(i32::from_str_radix(flags, 8).unwrap() & nix::libc::O_APPEND, 0, "{info}");
    }
    puppet.does("echo out; echo err >&2; printf 'no end'");
    wait_until("the lines", || rpm.log("web-out") == "out\nno end" && rpm.log("web-error") == "err\n");
}

#[test]
fn a_restart_appends() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    puppet.does("echo one; exit 1");
    puppet.does("echo two");
    wait_until("both runs' lines", || rpm.log("web-out") == "one\ntwo\n");
    rpm.ok("delete web");
    assert_eq!(rpm.log("web-out"), "one\ntwo\n");
}

#[test]
fn instances_have_files_of_their_own_unless_merged() {
    let rpm = Rpm::new();
    rpm.script("say.sh", "echo $NODE_APP_INSTANCE; exec sleep 1000000");
    rpm.ok("start say.sh --name a_b -i 2");
    wait_until("the lines", || rpm.log("a-b-out-0") == "0\n" && rpm.log("a-b-out-1") == "1\n");
    rpm.ok("start say.sh --name merged -i 2 --merge-logs");
    wait_until("both lines in one file", || ["0\n1\n", "1\n0\n"].contains(&rpm.log("merged-out").as_str()));
}

#[test]
fn files_can_be_named_relative_to_the_apps_directory() {
    let rpm = Rpm::new();
    rpm.script("there/say.sh", "echo out; echo err >&2; exec sleep 1000000");
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "web"
        script = "say.sh"
        cwd = "there"
        out_file = "new/deep/out.log"
        error_file = "/dev/null"
        [[apps]]
        name = "both"
        script = "there/say.sh"
        out_file = "both.log"
        error_file = "both.log"
        [[apps]]
        name = "two"
        script = "there/say.sh"
        instances = 2
        out_file = "two.log"
        error_file = "NULL"
        "#,
    );
    rpm.ok("start eco.toml");
    wait_until("the lines", || {
        rpm.read("there/new/deep/out.log") == "out\n"
            && rpm.read("both.log") == "out\nerr\n"
            && rpm.read("two-2.log") == "out\n"
            && rpm.read("two-3.log") == "out\n"
    });
    let list = rpm.jlist();
    assert_eq!(list[0].text("pm_err_log_path"), "/dev/null");
    assert_eq!(list[2].text("pm_err_log_path"), "/dev/null");
    assert!(!rpm.home().join("logs/web-error.log").exists());
}

/// Whether each line of `log` begins with a date of now and continues with one of `texts`, in order.
fn is_dated(log: &str, texts: &[&str]) -> bool {
    let is_date = |date: &str| {
        let shape: String = date.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
        shape == "dddd-dd-ddTdd:dd:dd"
    };
    let lines: Vec<_> = log.lines().map(|line| line.split_once(": ").unwrap_or(("", line))).collect();
    lines.len() == texts.len()
        && lines.iter().zip(texts).all(|((date, text), expected)| is_date(date) && text == expected)
}

#[test]
fn time_puts_a_date_before_each_line() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--time");
    puppet.does("echo one; echo two; printf 'in '; printf 'parts\\n'; echo wrong >&2");
    wait_until("dated lines", || {
        is_dated(&rpm.log("web-out"), &["one", "two", "in parts"])
            && is_dated(&rpm.log("web-error"), &["wrong"])
    });
    // The pump outlives a run, and the file a deletion.
    puppet.does("exit 1");
    puppet.does("echo three");
    wait_until("a line of the next run", || {
        is_dated(&rpm.log("web-out"), &["one", "two", "in parts", "three"])
    });
    rpm.ok("delete web");
    assert!(is_dated(&rpm.log("web-out"), &["one", "two", "in parts", "three"]), "{}", rpm.log("web-out"));
}

#[test]
fn a_date_has_the_declared_form() {
    let rpm = Rpm::new();
    rpm.ok(["start", "fails.sh", "--name", "web", "--no-autorestart", "--log-date-format", "[<]YY[>]"]);
    wait_until("a dated line", || {
        let log = rpm.log("web-error");
        log.len() == "<yy>: failing\n".len() && log.starts_with('<') && log.ends_with(">: failing\n")
    });
}

#[test]
fn dated_lines_are_complete_and_in_order() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--log-date-format D");
    puppet.does("for i in $(seq 20000); do echo $i; done");
    wait_until("all lines", || rpm.log("web-out").ends_with(": 20000\n"));
    let log = rpm.log("web-out");
    let numbers = log.lines().map(|line| line.split_once(": ").unwrap().1.parse::<u32>().unwrap());
    assert!(numbers.eq(1..=20000));
}

#[test]
fn last_words_are_kept() {
    let rpm = Rpm::new();
    for how in ["stop web", "delete web", "kill"] {
        rpm.ok("start signals.js --name web --log-date-format D");
        wait_until("the handlers", || rpm.log("web-out").ends_with(": ready\n"));
        rpm.ok(how);
        wait_until(format!("the last line after {how}"), || rpm.log("web-out").ends_with(": SIGINT\n"));
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_the_apps_error() {
    let rpm = Rpm::new();
    rpm.write("file", "");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'bad'\nscript = 'forever.sh'\nout_file = 'file/out.log'\n\
         [[apps]]\nname = 'good'\nscript = 'forever.sh'\n",
    );
    let output = rpm.run("start eco.toml");
    output.says_nothing_of("panic");
    assert_eq!(rpm.statuses(), ["bad:errored", "good:online"]);
    rpm.ok("describe bad").says("out.log");
}
