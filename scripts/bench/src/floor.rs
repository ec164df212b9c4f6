//! The system calls alone: what no process manager can do without.

use std::{
    ffi::CString,
    fs::{self, File},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::{
        signal::{SigSet, Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{
    failure::{Failure, Outcome, at, doing},
    manager::timed,
    subject::{Kind, Subject},
    workload::Workload,
    writer::Signs,
};

/// A loop of `posix_spawn`, a loop of `kill` and `waitpid`.
pub(crate) struct Floor {
    spawner: Spawner,
    processes: usize,
    children: Vec<Pid>,
    empty: PathBuf,
    directory: TempDir,
}

impl Floor {
    pub(crate) fn new(workload: &Workload) -> Outcome<Self> {
        let directory = tempfile::tempdir().map_err(doing("making a temporary directory"))?;
        let spawner = Spawner::new(&workload.sleep, &Workload::sleep_args())?;
        let empty = empty_program(directory.path())?;
        Ok(Self { spawner, processes: workload.processes, children: Vec::new(), empty, directory })
    }

    fn start_all(&mut self) -> Outcome<()> {
        for _ in 0..self.processes {
            self.children.push(self.spawner.spawn()?);
        }
        Ok(())
    }

    fn stop_all(&mut self) -> Outcome<()> {
        // What a process manager sends first, by default.
        for &child in &self.children {
            kill(child, Signal::SIGINT).map_err(doing("kill"))?;
        }
        for child in self.children.drain(..) {
            waitpid(child, None).map_err(doing("waitpid"))?;
        }
        Ok(())
    }
}

impl Subject for Floor {
    fn kind(&self) -> Kind {
        Kind::Floor
    }

    fn boot(&mut self) -> Outcome<Option<Duration>> {
        Ok(None)
    }

    fn start(&mut self) -> Outcome<Duration> {
        timed(|| self.start_all())
    }

    fn list(&mut self) -> Outcome<Duration> {
        let mut command = Command::new(&self.empty);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        timed(|| match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Unexpected(format!("the empty process: {status}"))),
            Err(error) => Err(at(&self.empty)(error)),
        })
    }

    fn restart(&mut self) -> Outcome<Duration> {
        timed(|| self.stop_all().and_then(|()| self.start_all()))
    }

    fn stop(&mut self) -> Outcome<Duration> {
        timed(|| self.stop_all())
    }

    fn crash(&mut self, index: usize) -> Outcome<Duration> {
        let Some(child) = self.children.get_mut(index) else {
            return Err(Failure::Unexpected(format!("there is no process {index} to kill")));
        };
        timed(|| {
            kill(*child, Signal::SIGKILL).map_err(doing("kill"))?;
            waitpid(*child, None).map_err(doing("waitpid"))?;
            *child = self.spawner.spawn()?;
            Ok(())
        })
    }

    fn write_log(&mut self) -> Outcome<f64> {
        let path = self.directory.path().join("writer.log");
        let log = File::create(&path).map_err(at(&path))?;
        let signs = Signs::new(self.directory.path());
        let program = std::env::current_exe().map_err(doing("finding this program"))?;
        let mut writer = Command::new(&program)
            .args(signs.args())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .map_err(at(&program))?;
        let rate = signs.conduct();
        if rate.is_err() {
            let _ = writer.kill();
        }
        writer.wait().map_err(at(&program))?;
        fs::remove_file(&path).map_err(at(&path))?;
        rate
    }

    fn daemon(&self) -> Outcome<Option<i32>> {
        Ok(None)
    }

    fn end(&mut self) -> Outcome<()> {
        self.stop_all()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        for &child in &self.children {
            let _ = kill(child, Signal::SIGKILL);
        }
        for &child in &self.children {
            let _ = waitpid(child, None);
        }
    }
}

/// One program, ready to be started often: nothing but the system call is left to do.
struct Spawner {
    program: PathBuf,
    argv: Vec<CString>,
    envp: Vec<CString>,
    actions: PosixSpawnFileActions,
    attributes: PosixSpawnAttr,
    /// Standard input, output and error of the children.
    _null: File,
}

impl Spawner {
    fn new(program: &Path, args: &[String]) -> Outcome<Self> {
        let null =
            File::options().read(true).write(true).open("/dev/null").map_err(at(Path::new("/dev/null")))?;
        let prepared = |error: nix::Error| doing("preparing posix_spawn")(error);
        let mut actions = PosixSpawnFileActions::init().map_err(prepared)?;
        for fd in 0..=2 {
            actions.add_dup2(null.as_raw_fd(), fd).map_err(prepared)?;
        }
        let mut attributes = PosixSpawnAttr::init().map_err(prepared)?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF).map_err(prepared)?;
        attributes.set_sigdefault(&SigSet::all()).map_err(prepared)?;
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|error| doing("preparing posix_spawn")(error));
        let mut argv = vec![text(program.as_os_str().as_bytes())?];
        for arg in args {
            argv.push(text(arg.as_bytes())?);
        }
        let mut envp = Vec::new();
        for (name, value) in std::env::vars_os() {
            envp.push(text(&[name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
        Ok(Self { program: program.to_owned(), argv, envp, actions, attributes, _null: null })
    }

    fn spawn(&self) -> Outcome<Pid> {
        posix_spawn(self.program.as_path(), &self.actions, &self.attributes, &self.argv, &self.envp)
            .map_err(doing("posix_spawn"))
    }
}

/// A program that does nothing: compiled where there is a compiler, so that it is as small as a program can be.
fn empty_program(directory: &Path) -> Outcome<PathBuf> {
    let (source, program) = (directory.join("empty.c"), directory.join("empty"));
    fs::write(&source, "int main(void) { return 0; }\n").map_err(at(&source))?;
    let compiled = Command::new("cc")
        .arg("-O2")
        .arg("-o")
        .args([&program, &source])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if compiled.is_ok_and(|status| status.success()) {
        return Ok(program);
    }
    crate::system::find_program("true")
        .ok_or_else(|| Failure::Unexpected("neither `cc` nor `true` is in PATH".to_owned()))
}
