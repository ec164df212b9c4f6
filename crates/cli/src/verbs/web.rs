//! `web`: PM2's former HTTP API, read only, as an app: `GET /` gives the host and the list.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use hyper::{Method, Request, StatusCode, body::Incoming};
use rpm_client::Connection;
use rpm_core::{Home, Persona};
use serde_json::{Value, json};

use super::{Invocation, Verb, start};
use crate::{
    apps::Declared,
    context::{self, variable},
    failure::Failure,
    host, render,
    web::{
        answer::{Answer, text},
        listen::listen,
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
    context.show_list(Some(&mut connection))
}

fn address(port: Option<u16>) -> Result<SocketAddr, Failure> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let wrong = |what: &str, text: &str| Failure::Error(format!("{text:?} is no {what}"));
    let port = match (port, set("PM2_API_PORT").or_else(|| set("PM2_WEB_PORT"))) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().map_err(|_| wrong("port", &text))?,
        (None, None) => PORT,
    };
    // PM2 listened on all addresses. Who wants that says so.
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
    let strips = variable("PM2_WEB_STRIP_ENV_VARS").is_some_and(|value| value == "true");
    listen(address, |_| {}, move |request| answer(request, &home, strips))
        .map_err(|error| Failure::Error(format!("cannot listen on {address}: {error}")))
}

fn answer(request: &Request<Incoming>, home: &Home, strips: bool) -> Answer {
    if request.method() != Method::GET || request.uri().path() != "/" {
        return text(StatusCode::NOT_FOUND, JSON, "{\"err\":\"404\"}");
    }
    match status(home, strips) {
        Ok(status) => text(StatusCode::OK, JSON, status.to_string()),
        Err(message) => text(StatusCode::SERVICE_UNAVAILABLE, JSON, json!({ "err": message }).to_string()),
    }
}

fn status(home: &Home, strips: bool) -> Result<Value, String> {
    let mut connection = Connection::connect(home)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| "no daemon is running".to_owned())?;
    let processes =
        context::processes(&mut connection, None).map_err(|_| "the daemon does not answer".to_owned())?;
    let list = render::jlist::jlist(&processes).map_err(|error| error.to_string())?;
    let mut list: Value = serde_json::from_slice(&list).map_err(|error| error.to_string())?;
    if strips {
        for process in list.as_array_mut().into_iter().flatten() {
            if let Some(Value::Object(attributes)) = process.get_mut("pm2_env") {
                attributes.remove("env");
            }
        }
    }
    let host::Summary { hostname, uptime, load, total, free, cpus } = host::summary();
    Ok(json!({
        "system_info": { "hostname": hostname, "uptime": uptime },
        "monit": { "loadavg": load, "total_mem": total, "free_mem": free, "cpu": cpus, "interfaces": {} },
        "processes": list,
    }))
}
