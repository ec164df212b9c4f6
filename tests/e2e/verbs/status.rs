//! `prettylist`, `slist`, `report`, `list --watch`: further views of what is there.

use rpm_tests::Rpm;

#[test]
fn prettylist_is_jlist_as_node_shows_it() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("prettylist").stdout, "[]");
    rpm.forever("web", "");
    let shown = rpm.ok("prettylist");
    shown.says("[\n  {\n    pid: ").says("    name: 'web',\n").says("      namespace: 'default',\n");
}

#[test]
fn the_host_has_figures() {
    let rpm = Rpm::new();
    rpm.ok("slist")
        .says("  'RAM Total': { value: ")
        .says("'CPU Usage': { value: ")
        .says("unit: 'gb', historic: true }\n}\n");
    rpm.ok("sysinfos -t").says("├─ RAM Total\n│  ├─ value: ");
    assert!(rpm.daemon().is_none(), "nothing was started for it");
}

#[test]
fn a_report_tells_who_where_and_what() {
    let rpm = Rpm::new();
    rpm.ok("report").says("--- RPM report ---").says("state                : none is running");
    rpm.forever("web", "");
    rpm.ok("report").says("state                : it answers").says("│ web").says("rpm.log last 20 lines:");
}

#[test]
fn the_list_is_shown_again_and_again() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let running = rpm.start("list --watch");
    running.shows_where("two refreshes", |shown| shown.matches("Last refresh:  ").count() >= 2);
    running.shows("│ web");
}
