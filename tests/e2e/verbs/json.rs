//! `--json`: data and nothing else, with the version of its form.

use rpm_tests::Rpm;
use serde_json::Value;

fn told(rpm: &Rpm, command: &str) -> Value {
    let output = rpm.run(command);
    let json: Value = serde_json::from_str(&output.stdout)
        .unwrap_or_else(|error| panic!("`{command}` tells more than data: {error}: {output}"));
    assert_eq!(json["schema"], 1, "{command}: {json}");
    json
}

#[test]
fn every_verb_that_tells_data_can_tell_it_as_such() {
    let rpm = Rpm::new();
    assert_eq!(told(&rpm, "list --json")["processes"], serde_json::json!([]), "without a daemon");
    rpm.write("app.toml", "[[apps]]\nname = \"web\"\nscript = \"sleep\"\nargs = \"1000\"\nsecret = [\"KEY\"]\nenv = { KEY = \"hidden\" }\n");
    rpm.ok("start app.toml");
    let web = rpm.entry("web");
    let row = &told(&rpm, "list --json")["processes"][0];
    assert_eq!(
        (&row["name"], &row["status"], &row["mode"]),
        (&"web".into(), &"online".into(), &"fork".into())
    );
    assert_eq!(row["pid"], web.pid());
    let process = &told(&rpm, "describe web --json")["processes"][0];
    assert_eq!((&process["app"]["name"], &process["exit"]), (&"web".into(), &Value::Null));
    assert!(!process.to_string().contains("hidden"), "{process}");
    assert_eq!(told(&rpm, "id web --json")["ids"], serde_json::json!([0]));
    assert_eq!(told(&rpm, "pid web --json")["pids"], serde_json::json!([web.pid()]));
    assert!(told(&rpm, "env 0 --json")["env"]["PATH"].is_string());
    assert_eq!(told(&rpm, "env 0 --diff --json")["differences"], serde_json::json!([]));
    rpm.ok("set web:colour blue");
    assert_eq!(told(&rpm, "get --json")["settings"]["web"]["colour"], "blue");
    assert_eq!(told(&rpm, "get web:colour --json")["settings"], "blue");
    assert!(told(&rpm, "apply app.toml --dry-run --json")["steps"].is_array());
    rpm.ok("stop web");
    let row = &told(&rpm, "list --json")["processes"][0];
    assert_eq!(
        (&row["status"], &row["pid"], &row["started"]),
        (&"stopped".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(told(&rpm, "describe web --json")["processes"][0]["exit"]["signal"], "SIGINT");
}
