//! One name in several namespaces: several apps.

use rpm_tests::{Entry, Rpm, wait_until};

/// Two apps of one name, which say in their environment which they are.
const TWO: &str = r#"
    [[apps]]
    name = "api"
    namespace = "web"
    script = "forever.sh"
    env = { WHO = "web" }

    [[apps]]
    name = "api"
    namespace = "shop"
    script = "forever.sh"
    env = { WHO = "shop" }
"#;

fn started() -> Rpm {
    let rpm = Rpm::new();
    rpm.write("eco.toml", TWO);
    rpm.ok("start eco.toml");
    rpm
}

/// `namespace:status:restarts:WHO` of each process, in the order of the ids.
fn told(rpm: &Rpm) -> Vec<String> {
    let who = |entry: &Entry| match entry.pid() {
        0 => "-".to_owned(),
        _ => entry.environ().remove("WHO").unwrap_or_default(),
    };
    let list = rpm.jlist();
    let row = |entry: &Entry| {
        format!("{}:{}:{}:{}", entry.text("namespace"), entry.status(), entry.restarts(), who(entry))
    };
    list.iter().map(row).collect()
}

#[test]
fn each_has_its_own_declaration_and_stays_one_app() {
    let rpm = started();
    assert_eq!(told(&rpm), ["web:online:0:web", "shop:online:0:shop"]);
    rpm.ok("start eco.toml");
    assert_eq!(told(&rpm), ["web:online:1:web", "shop:online:1:shop"]);
    rpm.ok("start eco.toml --only shop/api");
    assert_eq!(told(&rpm), ["web:online:1:web", "shop:online:2:shop"]);
    assert_eq!(rpm.ok("apply eco.toml --dry-run").stdout.matches("keep").count(), 2);
    rpm.ok("stop eco.toml --only web/api");
    assert_eq!(told(&rpm), ["web:stopped:1:-", "shop:online:2:shop"]);
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect");
    assert_eq!(told(&rpm), ["web:stopped:0:-", "shop:online:0:shop"]);
}

#[test]
fn a_bare_name_means_all_of_them_and_a_full_one_its_app() {
    let rpm = started();
    rpm.ok("restart web/api");
    assert_eq!(told(&rpm), ["web:online:1:web", "shop:online:0:shop"]);
    rpm.ok("stop api");
    assert_eq!(told(&rpm), ["web:stopped:1:-", "shop:stopped:0:-"]);
    rpm.ok("start shop/api");
    assert_eq!(told(&rpm), ["web:stopped:1:-", "shop:online:0:shop"]);
    rpm.ok("scale shop/api 2");
    let namespaces = |rpm: &Rpm| told(rpm).iter().filter(|row| row.starts_with("shop")).count();
    assert_eq!((namespaces(&rpm), rpm.jlist().len()), (2, 3));
    // Instances are numbered for each app.
    assert_eq!(rpm.jlist().last().unwrap().environ()["NODE_APP_INSTANCE"], "1");
    rpm.ok("scale api 3");
    assert_eq!((namespaces(&rpm), rpm.jlist().len()), (3, 6));
    assert_eq!(rpm.ok("id web/api").stdout.matches(',').count(), 2);
    rpm.ok("delete web/api");
    assert_eq!((namespaces(&rpm), rpm.jlist().len()), (3, 3));
    rpm.fails("restart web/api").complains("web/api");
}

#[test]
fn a_dependency_means_the_app_of_the_same_namespace_first() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "db"
        namespace = "web"
        script = "false"
        autorestart = false

        [[apps]]
        name = "db"
        namespace = "shop"
        script = "true"
        autorestart = false

        [[apps]]
        name = "api"
        namespace = "web"
        script = "forever.sh"
        depends_on = [{ app = "db", condition = "completed" }]
        on_dependency_failure = "fail"

        [[apps]]
        name = "api"
        namespace = "shop"
        script = "forever.sh"
        depends_on = [{ app = "db", condition = "completed" }]

        [[apps]]
        name = "other"
        script = "forever.sh"
        depends_on = [{ app = "shop/db", condition = "completed" }]
        "#,
    );
    rpm.run("start eco.toml");
    let status = |namespace: &str| {
        let list = rpm.jlist();
        let is_it = |entry: &&Entry| entry.name() == "api" && entry.text("namespace") == namespace;
        list.iter().find(is_it).unwrap().status().to_owned()
    };
    wait_until("each has what it needs, or has failed", || {
        status("shop") == "online" && status("web") == "errored" && rpm.entry("other").status() == "online"
    });
}

#[test]
fn two_apps_with_everything_in_common_are_refused() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", &TWO.replace("shop", "web"));
    rpm.fails("start eco.toml").complains("this name is used twice");
}
