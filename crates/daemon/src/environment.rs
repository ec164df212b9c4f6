//! What an app declares of its environment, as it is at this moment: the files of `env_file`, and `env` with its
//! references replaced.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use rpm_core::{
    AppSpec, Env, EnvFile, bounded, dotenv,
    env_file::{self, BadEnvFile},
    expand::{BadTemplate, Template, Unfillable},
};

/// The largest file that is read: what the kernel lets an environment be is not much more.
const MAX_FILE: u64 = 1 << 20;

/// Why an environment cannot be made. No value is told: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("env_file {0} is not there: create it, or declare it with required = false")]
    Missing(PathBuf),
    #[error("env_file {0}: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("env_file {0}:{1}")]
    Malformed(PathBuf, BadEnvFile),
    #[error("env_file {0}: {1}: {2}")]
    InFile(PathBuf, String, Unfillable),
    #[error("env: {0}: {1}")]
    Template(String, BadTemplate),
    #[error("env: {0}: {1}")]
    Reference(String, Unfillable),
}

/// What takes the place of the `env` of `app`, which is started by somebody with `base`; `None` where that is what was
/// declared. References mean what was declared or read before, else the starter's.
pub(crate) fn resolve(app: &AppSpec, base: &Env) -> Result<Option<Env>, EnvError> {
    if app.env_file.is_none() && !app.expand_env {
        return Ok(None);
    }
    let base = &with_account(app, base);
    let mut env = Env::default();
    for file in app.env_file.iter().flat_map(|files| &files.0) {
        read(file, base, &mut env)?;
    }
    if !app.expand_env {
        env.merge(&app.env);
        return Ok(Some(env));
    }
    let mut declared = Declared { app, base, files: &env, under_way: Vec::new(), known: Env::default() };
    for name in app.env.keys() {
        declared.value(name)?;
    }
    let known = declared.known;
    env.merge(&known);
    Ok(Some(env))
}

/// The starter's environment with the variables that name the user of the app.
fn with_account<'a>(app: &AppSpec, base: &'a Env) -> Cow<'a, Env> {
    let mut base = Cow::Borrowed(base);
    for (name, value) in app.account_variables() {
        base.to_mut().set(name, value);
    }
    base
}

/// Adds what a file says to `env`.
fn read(file: &EnvFile, base: &Env, env: &mut Env) -> Result<(), EnvError> {
    let path = &file.path;
    if file.dotenv {
        return read_dotenv(file, env);
    }
    let text = match read_file(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if file.required { Err(EnvError::Missing(path.clone())) } else { Ok(()) };
        }
        Err(error) => return Err(EnvError::Unreadable(path.clone(), error)),
    };
    let variables = env_file::parse(&text).map_err(|error| EnvError::Malformed(path.clone(), error))?;
    for env_file::Variable { name, value } in variables {
        let value = value
            .fill(&mut |name| env.get(name).or_else(|| base.get(name)).cloned())
            .map_err(|error| EnvError::InFile(path.clone(), name.clone(), error))?;
        env.set(name, value);
    }
    Ok(())
}

/// The same for a file as npm's `dotenv` reads it. What cannot be read of it was reported when the app was declared.
fn read_dotenv(file: &EnvFile, env: &mut Env) -> Result<(), EnvError> {
    let text = match read_file(&file.path) {
        Ok(text) => text,
        Err(_) if !file.required => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EnvError::Missing(file.path.clone()));
        }
        Err(error) => return Err(EnvError::Unreadable(file.path.clone(), error)),
    };
    for (name, value) in dotenv::parse(&text).variables {
        env.set(name, value);
    }
    Ok(())
}

/// Reads a file of the user's. A pipe or a device could keep the daemon waiting, and a large file would fill its memory.
pub(crate) fn read_file(path: &Path) -> io::Result<String> {
    let bytes = bounded::read(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("expected UTF-8 text"))
}

/// The variables of `env`, which may refer to each other.
struct Declared<'a> {
    app: &'a AppSpec,
    base: &'a Env,
    files: &'a Env,
    /// What is being looked at: a variable that refers to itself means the one that it hides.
    under_way: Vec<String>,
    known: Env,
}

impl Declared<'_> {
    fn value(&mut self, name: &str) -> Result<Option<String>, EnvError> {
        if let Some(known) = self.known.get(name) {
            return Ok(Some(known.clone()));
        }
        let is_under_way = self.under_way.iter().any(|under_way| under_way == name);
        let Some(text) = self.app.env.get(name).filter(|_| !is_under_way) else {
            return Ok(self.files.get(name).or_else(|| self.base.get(name)).cloned());
        };
        let template = Template::parse(text).map_err(|error| EnvError::Template(name.to_owned(), error))?;
        self.under_way.push(name.to_owned());
        let mut failed = None;
        let value = template.fill(&mut |name| {
            self.value(name).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                None
            })
        });
        self.under_way.pop();
        match (failed, value) {
            // What a value refers to could not be made: that is the cause.
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(EnvError::Reference(name.to_owned(), error)),
            (None, Ok(value)) => {
                self.known.set(name, &*value);
                Ok(Some(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::{Interpreter, env_file::EnvFiles};

    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn app(variables: &[(&str, &str)], files: &[&Path]) -> AppSpec {
        let mut app = AppSpec::new("a", "/a".into(), Interpreter::None, "/".into());
        app.env = env(variables);
        let files =
            files.iter().map(|path| EnvFile { path: path.to_path_buf(), required: true, dotenv: false });
        app.env_file = Some(Box::new(EnvFiles(files.collect())));
        app
    }

    #[test]
    fn later_files_win_over_earlier_ones_and_what_is_declared_over_both() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = file("one", "A=1\nB=${A}${HOST}\nC=one\n");
        let two = file("two", "A=2\nPATH=/x:${PATH}\n");
        let app = app(&[("C", "${A}"), ("D", "d")], &[&one, &two]);
        let base = env(&[("HOST", "h"), ("PATH", "/bin"), ("E", "e")]);
        let resolved = resolve(&app, &base).unwrap().unwrap();
        let expected = env(&[("A", "2"), ("B", "1h"), ("C", "${A}"), ("D", "d"), ("PATH", "/x:/bin")]);
        assert_eq!(*resolved, *expected);
    }

    #[test]
    fn what_is_declared_may_refer_to_each_other_the_files_and_the_starter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        std::fs::write(&path, "PASS=a$b\n").unwrap();
        let variables = [
            ("URL", "db://${USER}:${PASS}@${HOST}:${PORT:-5432}/$$"),
            ("HOST", "${NAME}.local"),
            ("NAME", "db"),
            ("PATH", "/x:${PATH}"),
        ];
        let mut app = app(&variables, &[&path]);
        app.expand_env = true;
        let base = env(&[("USER", "me"), ("PATH", "/bin")]);
        let resolved = resolve(&app, &base).unwrap().unwrap();
        assert_eq!(resolved["URL"], "db://me:a$b@db.local:5432/$");
        assert_eq!(resolved["PATH"], "/x:/bin");
        app.env.set("NAME", "${NOBODY}");
        let error = resolve(&app, &base).unwrap_err().to_string();
        assert!(error.starts_with("env: NAME: ${NOBODY} is not set"), "{error}");
        // The loader refuses circles; here they end.
        app.env = env(&[("A", "${B}"), ("B", "${A}")]);
        assert!(resolve(&app, &base).unwrap_err().to_string().contains("is not set"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        let reason = |app: &AppSpec| resolve(app, &Env::default()).unwrap_err().to_string();
        let mut app = app(&[], &[&path]);
        assert!(reason(&app).ends_with("env is not there: create it, or declare it with required = false"));
        std::fs::write(&path, "A=1\nhunter2\n").unwrap();
        assert!(reason(&app).ends_with("env:2:8: expected = after the name of a variable"));
        std::fs::write(&path, "A=${B}").unwrap();
        assert!(reason(&app).contains("env: A: ${B} is not set"));
        std::fs::write(&path, b"A=\xff").unwrap();
        assert!(reason(&app).contains("UTF-8"));
        std::fs::write(&path, vec![b'\n'; MAX_FILE as usize + 1]).unwrap();
        assert!(reason(&app).contains("larger"));
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(reason(&app).contains("no regular file"));
        std::fs::remove_file(&path).unwrap();
        app.env_file.as_mut().unwrap().0[0].required = false;
        assert_eq!(*resolve(&app, &Env::default()).unwrap().unwrap(), *Env::default());
    }
}
