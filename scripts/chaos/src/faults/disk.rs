//! A full disk: a small file system of its own, with a small world on it.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
    process::Command,
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{Scene, Told};
use crate::{
    deed::Deed,
    failure::{Failure, Outcome, at},
    interrupt::pause,
    random::Random,
    stage::Stage,
};

/// How large it is, and how many processes live on it.
const SIZE: &str = "size=24m";
const PROCESSES: usize = 12;

/// Takes this program, and what it starts, into a mount namespace of its own: nobody else sees what is mounted there,
/// and it goes when the last of them has ended. The error says why there is none.
pub(crate) fn enter_namespace() -> Result<(), String> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(|errno| errno.to_string())?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|errno| errno.to_string())
}

pub(super) fn fill(scene: &mut Scene<'_>) -> Outcome<Told> {
    let directory = scene.directory.join("small");
    fs::create_dir_all(&directory).map_err(at(&directory))?;
    let none: Option<&str> = None;
    mount(none, &directory, Some("tmpfs"), MsFlags::empty(), Some(SIZE)).map_err(at(&directory))?;
    let told = live_through(&scene.stage.world.rpm, &directory, scene.random);
    if told.as_ref().is_ok_and(|told| !told.violations.is_empty()) {
        // It goes with this program.
        let kept = scene.directory.join("small-kept");
        let _ = Command::new("cp").arg("-rT").args([&directory, &kept]).status();
    }
    umount2(&directory, MntFlags::MNT_DETACH).map_err(at(&directory))?;
    told
}

fn live_through(rpm: &Path, directory: &Path, random: &mut Random) -> Outcome<Told> {
    let mut stage = Stage::new(rpm, directory, PROCESSES)?;
    // What does not fit cannot be in a log. That nobody ends of it is what counts.
    stage.is_lossy = true;
    let filler = directory.join("filler");
    fill_up(&filler)?;
    let mut what = Vec::new();
    let is_killed = random.once_in(2);
    for turn in 0..3 {
        if is_killed && turn == 1 {
            stage.lose_daemon()?;
        }
        let deed = match Deed::any(&stage, random) {
            // Its declaration could not even be written.
            Deed::GuestComes => Deed::List,
            deed => deed,
        };
        let said = deed.perform(&mut stage)?;
        what.push(format!("{deed:?} {}", if said.is_done() { "done" } else { "refused" }));
        let everybody = stage.model.ids(|member| member.pid.is_none());
        stage.expect(&everybody, |member| member.may_fail = true);
        pause(random.moment(300))?;
        fill_up(&filler)?;
    }
    fs::remove_file(&filler).map_err(at(&filler))?;
    let mut violations = stage.look()?.violations;
    if violations.is_empty() {
        // A journal that lacked something has to be complete again.
        pause(std::time::Duration::from_millis(2500))?;
        stage.lose_daemon()?;
        violations = stage.look()?.violations;
    }
    let left = stage.world.end()?;
    violations.extend(left.iter().map(|who| format!("`kill` left {who}")));
    let daemon = if is_killed { ", the daemon killed" } else { "" };
    Ok(Told { what: format!("{}{daemon}", what.join(", ")), violations, settled: None })
}

/// Writes until there is no space.
fn fill_up(path: &Path) -> Outcome<()> {
    let mut file = File::options().create(true).append(true).open(path).map_err(at(path))?;
    for size in [1 << 20, 1 << 12, 1] {
        let zeros = vec![0; size];
        loop {
            match file.write(&zeros) {
                Ok(written) if written > 0 => {}
                Err(error) if error.kind() != ErrorKind::StorageFull => {
                    return Err(Failure::System { doing: path.display().to_string(), error });
                }
                _ => break,
            }
        }
    }
    Ok(())
}
