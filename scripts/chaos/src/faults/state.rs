//! Files of the home that are cut off, damaged, or not what they should be.

use std::fs;

use super::{Scene, Told};
use crate::failure::{Outcome, at};

pub(super) fn damage(scene: &mut Scene<'_>) -> Outcome<Told> {
    let stage = &mut *scene.stage;
    stage.world.must(&["save"])?;
    stage.lose_daemon()?;
    let journal = stage.world.journal();
    let text = fs::read(&journal).map_err(at(&journal))?;
    let last = text.iter().rev().skip(1).position(|&byte| byte == b'\n').unwrap_or(0) + 1;
    let garbage: Vec<u8> = (0..300).map(|_| scene.random.next() as u8).collect();
    let (what, damaged) = match scene.random.within(0..5) {
        // Who had left for good would come back: no power cut does that within one boot.
        0 if !text[text.len() - last..].starts_with(b"{\"forgotten") => {
            let cut = 1 + scene.random.within(0..last);
            (format!("the journal's last {cut} bytes cut off"), text[..text.len() - cut].to_vec())
        }
        1 => (
            "a record begun at the journal's end".to_owned(),
            [&text[..], b"{\"declared\":{\"id\":"].concat(),
        ),
        2 => {
            let lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').collect();
            let at = 1 + scene.random.within(0..lines.len());
            let garbage = [&garbage[..], b"\n"].concat();
            let lines = [&lines[..at], &[&garbage[..]], &lines[at..]].concat();
            (format!("nonsense as the journal's line {at}"), lines.concat())
        }
        3 => ("NULs at the journal's end, as after a power cut".to_owned(), [&text[..], &[0; 4096]].concat()),
        _ => ("the journal as it was".to_owned(), text),
    };
    fs::write(&journal, damaged).map_err(at(&journal))?;
    let home = stage.world.home();
    let mut also = Vec::new();
    for name in ["state/journal.new", "dump.rpm", "dump.rpm.bak", "rpm.pid", "pids", "rpm.sock"] {
        if !scene.random.once_in(3) {
            continue;
        }
        also.push(name);
        if name == "pids" {
            for entry in fs::read_dir(home.join(name)).into_iter().flatten().flatten() {
                fs::write(entry.path(), &garbage).map_err(at(&entry.path()))?;
            }
        } else {
            let path = home.join(name);
            let _ = fs::remove_file(&path);
            fs::write(&path, &garbage).map_err(at(&path))?;
        }
    }
    Ok(format!("{what}; nonsense in {also:?}").into())
}
