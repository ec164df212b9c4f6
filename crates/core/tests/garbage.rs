//! Whatever is written in them: every text of this crate is read or refused, and what is read can be written.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{fmt::Display, str::FromStr};

use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use rpm_core::{
    AppSpec, Bytes, Home, Listen, Millis, Persona, Ready, Selector, Signal,
    cron::{Schedule, Zone},
    cut::Cut,
    dayjs, env_file,
    expand::Template,
    frame, name,
    pm2_env::{self, Saved},
    protocol::{Hello, Reply, Request},
    secret::Secret,
    selector::Form,
};
use serde_json::{Value, json};

/// Pieces that the texts are made of.
const WORDS: [&str; 40] = [
    "*",
    "*/5",
    "0",
    "59",
    "L",
    "JAN",
    "MON-FRI",
    "@hourly",
    "1h",
    "150M",
    "18446744073709551615",
    "-1",
    "d",
    "SIGTERM",
    "int",
    "127.0.0.1",
    "[::1]",
    ":",
    "65536",
    "http://",
    "tcp:",
    "log:",
    "unix:",
    "/",
    "=",
    "${",
    "}",
    ":-",
    "$$",
    "'",
    "\"",
    "\\",
    "\n",
    "export ",
    "#",
    "YYYY",
    "[",
    "]",
    "Europe/Berlin",
    "\u{202e}",
];

fn any_text() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..12);
    prop_oneof![
        any::<String>(),
        (words, prop::sample::select(vec!["", " ", ","])).prop_map(|(words, by)| words.join(by))
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// All places of a value.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    let mut below = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(value, &format!("{here}/{key}"), found);
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| below(&index.to_string(), item));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key, value)),
        _ => {}
    }
}

/// The value with something else, or nothing, in some of its places.
fn changed(mut value: Value, changes: &[(prop::sample::Index, Option<Value>)]) -> Value {
    for (place, change) in changes {
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let place = &all[place.index(all.len())];
        match (change, place.rsplit_once('/')) {
            (Some(change), _) => *value.pointer_mut(place).unwrap() = change.clone(),
            (None, Some((above, key))) => match value.pointer_mut(above) {
                Some(Value::Object(map)) => _ = map.remove(key),
                Some(Value::Array(items)) => _ = key.parse().map(|index: usize| items.remove(index)),
                _ => {}
            },
            (None, None) => {}
        }
    }
    value
}

fn any_changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<Value>)>> {
    prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.8, any_json())), 1..4)
}

/// An app with something in every attribute that is more than a number.
fn app() -> Value {
    json!({
        "name": "web", "namespace": "default", "script": "/srv/app.js", "args": ["--port", "80"], "interpreter": "node",
        "interpreter_args": ["--inspect"], "cwd": "/srv", "exec_mode": "cluster_mode", "instances": 2,
        "env": { "PORT": "3000" }, "watch": ["src"], "ignore_watch": ["node_modules"], "cron_restart": "*/5 * * * *",
        "cron_timezone": "Europe/Berlin", "kill_signal": "SIGTERM", "kill_timeout": 1600, "stop_exit_codes": [0, 3],
        "listen": ["api=127.0.0.1:3000"], "ready": "http://127.0.0.1/", "depends_on": ["db"], "secret": ["*_KEY"],
        "limits": { "memory": 65536, "cpu": 50 }, "out_file": "/v/out.log", "max_memory_restart": 65536,
        "username": "me", "instance_var": "N", "autorestart": true, "treekill": true, "autostart": true,
        "task_timeout": 5000, "filter_env": ["A"], "uid": 33, "health": { "http": "http://127.0.0.1/" },
    })
}

fn requests() -> Vec<Value> {
    let target = json!({ "text": "web", "cwd": "/" });
    let env = json!({ "A": "1" });
    vec![
        json!("ping"),
        json!("list"),
        json!({ "describe": { "text": "/^a/", "cwd": "/" } }),
        json!({ "start": { "apps": [app()], "env": env, "existing": "restart" } }),
        json!({ "act": { "action": "stop", "target": target, "patch": { "name": "x" } } }),
        json!({ "save": { "force": true } }),
        json!({ "resurrect": { "dump": "/d" } }),
        json!({ "update": { "executable": "/bin/rpm" } }),
        json!({ "message": { "id": 0, "data": { "a": [1] } } }),
        json!({ "protocol": 1, "version": "1", "pid": 7 }),
    ]
}

/// An entry as PM2 writes it.
fn entry() -> Value {
    json!({
        "name": "web", "namespace": "default", "filter_env": [], "watch": ["src"], "treekill": true,
        "pm_exec_path": "/srv/app.js", "pm_cwd": "/srv", "exec_interpreter": "node", "node_args": ["--inspect"],
        "exec_mode": "fork_mode", "args": ["--port", 80], "stop_exit_codes": 3, "min_uptime": 5000, "pm_id": 3,
        "merge_logs": true, "pm_out_log_path": "/h/logs/web-out.log", "pm_err_log_path": "/v/err.log",
        "NODE_APP_INSTANCE": 2, "status": "stopped", "unique_id": "u-1", "version": "N/A", "created_at": null,
        "env": { "PORT": "3000", "N": 7, "web": {}, "unique_id": "u-1", "PM2_HOME": "/h" }, "PORT": "3000",
        "cron_restart": "* * * * *", "kill_timeout": 1600, "max_memory_restart": 1000, "vizion_running": false,
    })
}

/// A text is read, and reads the same when it is written; or it is refused with a word.
fn round<T: FromStr<Err: Display> + PartialEq + std::fmt::Debug>(text: &str, write: impl Fn(&T) -> String) {
    match text.parse::<T>() {
        Ok(read) => assert_eq!(write(&read).parse::<T>().ok().as_ref(), Some(&read), "{text:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn as_json<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        other => panic!("{other:?} is no text"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn texts(text in any_text()) {
        round::<Millis>(&text, |millis| millis.0.to_string());
        round::<Bytes>(&text, |bytes| bytes.0.to_string());
        round::<Signal>(&text, as_json);
        round::<Listen>(&text, as_json);
        round::<Ready>(&text, as_json);
        round::<Secret>(&text, as_json);
        round::<Cut>(&text, Cut::to_string);
        _ = text.parse::<Zone>();
        let noon = Utc.with_ymd_and_hms(2026, 3, 28, 12, 0, 0).unwrap();
        if let Ok(schedule) = Schedule::parse(&text) {
            let next = schedule.next_after(noon, Zone::Local);
            prop_assert!(next.is_none_or(|next| next > noon));
        }
        dayjs::format(&text, &noon);
        if let Ok(template) = Template::parse(&text) {
            _ = template.fill(&mut |name| (name.len() < 3).then(|| name.to_owned()));
        }
        if let Ok(variables) = env_file::parse(&text) {
            prop_assert!(variables.iter().all(|variable| !variable.name.contains(['=', '\0'])));
        }
    }

    #[test]
    fn names_reach_no_path_and_no_terminal(text in any_text()) {
        let stem = name::file_stem(&text);
        prop_assert!(!stem.contains(['/', '\0']) && stem.len() <= 200);
        prop_assert!(!name::printable(&text).chars().any(char::is_control));
        let home = Home::new("/h".into(), Persona::Rpm);
        for (path, directory) in
            [(home.log(&stem, "out", None), home.logs_dir()), (home.pid_file(&stem, 1.into()), home.pids_dir())]
        {
            prop_assert_eq!(path.parent(), Some(&*directory));
        }
    }

    #[test]
    fn selectors_have_one_form(text in any_text()) {
        let selector = Selector::new(text.clone(), "/");
        match selector.form() {
            Form::All => prop_assert_eq!(text, "all"),
            Form::Number(number) => prop_assert_eq!(text.trim_start_matches('0').parse().unwrap_or(0), number),
            Form::Regex(pattern) => prop_assert_eq!(text, format!("/{pattern}/")),
            Form::Word(word) => prop_assert_eq!(text, word),
            Form::Exactly(exact) => prop_assert!(false, "{exact:?} cannot be typed"),
        }
    }

    #[test]
    fn payloads_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(frame::decode::<Request>(&bytes).is_err() || !bytes.is_empty());
        _ = frame::decode::<Hello>(&bytes);
        _ = frame::decode::<Reply>(&bytes);
    }

    #[test]
    fn requests_that_were_changed(request in prop::sample::select(requests()), changes in any_changes()) {
        let payload = changed(request, &changes).to_string();
        _ = frame::decode::<Hello>(payload.as_bytes());
        if let Ok(request) = frame::decode::<Request>(payload.as_bytes()) {
            let written = frame::encode(&request).unwrap();
            let again = frame::decode::<Request>(&written[frame::HEADER..]).unwrap();
            prop_assert_eq!(frame::encode(&again).unwrap(), written);
        }
    }

    #[test]
    fn apps_that_were_changed(changes in any_changes()) {
        if let Ok(app) = serde_json::from_value::<AppSpec>(changed(app(), &changes)) {
            let written = serde_json::to_value(&app).unwrap();
            let again = serde_json::from_value::<AppSpec>(written.clone()).unwrap();
            prop_assert_eq!(serde_json::to_value(&again).unwrap(), written);
        }
    }

    #[test]
    fn entries_of_pm2_that_were_changed(changes in any_changes()) {
        let home = Home::new("/h".into(), Persona::Pm2);
        match pm2_env::read(&changed(entry(), &changes), &home) {
            Ok(Saved { spec, .. }) => prop_assert!(serde_json::to_value(&*spec).is_ok()),
            Err(reason) => prop_assert!(!reason.is_empty()),
        }
    }
}

/// What the mutations above start from is right: else they would prove nothing.
#[test]
fn what_is_changed_was_whole() {
    let app: AppSpec = serde_json::from_value(app()).unwrap();
    assert_eq!(app.name, "web");
    for request in requests() {
        let text = request.to_string();
        let is_read =
            serde_json::from_str::<Request>(&text).is_ok() || serde_json::from_str::<Hello>(&text).is_ok();
        assert!(is_read, "{request}");
    }
    pm2_env::read(&entry(), &Home::new("/h".into(), Persona::Pm2)).unwrap();
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        let message = format!("{{\"message\":{{\"id\":0,\"data\":{nested}}}}}");
        assert!(frame::decode::<Request>(message.as_bytes()).is_err());
    }
}
