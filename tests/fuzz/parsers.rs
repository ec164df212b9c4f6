//! Every parser of what comes from outside. The first byte says which one gets the rest.
#![no_main]

use std::path::Path;

use chrono::{TimeZone, Utc};
use libfuzzer_sys::fuzz_target;
use rpm_core::{
    Bytes, Home, Listen, Millis, Persona, Ready, Selector, Signal,
    cron::{Schedule, Zone},
    cut::Cut,
    dayjs, env_file,
    expand::Template,
    frame, name,
    protocol::{Hello, Reply, Request},
    secret::Secret,
};
use rpm_daemon::fuzzing;
use rpm_ecosystem::{Caller, Options};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    let noon = Utc.timestamp_opt(1_774_699_200, 0).unwrap();
    let ecosystem = |name: &str| {
        let caller = Caller::new("/nowhere".into(), Default::default());
        match rpm_ecosystem::load_text(Path::new(name), &text, &Options::default(), &caller) {
            Ok(loaded) => _ = loaded.warnings.to_string(),
            Err(error) => _ = error.report().rendered(true).count(),
        }
    };
    match choice % 20 {
        0 => fuzzing::journal(bytes),
        1 => fuzzing::dump(bytes),
        2 => fuzzing::worker(bytes),
        3 => fuzzing::datagram(bytes),
        4 => fuzzing::stat(bytes),
        5 => {
            if let Ok(request) = frame::decode::<Request>(bytes) {
                let written = frame::encode(&request).expect("what was read can be written");
                let again = frame::decode::<Request>(&written[frame::HEADER..]).expect("and read");
                assert_eq!(frame::encode(&again).ok(), Some(written));
            }
        }
        6 => _ = (frame::decode::<Hello>(bytes), frame::decode::<Reply>(bytes)),
        7 => ecosystem("e.toml"),
        8 => ecosystem("e.json"),
        9 => ecosystem("e.yml"),
        10 => {
            if let Ok(schedule) = Schedule::parse(&text) {
                assert!(schedule.next_after(noon, Zone::Local).is_none_or(|next| next > noon));
            }
        }
        11 => _ = env_file::parse(&text),
        12 => {
            if let Ok(template) = Template::parse(&text) {
                _ = template.fill(&mut |name| Some(name.to_owned()));
            }
        }
        13 => _ = dayjs::format(&text, &noon),
        14 => {
            _ = (text.parse::<Millis>(), text.parse::<Bytes>(), text.parse::<Signal>());
            _ = (text.parse::<Zone>(), text.parse::<Cut>(), text.parse::<Secret>());
        }
        15 => _ = text.parse::<Listen>(),
        16 => _ = text.parse::<Ready>(),
        17 => _ = Selector::new(text.clone(), "/").form(),
        18 => {
            let home = Home::new("/h".into(), Persona::Rpm);
            assert_eq!(home.log(&text, "out", None).parent(), Some(&*home.logs_dir()));
            assert!(!name::printable(&text).chars().any(char::is_control));
        }
        _ => _ = rpm_workflow::check_text(Path::new("w.yml"), &text),
    }
});
