//! Starting a child.
//!
//! `posix_spawn` (a `vfork` inside) costs the same however large the daemon is. The child leads a session of its
//! own, has default signal dispositions, an empty mask, and no descriptor but 0, 1 and 2.

use std::{
    env,
    ffi::{CString, OsStr},
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::{signal::SigSet, stat::Mode},
    unistd::{AccessFlags, access},
};
use rpm_core::{AppSpec, Env, Interpreter, name::printable};

use crate::{
    descriptors::Limit,
    launch::{self, Preparation},
};

/// The first descriptor after the standard ones.
const FIRST_HANDED: i32 = 3;

/// What to start, ready for the kernel.
pub(crate) struct Command<'a> {
    pub app: &'a AppSpec,
    /// The whole environment of the child.
    pub env: &'a Env,
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// What Node gets before the arguments that the app declares for it.
    pub node_args: &'a [String],
    /// Listening sockets, from descriptor 3 on.
    pub sockets: Vec<OwnedFd>,
    /// Its end of an IPC channel, after the sockets.
    pub channel: Option<OwnedFd>,
    /// How many files it may have open.
    pub limit: Limit,
    /// A file that the child makes before it executes anything.
    pub mark: Option<CString>,
    /// The directory of the control group that holds it to its limits.
    pub group: Option<&'a Path>,
}

/// Why a child could not be started; what the user reads as the reason of `errored`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error(
        "interpreter {0:?} is not in PATH (`which {0}` to check): install it, or name another with `interpreter`"
    )]
    NoInterpreter(String),
    #[error("script {0} does not exist")]
    NoScript(PathBuf),
    #[error("{0} is not executable: `chmod +x` it, or name an interpreter")]
    NotExecutable(PathBuf),
    #[error("{0} is no program: begin it with a line such as #!/bin/sh, or name an interpreter")]
    NoProgram(PathBuf),
    #[error("{0} cannot be run: what its first line (#!) names does not exist")]
    NoShebang(PathBuf),
    #[error("directory {0}: {1}")]
    Directory(PathBuf, #[source] io::Error),
    #[error("{what} of {program}: {errno}")]
    System {
        what: &'static str,
        program: PathBuf,
        #[source]
        errno: Errno,
    },
    #[error("a NUL byte in {0:?}")]
    Nul(String),
    #[error("what to prepare for it: {0}")]
    Preparation(String),
}

/// Starts the child and returns its pid.
pub(crate) fn spawn(command: &Command<'_>) -> Result<i32, SpawnError> {
    let app = command.app;
    let path = command.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let (program, argv) = match &app.interpreter {
        Interpreter::None => {
            let mut argv = vec![text(app.script.as_os_str())?];
            extend(&mut argv, &app.args)?;
            (app.script.clone(), argv)
        }
        Interpreter::Program(name) => {
            let program =
                find_program(name, path, &app.cwd).ok_or_else(|| SpawnError::NoInterpreter(name.clone()))?;
            let mut argv = vec![text(name.as_ref())?];
            extend(&mut argv, command.node_args)?;
            if app.reads_source_maps() {
                argv.push(text("--enable-source-maps".as_ref())?);
            }
            extend(&mut argv, &app.interpreter_args)?;
            argv.push(text(app.script.as_os_str())?);
            extend(&mut argv, &app.args)?;
            (program, argv)
        }
    };
    if !app.script.exists() {
        return Err(SpawnError::NoScript(app.script.clone()));
    }
    let mut envp = Vec::with_capacity(command.env.len());
    for (name, value) in command.env.iter() {
        // Whatever is wrong, the value is not told.
        let variable = CString::new(format!("{name}={value}"));
        envp.push(variable.map_err(|_| SpawnError::Nul(printable(name).into_owned()))?);
    }
    let (program, argv) = launched(command, program, argv)?;
    // Those that the child gets above 2, in order. Copies above all of their places, so that none is overwritten before
    // it was put into its own.
    let handed = command.sockets.iter().chain(&command.channel);
    let above = FIRST_HANDED + handed.clone().count() as i32;
    let copy = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, above);
    let handed: Vec<OwnedFd> =
        handed.map(copy).collect::<Result<_, _>>().map_err(|error| SpawnError::System {
            what: "descriptors",
            program: program.clone(),
            errno: Errno::from_raw(error.raw_os_error()),
        })?;
    // The child inherits the directory. Nothing in the daemon depends on its own: all paths are absolute. Afterwards
    // it leaves again, so that a directory which is no longer needed can be unmounted.
    env::set_current_dir(&app.cwd).map_err(|error| SpawnError::Directory(app.cwd.clone(), error))?;
    let system = |what| move |errno| (what, errno);
    let outcome = (|| {
        let mut actions = PosixSpawnFileActions::init().map_err(system("preparing"))?;
        if let Some(mark) = &command.mark {
            // What becomes standard input next takes the place of its descriptor.
            let (flags, mode) =
                (OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_NOFOLLOW, Mode::S_IRUSR | Mode::S_IWUSR);
            actions.add_open(0, mark.as_c_str(), flags, mode).map_err(system("preparing"))?;
        }
        for (fd, target) in [(&command.stdin, 0), (&command.stdout, 1), (&command.stderr, 2)]
            .into_iter()
            .chain(handed.iter().zip(FIRST_HANDED..))
        {
            actions.add_dup2(fd.as_raw_fd(), target).map_err(system("preparing"))?;
        }
        let mut attributes = PosixSpawnAttr::init().map_err(system("preparing"))?;
        attributes
            .set_flags(
                PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
                    | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                    | PosixSpawnFlags::from_bits_retain(nix::libc::POSIX_SPAWN_SETSID.into()),
            )
            .map_err(system("preparing"))?;
        attributes.set_sigdefault(&SigSet::all()).map_err(system("preparing"))?;
        attributes.set_sigmask(&SigSet::empty()).map_err(system("preparing"))?;
        let start = || posix_spawn(program.as_path(), &actions, &attributes, &argv, &envp);
        command.limit.as_children(start).map_err(system("start"))
    })();
    let _ = env::set_current_dir("/");
    match outcome {
        Ok(pid) => Ok(pid.as_raw()),
        Err(("start", Errno::EACCES)) => Err(SpawnError::NotExecutable(program)),
        Err(("start", Errno::ENOEXEC)) => Err(SpawnError::NoProgram(program)),
        Err(("start", Errno::ENOENT)) => Err(SpawnError::NoShebang(program)),
        Err((what, errno)) => Err(SpawnError::System { what, program, errno }),
    }
}

/// What to execute so that the program runs as the user and within the limits that `app` names, or knows that sockets are
/// meant for it: this executable, which sees to that and executes the program (see [`crate::launch`](mod@crate::launch)).
fn launched(
    command: &Command<'_>,
    program: PathBuf,
    argv: Vec<CString>,
) -> Result<(PathBuf, Vec<CString>), SpawnError> {
    let app = command.app;
    let preparation = Preparation {
        group: command.group.map(Path::to_owned),
        limits: app.limits.as_ref().map(|limits| limits.each.clone()).unwrap_or_default(),
        uid: app.uid,
        gid: app.gid,
    };
    if preparation == Preparation::default() && app.listen.is_empty() {
        return Ok((program, argv));
    }
    let preparation =
        serde_json::to_string(&preparation).map_err(|error| SpawnError::Preparation(error.to_string()))?;
    let mut wrapped = Vec::with_capacity(argv.len() + 4);
    for word in ["rpm", launch::VERB, &preparation] {
        wrapped.push(text(word.as_ref())?);
    }
    wrapped.push(text(program.as_os_str())?);
    wrapped.extend(argv);
    // Also right when the file of this executable was replaced meanwhile.
    Ok(("/proc/self/exe".into(), wrapped))
}

/// An end for standard input: a pipe that never ends, because the child holds both ends of it. `send` opens it
/// through `/proc` to write to it.
pub(crate) fn endless_input() -> io::Result<OwnedFd> {
    let (reader, _writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    Ok(File::options().read(true).write(true).open(path)?.into())
}

fn extend(argv: &mut Vec<CString>, args: &[String]) -> Result<(), SpawnError> {
    for arg in args {
        argv.push(text(arg.as_ref())?);
    }
    Ok(())
}

fn text(value: &OsStr) -> Result<CString, SpawnError> {
    CString::new(value.as_bytes())
        .map_err(|_| SpawnError::Nul(printable(&value.to_string_lossy()).into_owned()))
}

/// The file that `name` means in a shell: itself where it has a slash (below `cwd`), else the first executable of
/// that name in `path`.
pub(crate) fn find_program(name: &str, path: &str, cwd: &Path) -> Option<PathBuf> {
    let runs = |file: &Path| access(file, AccessFlags::X_OK).is_ok() && file.is_file();
    if name.contains('/') {
        return Some(cwd.join(name)).filter(|file| runs(file));
    }
    env::split_paths(path).map(|directory| cwd.join(directory).join(name)).find(|file| runs(file))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// Runs `script` in a directory of its own and gives what it wrote.
    fn run(script: &str, change: impl FnOnce(&mut AppSpec)) -> Result<String, SpawnError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut app = AppSpec::new("a", path, Interpreter::None, directory.path().into());
        change(&mut app);
        let log = directory.path().join("log");
        let open = || -> OwnedFd { File::create(&log).unwrap().into() };
        let mut env = Env::default();
        env.set("GREETING", "hello");
        env.set("PATH", "/usr/bin:/bin");
        let stdin = endless_input().unwrap();
        let command = Command {
            app: &app,
            env: &env,
            stdin,
            stdout: open(),
            stderr: open(),
            node_args: &[],
            sockets: Vec::new(),
            channel: None,
            limit: Limit::raise(None),
            mark: None,
            group: None,
        };
        let pid = spawn(&command)?;
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
        Ok(fs::read_to_string(log).unwrap())
    }

    #[test]
    fn a_child_has_its_own_session_and_only_its_own_environment() {
        let said = run("#!/bin/sh\necho $GREETING $HOME $1 $(ps -o sid= -p $$) $$\n", |app| {
            app.args = vec!["arg".to_owned()];
        })
        .unwrap();
        let words: Vec<_> = said.split_whitespace().collect();
        assert_eq!(words[..2], ["hello", "arg"], "{said}");
        assert_eq!(words[2], words[3], "it does not lead its session: {said}");
    }

    #[test]
    fn what_cannot_run_says_why() {
        let reason = |script, change: fn(&mut AppSpec)| run(script, change).unwrap_err().to_string();
        assert!(reason("#!/no/such/shell\n", |_| {}).contains("first line"));
        assert!(reason("just text", |_| {}).contains("no program"));
        assert!(reason("", |app| app.script = "/no/such".into()).contains("does not exist"));
        assert!(reason("", |app| app.cwd = "/no/such".into()).contains("/no/such"));
        assert!(reason("", |app| app.args = vec!["a\0b".to_owned()]).contains("NUL"));
        let plain = |app: &mut AppSpec| {
            fs::set_permissions(&app.script, fs::Permissions::from_mode(0o644)).unwrap();
        };
        assert!(reason("#!/bin/sh\n", plain).contains("chmod +x"));
        let elixir = |app: &mut AppSpec| app.interpreter = Interpreter::Program("no-such-elixir".into());
        assert!(reason("", elixir).contains("no-such-elixir"));
    }
}
