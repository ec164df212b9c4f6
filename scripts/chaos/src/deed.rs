//! What a user asks for, and what must hold when it was done, or was broken off.

use crate::{
    apps::{self, GUEST, Kind, POOL},
    check::{Member, Wanted},
    failure::Outcome,
    random::Random,
    stage::Stage,
    world::{Running, Said},
};

/// One verb.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Start(u32),
    Stop(u32),
    Restart(u32),
    Reload(u32),
    RestartAll,
    ReloadAll,
    Save,
    Rotate(usize),
    Scale(usize),
    GuestComes,
    GuestGoes,
    List,
}

impl Deed {
    /// Any of them.
    pub(crate) fn any(stage: &Stage, random: &mut Random) -> Self {
        let is_single = |member: &Member| !matches!(member.kind, Kind::Pool | Kind::Guest);
        let up = stage.model.ids(|member| is_single(member) && member.wanted == Wanted::Up);
        let down = stage.model.ids(|member| is_single(member) && member.wanted == Wanted::Down);
        if let Some(&id) = random.one_of(&down)
            && random.within(0..up.len() + 1) < down.len() * 4
        {
            return Self::Start(id);
        }
        let Some(&id) = random.one_of(&up) else { return Self::RestartAll };
        match random.within(0..20) {
            0..4 => Self::Stop(id),
            4..8 => Self::Restart(id),
            8..10 => Self::Reload(id),
            10 => Self::RestartAll,
            11 => Self::ReloadAll,
            12..14 => Self::Save,
            14..16 => Self::Rotate(24 + random.within(0..100)),
            16..18 if stage.model.pool.0 > 0 => Self::Scale(1 + random.within(0..6)),
            18 if stage.model.guests.0 == 0 => Self::GuestComes,
            18 => Self::GuestGoes,
            _ => Self::List,
        }
    }

    /// Its words.
    fn words(&self, stage: &Stage) -> Outcome<Vec<String>> {
        let line = match self {
            Self::Start(id) => format!("start {id}"),
            Self::Stop(id) => format!("stop {id}"),
            Self::Restart(id) => format!("restart {id}"),
            Self::Reload(id) => format!("reload {id}"),
            Self::RestartAll => "restart all".to_owned(),
            Self::ReloadAll => "reload all".to_owned(),
            Self::Save => "save".to_owned(),
            Self::Rotate(kib) => format!("set pm2-logrotate:max_size {kib}K"),
            Self::Scale(count) => format!("scale {POOL} {count}"),
            Self::GuestComes => {
                let file = stage.world.declare("guest.json", &[apps::guest()])?;
                return Ok(vec!["start".to_owned(), file]);
            }
            Self::GuestGoes => format!("delete {GUEST}"),
            Self::List => "list".to_owned(),
        };
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    /// Whose state it changes.
    fn targets(&self, stage: &Stage) -> Vec<u32> {
        match self {
            Self::Start(id) | Self::Stop(id) | Self::Restart(id) | Self::Reload(id) => vec![*id],
            Self::RestartAll | Self::ReloadAll => stage.model.members.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Begins it. What it may change is expected to change or not.
    pub(crate) fn begin(&self, stage: &mut Stage) -> Outcome<Running> {
        let words = self.words(stage)?;
        let is_stop = matches!(self, Self::Stop(_));
        stage.expect(&self.targets(stage), |member| {
            member.pid = None;
            if is_stop || member.wanted == Wanted::Down {
                member.wanted = Wanted::Either;
            }
        });
        match *self {
            Self::Scale(count) => {
                let (least, most) = stage.model.pool;
                stage.model.pool = (least.min(count), most.max(count));
            }
            Self::GuestComes | Self::GuestGoes => stage.model.guests = (0, 1),
            _ => {}
        }
        stage.world.begin(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Waits for its end. If it said that it was done, it must be.
    pub(crate) fn end(&self, running: Running, stage: &mut Stage) -> Outcome<Said> {
        let said = running.end()?;
        if said.is_done() || matches!(self, Self::Scale(_)) && said.had_nothing_to_do() {
            let wanted = match self {
                Self::Stop(_) => Wanted::Down,
                _ => Wanted::Up,
            };
            stage.expect(&self.targets(stage), |member| {
                member.wanted = wanted;
                member.bereaved = 0;
            });
            match *self {
                Self::Scale(count) => stage.model.pool = (count, count),
                Self::GuestComes => stage.model.guests = (1, 1),
                Self::GuestGoes => stage.model.guests = (0, 0),
                _ => {}
            }
        }
        Ok(said)
    }

    /// Does it, with nothing in the way.
    pub(crate) fn perform(&self, stage: &mut Stage) -> Outcome<Said> {
        let running = self.begin(stage)?;
        self.end(running, stage)
    }
}
