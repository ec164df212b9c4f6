//! `install` and `uninstall`, with a stand-in for npm that copies a directory.

use rpm_tests::{Output, Rpm, Running};

const NPM: &str = r#"#!/bin/sh
# npm install ... --prefix DIR -- PACKAGE
while [ "$1" != --prefix ]; do shift; done
[ -d "$4" ] || { echo "no package $4" >&2; exit 1; }
name=$(basename "$4")
mkdir -p "$2/node_modules"
cp -r "$4" "$2/node_modules/$name"
echo "{\"dependencies\":{\"$name\":\"1\"}}" > "$2/package.json"
"#;

fn run(rpm: &Rpm, line: &str) -> Output {
    let mut command = rpm.command(line);
    let path = format!("{}:{}", rpm.path("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path);
    Running::start(command).output()
}

#[test]
fn a_package_runs_as_an_app_until_it_is_uninstalled() {
    let rpm = Rpm::new();
    rpm.script("bin/npm", NPM);
    rpm.write("mine/package.json", r#"{"name":"mine","main":"run.sh","config":{"pace":"slow"}}"#);
    rpm.script("mine/run.sh", "#!/bin/bash\nexec sleep 1000000\n");
    run(&rpm, "install ./mine")
        .ends_with(0)
        .says("[RPM][Module] Module downloaded")
        .says("[RPM][Module] Module successfully installed and launched");
    let entry = rpm.entry("mine");
    assert_eq!((entry.status(), entry.get("pmx_module")), ("online", &true.into()));
    assert_eq!(entry.environ()["pace"], "slow");
    assert!(entry.text("pm_exec_path").starts_with(rpm.home().join("modules/mine").to_str().unwrap()));
    rpm.ok("set mine:pace quick");
    assert_eq!(rpm.entry("mine").environ()["pace"], "quick");
    run(&rpm, "install ./mine").ends_with(0);
    assert_eq!(rpm.entry("mine").environ()["pace"], "quick", "settings outlive an update");
    rpm.ok("kill");
    rpm.ok("resurrect");
    assert_eq!(rpm.entry("mine").environ()["pace"], "quick", "it comes with every daemon");
    run(&rpm, "uninstall mine").ends_with(0).says("[RPM][Module] Uninstalling module mine");
    assert!(rpm.jlist().is_empty() && !rpm.home().join("modules/mine").exists());
    assert_eq!(rpm.ok("conf").stdout.matches("mine").count(), 0);
}

#[test]
fn a_module_is_not_one_of_all() {
    let rpm = Rpm::new();
    rpm.write("package.json", r#"{"name":"extra","version":"1.2.3","main":"run.sh"}"#);
    rpm.script("run.sh", "#!/bin/bash\nexec sleep 1000000\n");
    rpm.ok("install .")
        .says("[RPM][Module] Installing local module in DEVELOPMENT MODE with WATCH auto restart")
        .says("Module\n┌────┬");
    assert_eq!(rpm.entry("extra").get("watch").as_bool(), Some(true));
    rpm.fails("stop all").complains("No process found");
    rpm.ok("save").says("not managing any process");
    rpm.forever("web", "");
    rpm.ok("stop all").says("(ids: [ 1 ])");
    assert_eq!(rpm.statuses(), ["extra:online", "web:stopped"]);
    let table = rpm.ok("list").stdout;
    let (apps, modules) = table.split_once("Module\n").unwrap();
    assert!(apps.contains("│ web ") && !apps.contains("│ extra "), "{table}");
    assert!(modules.contains("│ extra ") && modules.contains("│ 1.2.3 "), "{table}");
    rpm.ok("save");
    rpm.ok("delete all");
    rpm.ok("restart extra");
    rpm.ok("delete extra");
    rpm.ok("resurrect");
    assert_eq!(rpm.statuses(), ["web:stopped"]);
}

#[test]
fn what_cannot_be_installed_changes_nothing() {
    let rpm = Rpm::new();
    rpm.script("bin/npm", NPM);
    run(&rpm, "install nothing-of-that-name").ends_with(1).complains("npm ended with");
    rpm.write("lib/package.json", r#"{"name":"lib"}"#);
    run(&rpm, "install ./lib").ends_with(1).complains("lib names nothing that can be run");
    rpm.fails("uninstall nomod").complains("[RPM][Module][ERROR] Unknown module");
    rpm.fails("uninstall ../home").complains("Unknown module");
    assert!(rpm.jlist().is_empty());
    assert_eq!(std::fs::read_dir(rpm.home().join("modules")).unwrap().count(), 0);
}

#[test]
fn a_package_with_the_name_of_an_app_leaves_the_app_alone() {
    let rpm = Rpm::new();
    rpm.script("bin/npm", NPM);
    rpm.forever("web", "");
    rpm.forever("0", "");
    let before = rpm.statuses();
    for name in ["web", "all", "0"] {
        rpm.write(&format!("{name}/package.json"), &format!(r#"{{"name":"{name}","main":"run.sh"}}"#));
        rpm.script(&format!("{name}/run.sh"), "#!/bin/bash\nexec sleep 1000000\n");
    }
    run(&rpm, "install ./web").ends_with(1).complains("an app is named web already");
    run(&rpm, "install ./all").ends_with(1).complains("a module named `all`");
    run(&rpm, "install ./0").ends_with(1).complains("an app is named 0 already");
    rpm.fails("uninstall web").complains("Unknown module");
    assert_eq!(rpm.statuses(), before);
    assert_eq!(std::fs::read_dir(rpm.home().join("modules")).unwrap().count(), 0);
    // An app that takes the name of a module later outlives the module.
    rpm.write("extra/package.json", r#"{"name":"extra","main":"run.sh"}"#);
    rpm.script("extra/run.sh", "#!/bin/bash\nexec sleep 1000000\n");
    run(&rpm, "install ./extra").ends_with(0);
    rpm.ok("start forever.sh --name extra --force");
    let module = |entry: &rpm_tests::Entry| *entry.get("pmx_module") == true;
    let app = rpm.jlist().iter().find(|entry| entry.name() == "extra" && !module(entry)).unwrap().pid();
    run(&rpm, "uninstall extra").ends_with(0);
    assert_eq!(rpm.entry("extra").pid(), app);
}

#[test]
fn log_rotation_is_there_already() {
    let rpm = Rpm::new();
    rpm.ok("install pm2-logrotate")
        .says("Logs are rotated by the daemon itself")
        .says("rpm set pm2-logrotate:max_size 10M");
    assert!(rpm.daemon().is_none());
}
