//! Where functions are: their directory, their manifest, the site.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rpm_core::{Env, Millis};

use super::{
    Deed, Function, Functions, Probe, Seen, deploy, manifest,
    manifest::Entry,
    probe,
    scratch::Scratch,
    trigger::{self, Trial},
};
use crate::{
    config::Netlify,
    http::{Ask, Http},
    moment::Moment,
    stop::Stop,
    watch::World,
};

/// A function that failed time and again, and whose files are as they were, is run again only after so many checks:
/// one that never returns uses a core until its limit.
const PATIENCE: u64 = 10;

/// The functions of a site.
pub(crate) struct Site {
    settings: Netlify,
    root: PathBuf,
    env: Env,
    stop: Arc<Stop>,
    http: Http,
}

impl World<Functions> for Site {
    fn look(&mut self, memory: &Functions, now: Moment) -> Seen {
        let Netlify { directory, manifest, .. } = &self.settings;
        let mut seen = Seen::default();
        let there = match manifest::functions(directory) {
            Ok(there) => there,
            // What was never there cannot be lost.
            Err(_) if memory.is_empty() => return seen,
            Err(error) => {
                seen.manifest = Some(format!("{}: {error}", directory.display()));
                return seen;
            }
        };
        let entries = match manifest::read(manifest, directory) {
            Ok(entries) => entries,
            Err(_) if there.is_empty() && !manifest.exists() && memory.is_empty() => return seen,
            Err(reason) => {
                if !manifest.exists() {
                    seen.unlisted = there.into_iter().map(|entry| entry.name).collect();
                }
                seen.manifest = Some(reason);
                return seen;
            }
        };
        let is_listed = |name: &str| entries.iter().any(|entry| entry.name == name);
        seen.unlisted = there.into_iter().map(|entry| entry.name).filter(|name| !is_listed(name)).collect();
        if !self.has_node() {
            seen.unable =
                Some("node is not in PATH: functions are not run, only their files looked for".to_owned());
        }
        self.probe_all(&entries, memory, &mut seen, now);
        seen
    }

    fn perform(&mut self, deed: &Deed) -> Result<String, String> {
        let Netlify { directory, manifest, .. } = &self.settings;
        match deed {
            Deed::Regenerate { known } => manifest::regenerate(manifest, directory, known),
            Deed::Deploy => {
                let lost = self.lost();
                deploy::deploy(&self.settings, (&self.root, &lost), &self.env, &self.stop)
            }
        }
    }
}

/// What is wrong with a function without a file.
const LOST: &str = "its file is not there";

/// What all functions of one look have in common.
struct Look<'a> {
    memory: &'a Functions,
    /// The state of all that functions share.
    shared: u64,
    /// Where they are run; nothing if they cannot be, or need not be.
    scratch: Option<Scratch>,
    schedules: Option<&'a [String]>,
    now: Moment,
}

impl Site {
    pub(crate) fn new(settings: Netlify, root: PathBuf, env: Env, stop: Arc<Stop>) -> Self {
        let http = Http::new(settings.timeout.value.into());
        Self { settings, root, env, stop, http }
    }

    /// Functions that the manifest names and whose files are not there.
    fn lost(&self) -> Vec<String> {
        let entries = manifest::read(&self.settings.manifest, &self.settings.directory).unwrap_or_default();
        entries.into_iter().filter(|entry| entry.file.is_none()).map(|entry| entry.name).collect()
    }

    fn has_node(&self) -> bool {
        let path = self.env.get("PATH").map_or("", String::as_str);
        std::env::split_paths(path).any(|directory| directory.join("node").is_file())
    }

    /// What is known of each function; those of which too little is known are run, several at a time.
    fn probe_all(&self, entries: &[Entry], memory: &Functions, seen: &mut Seen, now: Moment) {
        let shared = self.shared(entries);
        let stale = entries.iter().filter(|entry| self.known(entry, memory, shared, now).is_none()).count();
        let runs = seen.unable.is_none() && stale > 0;
        let scratch = runs.then(|| Scratch::new(&self.root)).transpose().unwrap_or_else(|reason| {
            seen.unable = Some(format!("functions are not run, only their files looked for: {reason}"));
            None
        });
        let schedules = trigger::schedules(&self.root);
        let look = Look { memory, shared, scratch, schedules: schedules.as_deref(), now };
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::with_capacity(entries.len()));
        let work = || {
            while let Some(entry) =
                entries.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !self.stop.is_due())
            {
                let function = Function { name: entry.name.clone(), probe: self.probe(entry, &look) };
                found.lock().unwrap_or_else(PoisonError::into_inner).push(function);
            }
        };
        // Most looks find nothing to run: this thread is enough then, and works with the others else.
        let others = if look.scratch.is_some() { stale } else { 0 };
        let others = others.min(self.settings.max_concurrent_checks as usize).saturating_sub(1);
        thread::scope(|scope| {
            for _ in 0..others {
                scope.spawn(work);
            }
            work();
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by(|a, b| a.name.cmp(&b.name));
        seen.functions = found;
    }

    fn probe(&self, entry: &Entry, look: &Look<'_>) -> Probe {
        if let Some(known) = self.known(entry, look.memory, look.shared, look.now) {
            return known.clone();
        }
        let stamp = stamp(entry, look.shared);
        let outcome = match (&entry.file, &look.scratch) {
            (None, _) => Err(LOST.to_owned()),
            (Some(file), Some(scratch)) => {
                let trial = self.trial(entry, file, look);
                let said = probe::run(
                    (&entry.name, trial),
                    file,
                    (scratch, &self.env),
                    (&self.settings, &self.stop),
                );
                match trial {
                    // Where it is deployed a call does the same as here.
                    Trial::Invoke => said.and_then(|said| self.deployed(&entry.name).map(|()| said)),
                    Trial::Load | Trial::Parse(_) => said,
                }
            }
            // It is run as soon as that is possible; until then what was known stays.
            (Some(_), None) => {
                let former = look.memory.probe(&entry.name).map(|probe| probe.outcome.clone());
                let outcome = former.filter(|former| *former != Err(LOST.to_owned()));
                let outcome = outcome.unwrap_or_else(|| Ok("is there".to_owned()));
                return Probe { at: look.now, stamp: String::new(), outcome };
            }
        };
        Probe { at: look.now, stamp, outcome }
    }

    /// How far a function may be tried.
    fn trial(&self, entry: &Entry, file: &Path, look: &Look<'_>) -> Trial {
        let of_function = || trigger::of_function(&entry.name, file, look.schedules);
        let is_called = self.settings.invoke && !self.settings.not_invoked.contains(&entry.name);
        match entry.trigger.or_else(of_function) {
            Some(trigger) => Trial::Parse(trigger),
            None if is_called && !trigger::is_of_event(&entry.name) => Trial::Invoke,
            None => Trial::Load,
        }
    }

    /// What is known of a function, if that will do.
    fn known<'a>(&self, entry: &Entry, memory: &'a Functions, shared: u64, now: Moment) -> Option<&'a Probe> {
        let known = memory.probe(&entry.name)?;
        let full = self.settings.full_check_interval.value.0;
        let life = match &known.outcome {
            // Spread over time, so that not all are run at once.
            Ok(_) => full / 2 + hash(&entry.name) % (full / 2).max(1),
            Err(_) if memory.failures(&entry.name) > self.settings.failure_threshold => {
                self.settings.interval.value.0.saturating_mul(PATIENCE)
            }
            Err(_) => return None,
        };
        (now.since(known.at) < Millis(life) && known.stamp == stamp(entry, shared)).then_some(known)
    }

    /// Whether it answers where it is deployed.
    fn deployed(&self, name: &str) -> Result<(), String> {
        if self.settings.site_url.is_empty() {
            return Ok(());
        }
        let url = format!("{}/.netlify/functions/{name}", self.settings.site_url.trim_end_matches('/'));
        let ask = Ask { method: "GET", url: &url, headers: &[], body: &[], redirects: 3 };
        match self.http.ask(ask) {
            Ok(answer) if answer.status == 404 => Err("is not deployed: 404".to_owned()),
            Ok(answer) if answer.status >= 500 => {
                Err(format!("answers {} where it is deployed", answer.status))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(format!("does not answer where it is deployed: {error}")),
        }
    }

    /// The state of all that functions may share: other files below their directory, and the packages of the project.
    fn shared(&self, entries: &[Entry]) -> u64 {
        let mut hasher = DefaultHasher::new();
        let own: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some(home(entry.file.as_deref()?, &self.settings.directory)))
            .collect();
        walk(&self.settings.directory, &mut |path| {
            let is_shared = *path != self.settings.manifest && !own.iter().any(|own| path.starts_with(own));
            if is_shared {
                hash_file(path, &mut hasher);
            }
            is_shared
        });
        for name in [
            "netlify.toml",
            "package.json",
            "package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "node_modules",
        ] {
            hash_file(&self.root.join(name), &mut hasher);
        }
        hasher.finish()
    }
}

/// The file of a function, or its directory.
fn home<'a>(file: &'a Path, directory: &Path) -> &'a Path {
    file.parent().filter(|parent| *parent != directory).unwrap_or(file)
}

/// By what it is known that nothing of a function has changed.
fn stamp(entry: &Entry, shared: u64) -> String {
    let mut hasher = DefaultHasher::new();
    if let Some(file) = &entry.file {
        hash_file(file, &mut hasher);
        if let Some(directory) = file.parent().filter(|parent| {
            parent.file_name() == file.file_stem() || file.file_stem().is_some_and(|stem| stem == "index")
        }) {
            walk(directory, &mut |path| {
                hash_file(path, &mut hasher);
                true
            });
        }
    }
    format!("{:x}-{shared:x}", hasher.finish())
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(meta) = fs::metadata(path) {
        (meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino()).hash(hasher);
    }
}

/// Visits what is below a directory, in order, without packages; into a directory only if the visit says so.
fn walk(directory: &Path, visit: &mut impl FnMut(&PathBuf) -> bool) {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        let is_packages = path.file_name().is_some_and(|name| name == "node_modules" || name == ".netlify");
        if !is_packages && visit(&path) && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            walk(&path, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stand_in::{Reply, StandIn},
        watch::{Event, Machine},
    };

    const WELL: &str = "exports.handler = async () => ({ statusCode: 200 })";

    struct Bench {
        directory: tempfile::TempDir,
        site: Site,
        machine: Functions,
        now: Moment,
    }

    impl Bench {
        fn new(functions: &[(&str, &str)], manifest: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let functions_directory = directory.path().join("functions");
            fs::create_dir(&functions_directory).unwrap();
            for (file, text) in functions {
                fs::write(functions_directory.join(file), text).unwrap();
            }
            let settings = Netlify {
                manifest: functions_directory.join("functions-manifest.json"),
                directory: functions_directory,
                ..Netlify::default()
            };
            if !manifest.is_empty() {
                fs::write(&settings.manifest, manifest).unwrap();
            }
            let mut env = Env::default();
            env.set("PATH", std::env::var("PATH").unwrap());
            let stop = Arc::new(Stop::never().unwrap());
            let site = Site::new(settings, directory.path().to_owned(), env, stop);
            Self { directory, site, machine: Functions::default(), now: Moment(1_000_000_000) }
        }

        /// Looks `ms` later, and remembers. When each function was run, and how it is.
        fn look(&mut self, ms: u64) -> Seen {
            self.now = self.now.after(Millis(ms));
            let seen = self.site.look(&self.machine, self.now);
            self.machine.step(&self.site.settings, Event::Seen(seen.clone()), self.now);
            seen
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.directory.path().join("functions").join(file), text).unwrap();
        }
    }

    #[test]
    fn a_function_is_run_again_when_its_files_changed_or_its_time_has_come() {
        let mut bench = Bench::new(&[("a.js", WELL), ("b.js", WELL)], r#"["a", "b"]"#);
        let first = bench.look(0);
        assert!(first.functions.iter().all(|function| function.probe.outcome.is_ok()), "{first:?}");
        let (start, runs) =
            (bench.now, |seen: &Seen| seen.functions.iter().map(|f| f.probe.at).collect::<Vec<_>>());
        assert_eq!(runs(&bench.look(120_000)), [start, start], "nothing has changed");
        bench.write("a.js", &format!("{WELL}\n"));
        let changed = bench.look(120_000);
        assert_eq!(runs(&changed), [bench.now, start]);
        bench.write("_shared.json", "{}");
        let shared = bench.look(120_000);
        assert_eq!(runs(&shared), [bench.now, bench.now], "what is shared");
        let later = bench.look(7_200_000);
        assert_eq!(runs(&later), [bench.now, bench.now], "their time has come");
    }

    #[test]
    fn one_that_fails_is_run_at_every_check_until_it_is_hopeless() {
        let mut bench = Bench::new(&[("a.js", "throw 1")], r#"["a"]"#);
        for _ in 0..4 {
            let seen = bench.look(120_000);
            assert_eq!(seen.functions[0].probe.at, bench.now);
        }
        let last = bench.now;
        assert_eq!(bench.look(120_000).functions[0].probe.at, last);
        bench.write("a.js", WELL);
        assert!(bench.look(120_000).functions[0].probe.outcome.is_ok(), "repaired, and seen at once");
    }

    #[test]
    fn manifest_and_directory_are_compared() {
        let mut bench = Bench::new(&[("a.js", WELL), ("new.js", WELL)], r#"{"functions": ["a", "gone"]}"#);
        let seen = bench.look(0);
        assert_eq!((seen.unlisted.as_slice(), &seen.manifest), (&["new".to_owned()][..], &None));
        assert_eq!(seen.functions[1].probe.outcome, Err("its file is not there".to_owned()));
        fs::write(&bench.site.settings.manifest, "{").unwrap();
        assert!(bench.look(1).manifest.unwrap().starts_with("not JSON"));
        fs::remove_file(&bench.site.settings.manifest).unwrap();
        assert_eq!(bench.look(1).unlisted, ["a", "new"]);
        bench.site.perform(&Deed::Regenerate { known: vec!["gone".to_owned()] }).unwrap();
        assert_eq!(bench.look(1).functions.len(), 3);
        fs::remove_dir_all(&bench.site.settings.directory).unwrap();
        assert!(bench.look(1).manifest.unwrap().contains("No such file"), "it was there");
        bench.machine = Functions::default();
        assert!(bench.look(1).manifest.is_none(), "it was never there");
    }

    #[test]
    fn the_deployed_function_is_asked_where_there_is_a_site() {
        let server = StandIn::new(vec![
            Reply::new(200, "{}"),
            Reply::new(404, ""),
            Reply::new(503, ""),
            Reply::HangUp,
        ]);
        let mut bench = Bench::new(&[("a.js", WELL)], r#"["a"]"#);
        bench.site.settings.site_url = format!("{}/", server.url());
        let mut outcome = |text: &str| {
            bench.write("a.js", text);
            bench.look(1).functions.remove(0).probe.outcome
        };
        assert_eq!(outcome(WELL), Ok("v1, answers 200".to_owned()));
        assert_eq!(outcome(&format!("{WELL};")), Err("is not deployed: 404".to_owned()));
        assert_eq!(outcome(WELL), Err("answers 503 where it is deployed".to_owned()));
        assert!(
            outcome(&format!("{WELL};")).unwrap_err().starts_with("does not answer where it is deployed")
        );
        assert!(server.asked()[0].starts_with("GET /.netlify/functions/a "));
    }

    #[test]
    fn what_is_not_to_be_called_is_not_called_where_it_is_deployed_either() {
        let server = StandIn::new(vec![Reply::new(200, "{}")]);
        let scheduled = format!("{WELL}; exports.config = {{ schedule: '@daily' }}");
        let mut bench = Bench::new(
            &[
                ("a.js", WELL),
                ("b-background.js", WELL),
                ("c.js", &scheduled),
                ("d.js", WELL),
                ("e.js", WELL),
            ],
            r#"["a", "b-background", "c", {"name": "d", "schedule": "@daily"}, "e"]"#,
        );
        bench.site.settings.site_url = server.url();
        bench.site.settings.not_invoked = vec!["e".to_owned()];
        let seen = bench.look(1);
        let said: Vec<_> = seen.functions.iter().map(|one| one.probe.outcome.clone().unwrap()).collect();
        let scheduled = "is there, not run: a scheduled function";
        let background = "is there, not run: a background function";
        assert_eq!(said, ["v1, answers 200", background, scheduled, scheduled, "v1, loads"]);
        assert_eq!(server.asked().len(), 1);
    }

    #[test]
    fn a_project_that_cannot_be_copied_is_not_run_and_keeps_what_is_known() {
        let mut bench = Bench::new(&[("a.js", "throw 1")], r#"["a"]"#);
        assert!(bench.look(1).functions[0].probe.outcome.is_err());
        let huge = fs::File::create(bench.directory.path().join("huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        let seen = bench.look(1);
        let reason = seen.unable.unwrap();
        assert!(reason.contains("the project has more than 50000 files or 512mb"), "{reason}");
        assert!(seen.functions[0].probe.outcome.is_err(), "it is not well because it cannot be run");
        fs::remove_file(bench.directory.path().join("huge")).unwrap();
        bench.write("a.js", WELL);
        assert!(bench.look(1).functions[0].probe.outcome.is_ok());
    }

    #[test]
    fn without_node_files_are_looked_for() {
        let mut bench = Bench::new(&[("a.js", "throw 1")], r#"["a", "b"]"#);
        bench.site.env.set("PATH", "/nonexistent");
        let seen = bench.look(0);
        assert!(seen.unable.unwrap().starts_with("node is not in PATH"));
        assert_eq!(seen.functions[0].probe.outcome, Ok("is there".to_owned()));
        assert!(seen.functions[1].probe.outcome.is_err());
    }
}
