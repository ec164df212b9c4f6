//! `serve`: a static file server as an app. The server is this executable under a hidden verb, configured by PM2's
//! variables.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use rpm_core::{Env, Persona};

use super::{Invocation, Verb, start};
use crate::{
    apps::Declared,
    context::variable,
    failure::Failure,
    web::{
        files::{Site, basic},
        listen::listen,
    },
};

pub(super) const VERB: Verb = Verb {
    name: "serve",
    aliases: &["expose"],
    about: "Serve the files of a directory over HTTP",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Serve {
    /// The directory [default: this one]
    path: Option<PathBuf>,
    /// The port [default: 8080]
    #[arg(value_name = "port", id = "port_argument")]
    port_argument: Option<u16>,
    /// The port.
    #[arg(long)]
    port: Option<u16>,
    /// The address to listen on.
    #[arg(long, value_name = "address")]
    host: Option<String>,
    /// Serve files whose names begin with a dot, too.
    #[arg(long)]
    dot_files: bool,
    /// A single-page app: what is no file is the home page.
    #[arg(long)]
    spa: bool,
    /// List directories.
    #[arg(long)]
    ftp: bool,
    /// Who may look; with a password.
    #[arg(long, value_name = "name", requires = "basic_auth_password")]
    basic_auth_username: Option<String>,
    /// The password.
    #[arg(long, value_name = "password", requires = "basic_auth_username")]
    basic_auth_password: Option<String>,
    /// Accepted for PM2's sake.
    #[arg(long, value_name = "app", num_args = 0..=1, default_missing_value = "")]
    monitor: Option<String>,
}

/// PM2's port.
const PORT: u16 = 8080;

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, serve) = invocation.read::<Serve>()?;
    let port = serve.port.or(serve.port_argument).unwrap_or(PORT);
    let path = context.cwd.join(serve.path.unwrap_or_default());
    let path = std::path::absolute(&path).unwrap_or(path);
    if !path.is_dir() {
        return Err(Failure::Error(format!("{} is no directory", path.display())));
    }
    let mut env = Env::default();
    env.set("PM2_SERVE_PORT", port.to_string());
    env.set("PM2_SERVE_PATH", path.to_string_lossy());
    if let Some(host) = serve.host {
        env.set("PM2_SERVE_HOST", host);
    }
    let switches = [
        ("PM2_SERVE_SPA", serve.spa),
        ("PM2_SERVE_FTP", serve.ftp),
        ("PM2_SERVE_DOT_FILES", serve.dot_files),
    ];
    for (name, _) in switches.into_iter().filter(|(_, on)| *on) {
        env.set(name, "true");
    }
    if let (Some(name), Some(password)) = (serve.basic_auth_username, serve.basic_auth_password) {
        env.set("PM2_SERVE_BASIC_AUTH", "true");
        env.set("PM2_SERVE_BASIC_AUTH_USERNAME", name);
        env.set("PM2_SERVE_BASIC_AUTH_PASSWORD", password);
    }
    if let Some(monitor) = serve.monitor {
        env.set("PM2_SERVE_MONITOR", monitor);
    }
    let mut declared = Declared::new(&mut context, Vec::new())?;
    declared.serves(&format!("static-page-server-{port}"), env);
    let app = declared.script(&mut context, "serve")?;
    let mut connection = context.connect_or_spawn()?;
    start::script(&mut context, &mut connection, &declared, Box::new(app))?;
    context.out.info(&format!("Serving {} on port {port}", path.display()));
    context.show_list(Some(&mut connection))
}

/// Is the server until a signal ends it.
/// Its arguments are path, port and address, which PM2's variables override.
pub(super) fn be_server(args: &[String]) -> Result<(), Failure> {
    let argument = |place: usize| args.get(place).filter(|value| !value.is_empty()).cloned();
    let set = |name: &str| variable(&format!("PM2_SERVE_{name}")).filter(|value| !value.is_empty());
    let is_on = |name: &str| set(name).is_some_and(|value| value == "true");
    let wrong = |name: &str, value: &str, what: &str| {
        Failure::Error(format!("PM2_SERVE_{name} is {value:?}: expected {what}"))
    };
    let port = match set("PORT").or_else(|| argument(2)) {
        Some(text) => text.parse().map_err(|_| wrong("PORT", &text, "a port"))?,
        None => PORT,
    };
    let host: IpAddr = match set("HOST").or_else(|| argument(3)).as_deref() {
        // An app of the persona `rpm` always has this variable; PM2's may come from the shell that started it.
        None if variable(Persona::Rpm.home_variable()).is_none() => [0, 0, 0, 0].into(),
        None => [127, 0, 0, 1].into(),
        Some("localhost") => [127, 0, 0, 1].into(),
        Some(text) => text.parse().map_err(|_| wrong("HOST", text, "an address"))?,
    };
    let password = match (is_on("BASIC_AUTH"), set("BASIC_AUTH_USERNAME"), set("BASIC_AUTH_PASSWORD")) {
        (false, ..) => None,
        (true, Some(name), Some(password)) => Some(basic(&name, &password)),
        // A server that was to be closed is never open.
        _ => return Err(wrong("BASIC_AUTH", "true", "_USERNAME and _PASSWORD as well")),
    };
    let site = Site {
        root: set("PATH").or_else(|| argument(1)).map_or_else(|| PathBuf::from("."), PathBuf::from),
        homepage: set("HOMEPAGE").unwrap_or_else(|| "/index.html".to_owned()),
        spa: is_on("SPA"),
        lists: is_on("FTP"),
        dot_files: is_on("DOT_FILES"),
        password,
    };
    let root = site.root.clone();
    listen(
        (host, port).into(),
        |address| tell(&format!("Exposing {} directory on {address}\n", root.display())),
        move |request| site.answer(request),
    )
    .map_err(|error| Failure::Error(format!("cannot listen on {host}:{port}: {error}")))
}

/// A line for the log of the app that this is.
fn tell(line: &str) {
    // A log that cannot be written keeps nobody from being served.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes());
}
