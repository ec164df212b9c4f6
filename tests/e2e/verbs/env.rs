//! `env`: the environment of a process, for people.

use rpm_tests::Rpm;

#[test]
fn it_is_the_environment_without_bookkeeping() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'forever.sh'\nenv = { COLOUR = 'red', EMPTY = '' }\n",
    );
    rpm.ok("start eco.toml");
    let output = rpm.ok("env 0");
    output
        .says("COLOUR: red\n")
        .says("EMPTY: \n")
        .says(&format!("HOME: {}\n", rpm.home().parent().unwrap().display()));
    for name in ["pm_exec_path: ", "restart_time: ", "unique_id: "] {
        output.says_nothing_of(name);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.fails("env 5").complains("[RPM][ERROR] Modules with id 5 not found");
}
