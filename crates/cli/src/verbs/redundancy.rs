//! `redundancy`: the companion that makes run what does not run any more; see [`rpm_redundancy`].

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use rpm_core::{
    Home, Persona,
    protocol::{self, Act, Action},
};
use rpm_redundancy::{
    Config, Done, Outcomes, Part, Redundancy, Stop, config,
    health::{Level, PartHealth, SystemHealth, SystemLevel},
};
use serde_json::json;

use super::{Invocation, Verb, start};
use crate::{
    act,
    apps::{self, Declared},
    context::{self, Context, variable},
    failure::Failure,
    logs::tail::tail,
    output::Output,
    render::{grid, style::Style},
};

pub(super) const VERB: Verb = Verb {
    name: "redundancy",
    aliases: &[],
    about: "Watch processes, GitHub Actions and Netlify functions, and make run what does not run any more",
    takes_options: false,
    run,
};

/// The app that is the whole, and the beginning of the names of those that are one part.
const WHOLE: &str = "redundancy-automation-system";
const PREFIX: &str = "redundancy-";
const NAMESPACE: &str = "redundancy";

/// How long a round may take to end when the companion is stopped.
const KILL_TIMEOUT: &str = "10s";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Arguments {
    /// What to do, and with which part; see below.
    #[arg(required = true, value_name = "command", num_args = 1..=5)]
    words: Vec<String>,
    /// The settings [default: redundancy.toml]
    #[arg(long, value_name = "path")]
    config: Option<PathBuf>,
    /// Data, for programs.
    #[arg(long)]
    json: bool,
    /// Lines of each log.
    #[arg(long, default_value_t = 20)]
    lines: usize,
    /// Whose daemon it works for: persona and home. Without it the caller's.
    #[arg(long, hide = true, value_name = "persona=home")]
    daemon: Option<String>,
}

const HELP: &str = "Commands:
  init                                        write redundancy.toml, with every setting
  start | stop | restart                      the whole, as an app of the daemon
  status | health | report | logs [PART]      how it stood | how it stands now | write the report | last lines
  emergency                                   recover every part now
  pm2 start|stop|status|check|restart         processes; restart: stop all, start all ecosystem files
  github start|stop|status|check|trigger [WORKFLOW]
                                              workflows; trigger: run them by the back-ups that are set
  netlify start|stop|status|check|regenerate|deploy
                                              functions; regenerate: the manifest
  orchestrator start|stop|status|health|emergency|report
  run [PART...]                               be the companion, in the foreground

status and health end with 0 (healthy), 1 (degraded) or 2 (emergency).";

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, arguments) = invocation.read::<Arguments>()?;
    if let Some(daemon) = &arguments.daemon {
        context.home = home(daemon)?;
    }
    let words: Vec<_> = arguments.words.iter().map(String::as_str).collect();
    let (part, words) = match words.split_first() {
        Some((first, rest)) if !rest.is_empty() => match part(first) {
            Some(part) => (Some(part), rest),
            None => (None, words.as_slice()),
        },
        _ => (None, words.as_slice()),
    };
    if words == ["init"] && part.is_none() {
        return init(&mut context);
    }
    let redundancy = set_up(&context, &arguments, matches!(words, ["run", ..]))?;
    let mut verb = Command { context, arguments: &arguments, redundancy, part };
    verb.run(words)
}

fn part(word: &str) -> Option<Part> {
    let parts = Part::ALL.into_iter().chain([Part::Orchestrator]);
    parts.into_iter().find(|part| part.as_str() == word)
}

/// The home in `persona=home`.
fn home(text: &str) -> Result<Home, Failure> {
    let wrong = || Failure::Error(format!("--daemon: expected persona=home, found {text:?}"));
    let (persona, root) = text.split_once('=').ok_or_else(wrong)?;
    let persona = if persona == Persona::Pm2.word() { Persona::Pm2 } else { Persona::Rpm };
    Ok(Home::new(root.into(), persona))
}

fn init(context: &mut Context) -> Result<(), Failure> {
    let path = context.cwd.join(config::FILE);
    let overwrites = context.options.force;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(overwrites).truncate(overwrites).create_new(!overwrites);
    let written = options.open(&path).and_then(|mut file| file.write_all(config::TEMPLATE.as_bytes()));
    written.map_err(|error| {
        Failure::Error(match error.kind() {
            ErrorKind::AlreadyExists => format!("{} is there already: --force overwrites it", path.display()),
            _ => format!("cannot write {}: {error}", path.display()),
        })
    })?;
    context.out.line(&format!("File {} generated", path.display()));
    Ok(())
}

fn set_up(context: &Context, arguments: &Arguments, is_companion: bool) -> Result<Redundancy, Failure> {
    let said = variable("RPM_REDUNDANCY_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = arguments.config.clone().or(said);
    let config = Config::load(
        file.as_deref(),
        &context.cwd,
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
    .map_err(|error| Failure::Error(error.to_string()))?;
    let stop = if is_companion { Stop::on_signals() } else { Stop::never() };
    let stop = stop.map_err(|error| Failure::Error(error.to_string()))?;
    Ok(Redundancy::new(config, context.home.clone(), apps::caller(context), stop, is_companion))
}

/// A command with all that it works with.
struct Command<'a> {
    context: Context<'a>,
    arguments: &'a Arguments,
    redundancy: Redundancy,
    /// The one that it is about; the whole without one.
    part: Option<Part>,
}

impl Command<'_> {
    fn run(&mut self, words: &[&str]) -> Result<(), Failure> {
        use Part::{Github, Netlify, Orchestrator, Pm2};
        match (self.part, words) {
            (None, ["run", parts @ ..]) => self.be(parts),
            (_, ["start"]) => self.start(),
            (_, ["stop"]) => self.act(Action::Stop),
            (None, ["restart"]) => self.act(Action::Restart),
            (None | Some(Orchestrator), ["status"]) => self.status(),
            (None | Some(Orchestrator), ["health"]) => {
                let health = self.redundancy.health();
                self.system(&health, None)
            }
            (None | Some(Orchestrator), ["report"]) => self.report(),
            (None | Some(Orchestrator), ["emergency"]) => self.tell(Redundancy::emergency),
            (_, ["logs"]) => self.logs(self.part),
            (None, ["logs", word]) if part(word).is_some() => self.logs(part(word)),
            (Some(Pm2), ["restart"]) => self.tell(Redundancy::restart_processes),
            (Some(Github), ["trigger"]) => self.tell(|redundancy| redundancy.trigger(None)),
            (Some(Github), ["trigger", workflow]) => {
                self.tell(|redundancy| redundancy.trigger(Some(workflow)))
            }
            (Some(Netlify), ["regenerate"]) => self.tell(Redundancy::regenerate),
            (Some(Netlify), ["deploy"]) => self.tell(Redundancy::deploy),
            (Some(part @ (Pm2 | Github | Netlify)), ["status"]) => {
                let health = self.redundancy.part_status(part);
                self.one(&health)
            }
            (Some(part), ["check"]) => {
                let health = self.redundancy.check(part).map_err(|error| wrong(&error))?;
                self.one(&health)
            }
            _ => {
                let words = &self.arguments.words.join(" ");
                Err(Failure::Error(format!("no such command: {words:?} (`redundancy --help` names them)")))
            }
        }
    }

    /// The name of the app that does this.
    fn app(&self) -> String {
        self.part.map_or_else(|| WHOLE.to_owned(), |part| format!("{PREFIX}{part}"))
    }

    /// Is the companion.
    fn be(&self, words: &[&str]) -> Result<(), Failure> {
        let mut parts = Vec::new();
        for word in words {
            parts.push(part(word).ok_or_else(|| Failure::Error(format!("no such part: {word:?}")))?);
        }
        if parts.is_empty() {
            parts = self.redundancy.enabled();
            parts.push(Part::Orchestrator);
        }
        self.redundancy.run(&parts);
        Ok(())
    }

    /// Has the daemon run the companion.
    fn start(&mut self) -> Result<(), Failure> {
        let (name, context) = (self.app(), &mut self.context);
        let daemon = format!("{}={}", context.persona().word(), context.home.root().display());
        let mut args = vec!["redundancy".to_owned(), "--daemon".to_owned(), daemon];
        let file = self.arguments.config.clone().unwrap_or_else(|| Path::new(config::FILE).to_owned());
        let file = context.cwd.join(file);
        if file.is_file() {
            args.extend(["--config".to_owned(), file.to_string_lossy().into_owned()]);
        }
        args.push("run".to_owned());
        args.extend(self.part.map(|part| part.to_string()));
        for (attribute, value) in [("namespace", NAMESPACE), ("kill_timeout", KILL_TIMEOUT)] {
            context.options.attributes.push((attribute, value.to_owned()));
        }
        let mut declared = Declared::new(context, args)?;
        declared.runs_itself(&name);
        let executable = std::env::current_exe().map_err(|error| wrong(&error))?;
        let app = declared.script(context, &executable.to_string_lossy())?;
        let mut connection = context.connect_or_spawn()?;
        start::script(context, &mut connection, &declared, Box::new(app))?;
        context.show_list(Some(&mut connection))
    }

    fn act(&mut self, action: Action) -> Result<(), Failure> {
        let name = self.app();
        let mut connection = self.context.connect()?;
        let rows = connection.as_mut().map(context::rows).transpose()?.unwrap_or_default();
        if action == Action::Restart && rows.iter().all(|row| row.name != name) {
            return self.start();
        }
        let target = self.context.selector(&name);
        let request = Act { action, target, env: None, patch: serde_json::Map::new() };
        act::act(&mut self.context, connection.as_mut(), request)
    }

    fn status(&mut self) -> Result<(), Failure> {
        let health = self.redundancy.status();
        let rows = match self.context.connect()? {
            Some(mut connection) => context::rows(&mut connection).unwrap_or_default(),
            None => Vec::new(),
        };
        let is_companion = |name: &str| name == WHOLE || name.strip_prefix(PREFIX).and_then(part).is_some();
        let runs = rows.iter().any(|row| row.status == rpm_core::Status::Online && is_companion(&row.name));
        self.system(&health, Some(runs))
    }

    /// Shows the whole, and ends with its exit code. What does not run is not healthy.
    fn system(&mut self, health: &SystemHealth, runs: Option<bool>) -> Result<(), Failure> {
        let code = health.level.exit_code().max(u8::from(runs == Some(false)));
        if self.arguments.json {
            let mut data = json!(health);
            if let (Some(object), Some(runs)) = (data.as_object_mut(), runs) {
                object.insert("running".to_owned(), runs.into());
            }
            self.context.out.document(data);
            return exit(code);
        }
        let rows: Vec<_> = health.parts.iter().map(part_row).collect();
        let text = table(&self.context, ["part", "level", "checked", "summary"], &rows);
        self.context.out.text(&text);
        for part in &health.parts {
            for unit in part.units.iter().filter(|unit| unit.level != Level::Healthy) {
                self.context.out.line(&format!("{} {}: {}: {}", part.part, unit.name, unit.level, unit.note));
            }
        }
        if let Some(emergency) = &health.emergency {
            let text = format!("emergency since {}, recoveries: {}", emergency.since, emergency.attempts);
            self.context.out.warn(&text);
        }
        if runs == Some(false) {
            self.context.out.warn("the companion does not run: `redundancy start` starts it");
        }
        self.context.out.line(health.level.as_str());
        exit(code)
    }

    /// Shows one part, and ends with the exit code of its level.
    fn one(&mut self, health: &PartHealth) -> Result<(), Failure> {
        let code = match health.level {
            Level::Healthy => SystemLevel::Healthy,
            Level::Degraded => SystemLevel::Degraded,
            Level::Unhealthy => SystemLevel::Emergency,
        };
        if self.arguments.json {
            self.context.out.document(json!(health));
        } else {
            let row = |unit: &rpm_redundancy::health::UnitHealth| {
                (
                    unit.level,
                    [unit.name.clone(), unit.level.to_string(), unit.failures.to_string(), unit.note.clone()],
                )
            };
            let rows: Vec<_> = health.units.iter().map(row).collect();
            let text = table(&self.context, ["name", "level", "failures", "note"], &rows);
            self.context.out.text(&text);
            self.context.out.line(&format!("{}: {}, {}", health.part, health.level, health.summary()));
        }
        exit(code.exit_code())
    }

    fn report(&mut self) -> Result<(), Failure> {
        let path = self.redundancy.report().map_err(|error| wrong(&error))?;
        if self.arguments.json {
            let text = std::fs::read(&path).map_err(|error| wrong(&error))?;
            self.context.out.data(&text);
        } else {
            self.context.out.line(&path.display().to_string());
        }
        Ok(())
    }

    fn logs(&mut self, part: Option<Part>) -> Result<(), Failure> {
        let all = || Part::ALL.into_iter().chain([Part::Orchestrator]).collect();
        for part in part.map_or_else(all, |part| vec![part]) {
            let path = self.redundancy.log_path(part);
            let Ok(mut file) = File::open(&path) else { continue };
            self.context.out.line(&format!("{} last {} lines:", path.display(), self.arguments.lines));
            let out = &mut *self.context.out;
            let mut print =
                |line: &[u8]| out.line(&rpm_core::name::printable(&String::from_utf8_lossy(line)));
            tail(&mut file, self.arguments.lines, &mut print).map_err(|error| wrong(&error))?;
        }
        Ok(())
    }

    /// Does something and tells what came of it. The log lines of it go to standard error on the way.
    fn tell(&mut self, act: impl FnOnce(&Redundancy) -> std::io::Result<Outcomes>) -> Result<(), Failure> {
        let outcomes = act(&self.redundancy).map_err(|error| wrong(&error))?;
        for done in &outcomes {
            match &done.outcome {
                Ok(how) => self.context.out.info(&format!("{}: {how}", done.what)),
                Err(error) => self.context.out.error(&format!("{}: {error}", done.what)),
            }
        }
        if outcomes.iter().any(Done::has_failed) { Err(Failure::Said) } else { Ok(()) }
    }
}

fn wrong(error: &std::io::Error) -> Failure {
    protocol::Failure::Io(error.to_string()).into()
}

fn exit(code: u8) -> Result<(), Failure> {
    if code == 0 { Ok(()) } else { Err(Failure::Exit(code)) }
}

fn part_row(part: &PartHealth) -> (Level, [String; 4]) {
    let checked = part.checked_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    (part.level, [part.part.to_string(), part.level.to_string(), checked, part.summary()])
}

/// A table as wide as what it says, or as the terminal.
fn table(context: &Context, headings: [&str; 4], rows: &[(Level, [String; 4])]) -> String {
    let mut widths = headings.map(str::len);
    for (_, cells) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(grid::display_width(cell));
        }
    }
    // A bar before each column and one at the end.
    let others: usize = widths[..3].iter().map(|width| width + 3).sum::<usize>() + 4;
    let room = Output::columns().map_or(usize::MAX, |columns| usize::from(columns).saturating_sub(others));
    widths[3] = widths[3].min(room.max(10));
    let mut grid = grid::Grid::new(widths.iter().map(|width| *width as u16 + 2).collect(), context.out.paint);
    for heading in headings {
        grid.cell(Style::BOLD_CYAN, heading);
    }
    grid.rule();
    for (level, cells) in rows {
        let style = match level {
            Level::Healthy => Style::BOLD_GREEN,
            Level::Degraded => Style::BOLD_YELLOW,
            Level::Unhealthy => Style::BOLD_RED,
        };
        for (index, cell) in cells.iter().enumerate() {
            grid.cell(if index == 1 { style } else { Style::PLAIN }, &rpm_core::name::printable(cell));
        }
    }
    grid.finish()
}
