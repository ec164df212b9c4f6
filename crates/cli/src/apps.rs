//! From the command line to checked apps: the ecosystem loader, asked on behalf of this shell.

use std::{collections::BTreeSet, env, path::Path};

use rpm_core::{AppSpec, Env, Interpreter, Persona, protocol::Act, protocol::Action};
use rpm_ecosystem::{BESIDE_A_FILE, Caller, Declaration, LoadError, Loaded, Options, Severity, Use};

use crate::{
    context::{Context, own_environment},
    extensions,
    failure::Failure,
    module_conf::{ModuleConf, variables},
    output::Output,
    remembered,
};

/// What the options and the arguments after `--` declare.
pub(crate) struct Declared {
    declaration: Declaration,
    caller: Caller,
}

impl Declared {
    /// Reads the attributes that were given as options. All that is wrong is told at once.
    pub(crate) fn new(context: &mut Context, args: Vec<String>) -> Result<Self, Failure> {
        let mut declaration = Declaration::default();
        let mut is_wrong = false;
        for (attribute, text) in &context.options.attributes {
            if let Err(problem) = declaration.set(attribute, text) {
                context.out.error(&problem.to_string());
                is_wrong = true;
            }
        }
        if is_wrong {
            return Err(Failure::Said);
        }
        if let Some(extensions) = &context.options.extensions {
            let ignored = extensions::ignored(&context.cwd, extensions);
            let ignored = ignored.iter().map(|path| path.to_string_lossy().into_owned());
            declaration.ignore_watch.get_or_insert_default().extend(ignored);
        }
        if !args.is_empty() {
            declaration.args = Some(args);
        }
        Ok(Self { declaration, caller: caller(context) })
    }

    /// The apps of an ecosystem file.
    pub(crate) fn load(
        &mut self,
        context: &mut Context,
        file: &str,
        purpose: Use,
    ) -> Result<Loaded, Failure> {
        let options = Options {
            purpose,
            // An empty name chooses none.
            profile: context.options.profile.clone().filter(|profile| !profile.is_empty()),
            only: context.options.only.iter().cloned().collect(),
            overrides: self.declaration.clone(),
        };
        let mut loaded = rpm_ecosystem::load(Path::new(file), &options, &self.caller)
            .map_err(|error| tell(context.out, &error))?;
        // As in PM2 the apps inherit what the file makes of the environment.
        loaded.env.apply(&mut self.caller.env);
        if purpose != Use::Select {
            self.warn_ignored(context, file);
        }
        if context.persona() != Persona::Rpm {
            for name in &loaded.unmatched {
                context.out.warn(&format!("No app {name:?} in {file}"));
            }
        }
        remembered::apply(context, &mut loaded.apps, purpose, self.declaration.namespace.is_some())?;
        configure(context, &mut loaded.apps)?;
        context.max_parallel.merge(&loaded.max_parallel);
        for warning in loaded.warnings.rendered(false) {
            context.out.warn(&warning);
        }
        if purpose != Use::Select {
            loaded.apps.iter().for_each(|app| tell_schedule(context.out, app));
        }
        Ok(loaded)
    }

    /// Fails if a name after `--only` or `--env` fits nothing in all the files that were loaded: probably a slip. As
    /// `pm2`, which starts the rest, each file has been warned about.
    pub(crate) fn check_names(context: &mut Context, files: &[Loaded], purpose: Use) -> Result<(), Failure> {
        if context.persona() != Persona::Rpm || files.is_empty() {
            return Ok(());
        }
        let is_nowhere = |name: &&String| files.iter().all(|file| file.unmatched.contains(name));
        let mut wrong: Vec<_> = files[0]
            .unmatched
            .iter()
            .filter(is_nowhere)
            .map(|name| format!("--only: no app is named {name:?}"))
            .collect();
        if let Some(profile) = &context.options.profile
            && purpose != Use::Select
            && !files.iter().any(|file| file.has_profile)
        {
            wrong.push(format!("--env: no app has the environment {profile:?} (`env_{profile}`)"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        for message in &wrong {
            context.out.error(message);
        }
        Err(Failure::Said)
    }

    /// Warns about options that have no effect beside a file.
    fn warn_ignored(&self, context: &mut Context, file: &str) {
        if context.persona() != Persona::Rpm {
            return;
        }
        let ignored: BTreeSet<_> =
            self.declaration.declared().filter(|name| !BESIDE_A_FILE.contains(name)).collect();
        if !ignored.is_empty() {
            let names = ignored.into_iter().collect::<Vec<_>>().join(", ");
            context
                .out
                .warn(&format!("options without effect beside {file}, which declares its apps: {names}"));
        }
    }

    /// The app that a script is.
    pub(crate) fn script(&self, context: &mut Context, script: &str) -> Result<AppSpec, Failure> {
        let mut app = rpm_ecosystem::from_script(script, &self.declaration, &self.caller)
            .map_err(|error| tell(context.out, &error))?;
        configure(context, std::slice::from_mut(&mut app))?;
        tell_schedule(context.out, &app);
        Ok(app)
    }

    /// A restart of what is there, with what the options change.
    pub(crate) fn restart(&self, context: &mut Context, target: &str) -> Result<Act, Failure> {
        let patch = rpm_ecosystem::patch(&self.declaration, &self.caller)
            .map_err(|error| tell(context.out, &error))?;
        match patch.get("cron_restart") {
            Some(serde_json::Value::String(cron)) => context.out.info(&format!("cron restart at {cron}")),
            Some(_) => context.out.info("disabling cron restart"),
            None => {}
        }
        Ok(Act {
            action: Action::Restart,
            target: context.selector(target),
            env: context.options.update_env.then(|| self.caller.env.clone()),
            patch,
        })
    }

    /// The app runs in this directory, wherever the caller is.
    pub(crate) fn runs_in(&mut self, directory: &Path) {
        self.declaration.cwd = Some(directory.to_string_lossy().into_owned());
    }

    /// What the script gets.
    pub(crate) fn args(&self) -> &[String] {
        self.declaration.args.as_deref().unwrap_or_default()
    }

    /// The app is a server of ours, which is configured by `env`, and called so unless it was named.
    pub(crate) fn serves(&mut self, name: &str, env: Env) {
        self.declaration.name.get_or_insert_with(|| name.to_owned());
        self.declaration.env = Some(env);
    }

    /// The app is this executable under a hidden verb, and called so unless it was named.
    pub(crate) fn runs_itself(&mut self, name: &str) {
        self.declaration.name.get_or_insert_with(|| name.to_owned());
        self.declaration.interpreter = Some(Interpreter::None);
    }

    /// The environment that apps inherit.
    pub(crate) fn env(&self) -> &rpm_core::Env {
        &self.caller.env
    }
}

/// Puts what is set under the name of an app (`set web:key value`) into its environment.
fn configure(context: &Context, apps: &mut [AppSpec]) -> Result<(), Failure> {
    let conf = ModuleConf::load(&context.home)?;
    for app in apps {
        for (name, value) in variables(&conf, &app.name) {
            app.env.set(name, value);
        }
    }
    Ok(())
}

/// This shell, on whose behalf files are read.
pub(crate) fn caller(context: &Context) -> Caller {
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    Caller {
        username: user.map(|user| user.name),
        privileged: uid.is_root(),
        executable: env::current_exe().ok(),
        persona: context.persona(),
        ..Caller::new(context.cwd.clone(), own_environment())
    }
}

/// Says all that is wrong with a file or a script.
pub(crate) fn tell(out: &mut Output, error: &LoadError) -> Failure {
    let report = error.report();
    for (problem, text) in report.problems().iter().zip(report.rendered(false)) {
        match problem.severity() {
            Severity::Error => out.error(&text),
            Severity::Warning => out.alert(&text),
        }
    }
    Failure::Said
}

fn tell_schedule(out: &mut Output, app: &AppSpec) {
    if let Some(cron) = &app.cron_restart {
        out.info(&format!("cron restart at {cron}"));
    }
}
