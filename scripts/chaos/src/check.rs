//! What must hold after each round.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    apps::{GUEST, Kind, POOL, RELATIVES},
    procs::Procs,
    world::Row,
};

/// Where a process has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Up,
    Down,
    /// A verb was broken off: both are right.
    Either,
}

/// One declared process.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) wanted: Wanted,
    /// The counter never goes below this.
    pub(crate) restarts: u64,
    /// The pid that it must have kept; `None` if it may have been restarted.
    pub(crate) pid: Option<i32>,
    /// Those that lost their main process live on until the next stop.
    pub(crate) bereaved: usize,
    /// It may be `errored`: the system refused to start it.
    pub(crate) may_fail: bool,
}

/// Who was declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) members: BTreeMap<u32, Member>,
    /// How many the pool may have.
    pub(crate) pool: (usize, usize),
    /// How many guests there may be.
    pub(crate) guests: (usize, usize),
}

impl Model {
    /// What is listed becomes what is expected.
    pub(crate) fn learn(&mut self, rows: &[Row], kind_of: impl Fn(&str) -> Kind) {
        let known = std::mem::take(&mut self.members);
        for row in rows {
            let before = known.get(&row.id).filter(|member| member.name == row.name);
            let kind = before.map_or_else(|| kind_of(&row.name), |member| member.kind);
            let is_up = !matches!(row.status.as_str(), "stopped" | "errored");
            self.members.insert(
                row.id,
                Member {
                    id: row.id,
                    name: row.name.clone(),
                    kind,
                    wanted: if is_up { Wanted::Up } else { Wanted::Down },
                    restarts: row.restarts,
                    pid: (kind != Kind::Restless && row.pid != 0).then_some(row.pid),
                    bereaved: before.map_or(0, |member| member.bereaved),
                    may_fail: false,
                },
            );
        }
        let count = |name| rows.iter().filter(|row| row.name == name).count();
        self.pool = (count(POOL), count(POOL));
        self.guests = (count(GUEST), count(GUEST));
    }

    /// The members of these kinds.
    pub(crate) fn ids(&self, is_meant: impl Fn(&Member) -> bool) -> Vec<u32> {
        self.members.values().filter(|member| is_meant(member)).map(|member| member.id).collect()
    }

    /// What does not hold.
    pub(crate) fn violations(&self, rows: &[Row], procs: &Procs) -> Vec<String> {
        let mut wrong = Vec::new();
        let listed: BTreeMap<u32, &Row> = rows.iter().map(|row| (row.id, row)).collect();
        if listed.len() != rows.len() {
            wrong.push("an id is listed twice".to_owned());
        }
        for member in self.members.values() {
            match listed.get(&member.id) {
                Some(row) if row.name == member.name => hold(member, row, procs, &mut wrong),
                Some(row) => wrong.push(format!("{}: was {}, is {}", member.id, member.name, row.name)),
                None if matches!(member.kind, Kind::Pool | Kind::Guest) => {}
                None => wrong.push(format!("{} {} is lost", member.id, member.name)),
            }
        }
        for row in rows.iter().filter(|row| !self.members.contains_key(&row.id)) {
            if row.name != POOL && row.name != GUEST {
                wrong.push(format!("{} {} was never declared", row.id, row.name));
            } else {
                once(row, procs, 0, &mut wrong);
            }
        }
        for (name, (least, most)) in [(POOL, self.pool), (GUEST, self.guests)] {
            let count = rows.iter().filter(|row| row.name == name).count();
            if count < least || count > most {
                wrong.push(format!("{count} of {name}, expected {least} to {most}"));
            }
        }
        for (id, orphans) in procs.by_id.iter().filter(|(id, _)| !listed.contains_key(id)) {
            for orphan in orphans {
                wrong.push(format!(
                    "pid {} ({}) belongs to {id}, which is not listed",
                    orphan.pid, orphan.command
                ));
            }
        }
        let daemons: BTreeSet<_> = procs.daemons.iter().map(|daemon| daemon.pid).collect();
        if daemons.len() != 1 {
            wrong.push(format!("the daemons are {daemons:?}"));
        }
        wrong
    }
}

/// Holds one row against what is expected.
fn hold(member: &Member, row: &Row, procs: &Procs, wrong: &mut Vec<String>) {
    let (id, name, status) = (member.id, &member.name, row.status.as_str());
    if row.restarts < member.restarts {
        wrong.push(format!("{id} {name}: ↺ went from {} to {}", member.restarts, row.restarts));
    }
    let is_up = match status {
        "online" => true,
        "launching" | "waiting restart" if member.kind == Kind::Restless => true,
        "stopped" => false,
        "errored" if member.may_fail => false,
        _ => {
            wrong.push(format!("{id} {name} is {status}, ↺ {}", row.restarts));
            return;
        }
    };
    match (member.wanted, is_up) {
        (Wanted::Up, false) if !member.may_fail => {
            wrong.push(format!("{id} {name} is {status}, was to be up"));
        }
        (Wanted::Down, true) => wrong.push(format!("{id} {name} is {status}, was to be stopped")),
        _ => {}
    }
    if let Some(pid) = member.pid
        && pid != row.pid
    {
        wrong.push(format!("{id} {name}: pid {pid} became {}, nobody asked for that", row.pid));
    }
    once(row, procs, member.bereaved, wrong);
}

/// Whether exactly what `row` says lives, and once.
fn once(row: &Row, procs: &Procs, bereaved: usize, wrong: &mut Vec<String>) {
    let (id, name, status) = (row.id, &row.name, row.status.as_str());
    let mains = procs.mains(id);
    let others = procs.of_id(id).len() - mains.len();
    if matches!(status, "stopped" | "errored") {
        if !procs.of_id(id).is_empty() {
            let who: Vec<_> = procs.of_id(id).iter().map(|p| format!("{} {}", p.pid, p.command)).collect();
            wrong.push(format!("{id} {name} is {status}, but there are {who:?}"));
        }
    } else if status == "online" && mains != [row.pid] {
        wrong.push(format!(
            "{id} {name} is online with pid {}, but its main processes are {mains:?}",
            row.pid
        ));
    } else if others > RELATIVES + bereaved {
        wrong.push(format!("{id} {name} has {others} processes beside its main one"));
    }
}
