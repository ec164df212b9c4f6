//! `convert`: any format as TOML with the same meaning.

use rpm_tests::Rpm;
use serde_json::Value;

/// The same apps in each format.
const FILES: &[(&str, &str)] = &[
    (
        "eco.json",
        r#"{ // with comments
            "apps": [{ "name": "a", "script": "forever.sh", "max_memory_restart": "100M", "kill_timeout": 900,
                       "env": { "A": "1" }, "env_prod": { "A": "2" } },
                     { "name": "b", "script": "forever.sh", "args": "one 'two three'", "instances": 2 }] }"#,
    ),
    (
        "eco.json5",
        "{ apps: [{ name: 'a', script: 'forever.sh', maxMemoryRestart: '100M', killTimeout: 900, env: { A: 1 }, \
         env_prod: { A: 2 } }, { name: 'b', script: 'forever.sh', args: ['one', 'two three'], instances: 2 }] }",
    ),
    (
        "eco.yaml",
        "apps:\n  - name: a\n    script: forever.sh\n    max_memory_restart: 100M\n    kill_timeout: 900\n    env: { A: 1 }\n\
         \x20   env_prod: { A: 2 }\n  - name: b\n    script: forever.sh\n    args: [one, two three]\n    instances: 2\n",
    ),
    (
        "eco.config.js",
        "const app = (name) => ({ name, script: 'forever.sh' });\nmodule.exports = { apps: [{ ...app('a'), \
         max_memory_restart: `${50 * 2}M`, kill_timeout: 900, env: { A: 1 }, env_prod: { A: 2 } }, { ...app('b'), \
         args: 'one \"two three\"', instances: 2 }] };\n",
    ),
];

/// What is there after the start of a file, without what differs from start to start.
fn started(rpm: &Rpm, file: &str) -> Vec<Value> {
    rpm.ok(&format!("start {file} --env prod"));
    let mut list: Vec<Value> = rpm.jlist().into_iter().map(|entry| entry.0).collect();
    for process in &mut list {
        for field in ["pid", "monit"] {
            process.as_object_mut().unwrap().remove(field);
        }
        let attributes = process["pm2_env"].as_object_mut().unwrap();
        for field in ["created_at", "pm_uptime", "unique_id"] {
            attributes.remove(field);
        }
    }
    rpm.ok("delete all");
    list
}

#[test]
fn every_format_becomes_toml_that_starts_the_same() {
    let rpm = Rpm::new();
    let mut all = Vec::new();
    for (file, text) in FILES {
        rpm.write(file, text);
        let to = format!("{file}.toml");
        rpm.ok(&format!("convert {file} -o {to}")).says(&to);
        let (before, after) = (started(&rpm, file), started(&rpm, &to));
        assert_eq!(before.len(), 3);
        assert_eq!(before, after, "{file}:\n{}", rpm.read(&to));
        let again = rpm.ok(&format!("convert {to}")).stdout;
        let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(body(&again), body(&rpm.read(&to)), "TOML stays what it is, but for where it came from");
        all.push(before);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "all say the same");
    assert_eq!(all[0][0]["pm2_env"]["env"]["A"], "2");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let rpm = Rpm::new();
    let (file, text) = FILES[0];
    rpm.write(file, text);
    rpm.write("mine.toml", "# mine\n");
    rpm.fails(&format!("convert {file} -o mine.toml")).complains("--force");
    assert_eq!(rpm.read("mine.toml"), "# mine\n");
    rpm.ok(&format!("convert {file} -o mine.toml --force"));
    assert!(rpm.read("mine.toml").contains("[[apps]]"));
    rpm.fails(&format!("convert {file} -o mine.json"))
        .complains("expected a file whose name ends with .toml");
    rpm.fails("convert absent.json").complains("absent.json");
    rpm.write("broken.json", "{ \"apps\": [ {");
    rpm.fails("convert broken.json -o new.toml").complains("broken.json:1:");
    assert!(!rpm.path("new.toml").exists());
    assert!(rpm.daemon().is_none());
}
