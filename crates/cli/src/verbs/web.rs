//! `web`: PM2's former HTTP API, read only, as an app: `GET /` gives the host and the list.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use rpm_client::Connection;
use rpm_core::{Home, Persona};
use serde_json::{Value, json};

use super::{Invocation, Verb, start};
use crate::{
    apps::Declared,
    context::{self, variable},
    failure::Failure,
    host,
    module_conf::{ModuleConf, parts, shown},
    render,
    web::{
        answer::{Answer, text},
        hosts,
        listen::listen,
        token,
    },
};

pub(super) const VERB: Verb = Verb {
    name: "web",
    aliases: &[],
    about: "Offer the list over HTTP (read only; on this machine only, unless PM2_API_IPADDR says otherwise)",
    takes_options: false,
    run,
};

/// The hidden verb under which this executable is the server.
pub(super) const SERVER: &str = "__web";

#[derive(Args, Debug)]
struct Web {
    /// The port [default: 9615]
    port: Option<u16>,
}

/// PM2's port.
const PORT: u16 = 9615;
const JSON: &str = "application/json; charset=utf-8";

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Web { port }) = invocation.read()?;
    let address = address(port)?;
    let is_pm2 = context.persona() == Persona::Pm2;
    if !is_pm2 {
        // Made before the server runs, so that a caller can read it at once.
        rpm_client::prepare_home(&context.home)?;
        token::load_or_make(&context.home).map_err(|error| no_token(&context.home, &error))?;
    }
    let name = format!("{}-http-interface", context.persona().word());
    // By its path this executable is always rpm, whoever calls: the persona is told.
    let home = context.home.root().to_string_lossy().into_owned();
    let args = vec![SERVER.to_owned(), address.to_string(), context.persona().word().to_owned(), home];
    let mut declared = Declared::new(&mut context, args)?;
    declared.runs_itself(&name);
    let executable = std::env::current_exe().map_err(|error| Failure::Error(error.to_string()))?;
    let app = declared.script(&mut context, &executable.to_string_lossy())?;
    let mut connection = context.connect_or_spawn()?;
    start::script(&mut context, &mut connection, &declared, Box::new(app))?;
    context.out.info(&format!("Web interface on http://{address}"));
    if is_pm2 {
        context.out.warn(
            "It shows the environment of every app to all users of this machine: set PM2_WEB_STRIP_ENV_VARS=true to hide it",
        );
    } else {
        let file = token::path(&context.home);
        context.out.info(&format!(
            "Ask with the header `Authorization: Bearer TOKEN`; the token is in {}",
            file.display()
        ));
    }
    context.show_list(Some(&mut connection))
}

fn no_token(home: &Home, error: &std::io::Error) -> Failure {
    Failure::Error(format!("{}: cannot be read or written: {error}", token::path(home).display()))
}

fn address(port: Option<u16>) -> Result<SocketAddr, Failure> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let wrong = |what: &str, text: &str| Failure::Error(format!("{text:?} is no {what}"));
    let port = match (port, set("PM2_API_PORT").or_else(|| set("PM2_WEB_PORT"))) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().map_err(|_| wrong("port", &text))?,
        (None, None) => PORT,
    };
    // PM2 listened on all addresses; here the variable has to ask for that.
    let host: IpAddr = match set("PM2_API_IPADDR") {
        Some(text) => text.parse().map_err(|_| wrong("address", &text))?,
        None => [127, 0, 0, 1].into(),
    };
    Ok((host, port).into())
}

/// Is the server until a signal ends it.
pub(super) fn be_server(args: &[String]) -> Result<(), Failure> {
    let [_, address, persona, home] = args else {
        return Err(Failure::Error(format!("{SERVER}: expected address, persona and home")));
    };
    let persona = if persona == Persona::Pm2.word() { Persona::Pm2 } else { Persona::Rpm };
    let home = Home::new(home.into(), persona);
    let wrong = |error: std::net::AddrParseError| Failure::Error(format!("{address:?}: {error}"));
    let address: SocketAddr = address.parse().map_err(wrong)?;
    let offer = Offer::of(home)?;
    listen(address, |_| {}, move |request| offer.answer(request))
        .map_err(|error| Failure::Error(format!("cannot listen on {address}: {error}")))
}

/// What the server shows, and to whom.
struct Offer {
    home: Home,
    machine: String,
    shape: Shape,
}

/// The shape of the list.
enum Shape {
    /// Known fields, to callers that have the token.
    Known { token: String },
    /// PM2's, with or without environments.
    Pm2 { strips: bool },
}

impl Offer {
    fn of(home: Home) -> Result<Self, Failure> {
        let shape = match home.persona() {
            Persona::Pm2 => {
                Shape::Pm2 { strips: variable("PM2_WEB_STRIP_ENV_VARS").is_some_and(|value| value == "true") }
            }
            _ => Shape::Known { token: token::load_or_make(&home).map_err(|error| no_token(&home, &error))? },
        };
        Ok(Self { home, machine: host::summary().hostname, shape })
    }

    fn answer(&self, request: &Request<Incoming>) -> Answer {
        if !hosts::is_own(request, &self.machine, || allowed_hosts(&self.home)) {
            return text(StatusCode::MISDIRECTED_REQUEST, JSON, "{\"err\":\"421\"}");
        }
        if let Shape::Known { token } = &self.shape
            && !token::is_given(request.headers(), token)
        {
            let mut answer = text(StatusCode::UNAUTHORIZED, JSON, "{\"err\":\"401\"}");
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return answer;
        }
        if request.method() != Method::GET || request.uri().path() != "/" {
            return text(StatusCode::NOT_FOUND, JSON, "{\"err\":\"404\"}");
        }
        match self.status() {
            Ok(status) => text(StatusCode::OK, JSON, status.to_string()),
            Err(message) => {
                text(StatusCode::SERVICE_UNAVAILABLE, JSON, json!({ "err": message }).to_string())
            }
        }
    }

    fn status(&self) -> Result<Value, String> {
        let mut connection = Connection::connect(&self.home)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "no daemon is running".to_owned())?;
        let list = self.processes(&mut connection)?;
        let host::Summary { hostname, uptime, load, total, free, cpus } = host::summary();
        Ok(json!({
            "system_info": { "hostname": hostname, "uptime": uptime },
            "monit": { "loadavg": load, "total_mem": total, "free_mem": free, "cpu": cpus, "interfaces": {} },
            "processes": list,
        }))
    }

    fn processes(&self, connection: &mut Connection) -> Result<Value, String> {
        let silent = |_| "the daemon does not answer".to_owned();
        let unwritten = |error: serde_json::Error| error.to_string();
        let strips = match self.shape {
            Shape::Known { .. } => {
                let rows = context::rows(connection).map_err(silent)?;
                return Ok(rows.iter().map(render::document::row).collect());
            }
            Shape::Pm2 { strips } => strips,
        };
        let processes = context::processes(connection, None).map_err(silent)?;
        if strips {
            return render::jlist::without_environments(&processes).map_err(unwritten);
        }
        let list = render::jlist::jlist(&processes).map_err(unwritten)?;
        serde_json::from_slice(&list).map_err(unwritten)
    }
}

/// What `rpm:web_hosts` lists. Settings that cannot be read allow nothing more.
fn allowed_hosts(home: &Home) -> Vec<String> {
    let conf = ModuleConf::load(home).ok();
    let value = conf.as_ref().and_then(|conf| conf.get(&parts("rpm:web_hosts")));
    value.map(|value| hosts::listed(&shown(value))).unwrap_or_default()
}
