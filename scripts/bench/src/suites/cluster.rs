//! Node's cluster mode: a minimal web server under load, and reloads while it is asked all the time.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::{Plan, progress};
use crate::{
    failure::{Failure, Outcome, at, doing},
    interrupt::{pause, wait_for},
    manager::{Manager, PM2, Product, RPM},
    report::{Measure, Sheet, Target},
    subject::{Kind, Subject},
    system::{find_program, resident_memory},
    workload::Workload,
};

/// Numbers of workers.
const SIZES: [usize; 2] = [2, 4];

/// Connections of the load.
const CONNECTIONS: &str = "-c32";

/// How long it may take until a server answers.
const LIMIT: Duration = Duration::from_secs(30);

/// Requests, each on a connection of its own, whose spread is looked at.
const SPREAD_REQUESTS: usize = 4_000;

const SERVER: &str = "require('http')
  .createServer((request, response) => response.end(process.env.NODE_APP_INSTANCE))
  .listen(Number(process.env.PORT), '127.0.0.1');
";

const KEPT: Measure = Measure::count("requests a second, connections kept alive", Target::TimesPm2(1.1));
const P99: Measure = Measure::seconds("99 % of these take at most", Target::ShareOfPm2(1.0));
const EACH: Measure = Measure::count("requests a second, a connection each", Target::TimesPm2(1.8));
const SHARED: Measure = Measure::count("the same, socket shared", Target::TimesPm2(2.3));
const SPREAD: Measure = Measure::count("farthest worker from an even share, %", Target::AtMost(5.0));
const FAILED: Measure = Measure::count("failed requests during all reloads", Target::AtMost(0.0));
const MEMORY: Measure = Measure::bytes("resident memory of the daemon", Target::ShareOfPm2(1.0));

pub(crate) fn run(plan: &Plan) -> Outcome<Vec<Sheet>> {
    if find_program("wrk").is_none() {
        return Err(Failure::Unexpected("`wrk` is not in PATH: install Debian's package wrk".to_owned()));
    }
    let mut sheets = Vec::new();
    for workers in SIZES {
        let mut sheet = Sheet::new(workers, [KEPT, P99, EACH, SHARED, SPREAD, FAILED, MEMORY]);
        for round in 0..plan.rounds {
            progress(&format!("{workers} workers, round {} of {}", round + 1, plan.rounds));
            let mut sites = vec![Site::new(plan, &RPM, workers, "round_robin")?];
            sites.extend(plan.pm2.as_ref().map(|_| Site::new(plan, &PM2, workers, "")).transpose()?);
            for site in sites {
                site.measure(plan, &mut sheet, round == 0)?;
            }
            let mut shared = Site::new(plan, &RPM, workers, "shared")?;
            sheet.add(SHARED, Kind::Rpm, shared.load(plan, &["-H", "Connection: close"])?.per_second);
            shared.manager.end()?;
        }
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// One server, as one process manager runs it.
struct Site {
    manager: Manager,
    kind: Kind,
    port: u16,
    workers: usize,
}

impl Site {
    fn new(plan: &Plan, product: &'static Product, workers: usize, balance: &str) -> Outcome<Self> {
        let program = match (product.kind, &plan.pm2) {
            (Kind::Pm2, Some(pm2)) => &pm2.program,
            _ => &plan.rpm,
        };
        let mut manager = Manager::new(product, program, &Workload::new(0)?, plan.directory.path())?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.map_err(doing("finding a port"))?.port();
        let script = manager.directory().join("server.js");
        fs::write(&script, SERVER).map_err(at(&script))?;
        let mut app = json!({
            "name": "web", "script": script, "exec_mode": "cluster", "instances": workers,
            "env": { "PORT": port.to_string() },
        });
        if !balance.is_empty() {
            app["cluster_balance"] = balance.into();
        }
        let file = manager.directory().join("web.json");
        fs::write(&file, json!({ "apps": [app] }).to_string()).map_err(at(&file))?;
        manager.boot()?;
        manager.verb(&["start", &file.to_string_lossy()])?;
        let site = Self { manager, kind: product.kind, port, workers };
        wait_for("the server answers", LIMIT, || site.ask().ok())?;
        Ok(site)
    }

    fn measure(mut self, plan: &Plan, sheet: &mut Sheet, with_reloads: bool) -> Outcome<()> {
        let kept = self.load(plan, &[])?;
        sheet.add(KEPT, self.kind, kept.per_second);
        sheet.add(P99, self.kind, kept.p99);
        let each = self.load(plan, &["-H", "Connection: close"])?.per_second;
        sheet.add(EACH, self.kind, each);
        if self.kind == Kind::Pm2 {
            // It has one way only.
            sheet.add(SHARED, self.kind, each);
        }
        sheet.add(SPREAD, self.kind, self.spread()?);
        if let Some(daemon) = self.manager.daemon()? {
            sheet.add(MEMORY, self.kind, resident_memory(daemon)? as f64);
        }
        if with_reloads {
            sheet.add(FAILED, self.kind, self.reloads(plan)?);
        }
        self.manager.end()
    }

    fn wrk(&self, seconds: u64, args: &[&str]) -> Outcome<Child> {
        Command::new("wrk")
            .args(["-t1", CONNECTIONS, "--latency", &format!("-d{seconds}s")])
            .args(args)
            .arg(format!("http://127.0.0.1:{}/", self.port))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(doing("wrk"))
    }

    fn load(&self, plan: &Plan, args: &[&str]) -> Outcome<Load> {
        Load::of(self.wrk((plan.idle.as_secs() / 12).max(1), args)?)
    }

    /// Reloads while it is asked all the time: a hundred times in a full run. How many requests failed.
    fn reloads(&self, plan: &Plan) -> Outcome<f64> {
        let reloads = (plan.idle.as_secs() * 5 / 3).max(1);
        let wrk = self.wrk(3600, &[])?;
        pause(Duration::from_millis(500))?;
        let outcome = (0..reloads).try_for_each(|_| self.manager.verb(&["reload", "web"]));
        kill(Pid::from_raw(wrk.id() as i32), Signal::SIGINT).map_err(doing("ending wrk"))?;
        let load = Load::of(wrk)?;
        outcome.map(|()| load.failed)
    }

    /// How far the worker with the most or the fewest of many connections is from an even share, in percent.
    fn spread(&self) -> Outcome<f64> {
        let ask = || -> Outcome<Vec<usize>> {
            let mut counts = vec![0; self.workers];
            for _ in 0..SPREAD_REQUESTS / 8 {
                let worker = self.ask()?;
                if let Some(count) = counts.get_mut(worker) {
                    *count += 1;
                }
            }
            Ok(counts)
        };
        let counts: Vec<Vec<usize>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let joined = clients.into_iter().map(|client| {
                client.join().unwrap_or_else(|_| Err(Failure::Unexpected("a client has failed".to_owned())))
            });
            joined.collect::<Outcome<_>>()
        })?;
        let even = SPREAD_REQUESTS as f64 / self.workers as f64;
        let of = |worker: usize| counts.iter().map(|counts| counts[worker]).sum::<usize>() as f64;
        Ok((0..self.workers).map(|worker| (of(worker) / even - 1.0).abs() * 100.0).fold(0.0, f64::max))
    }

    /// The number of the worker that answers on a new connection.
    fn ask(&self) -> Outcome<usize> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(doing("asking the server"))?;
        let worker = answer.split("\r\n\r\n").nth(1).and_then(|body| body.trim().parse().ok());
        worker.ok_or_else(|| Failure::Unexpected(format!("the server answered {answer:?}")))
    }
}

/// What `wrk` found.
#[derive(Debug, Default, PartialEq)]
struct Load {
    per_second: f64,
    /// Seconds.
    p99: f64,
    failed: f64,
}

impl Load {
    fn of(wrk: Child) -> Outcome<Self> {
        let output = wrk.wait_with_output().map_err(doing("wrk"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Self::parse(&text).ok_or_else(|| Failure::Unexpected(format!("wrk said {text:?}")))
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |start: &str| text.lines().find_map(|line| Some(line.trim().strip_prefix(start)?.trim()));
        // `Socket errors: connect 0, read 5, write 0, timeout 0`
        let errors = value("Socket errors:").unwrap_or_default();
        let errors = errors.split(&[' ', ','][..]).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
        let refused = value("Non-2xx or 3xx responses:").and_then(|count| count.parse::<f64>().ok());
        Some(Self {
            per_second: value("Requests/sec:")?.parse().ok()?,
            p99: seconds(value("99%")?)?,
            failed: errors + refused.unwrap_or(0.0),
        })
    }
}

/// `1.75ms` in seconds.
fn seconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood() {
        let text = "Running 1s test @ http://127.0.0.1:3999/
  Latency Distribution
     50%  700.00us
     99%    2.50ms
  361148 requests in 20.04s, 46.12MB read
  Socket errors: connect 1, read 5, write 0, timeout 2
  Non-2xx or 3xx responses: 3
Requests/sec:  18020.55
Transfer/sec:      2.30MB
";
        assert_eq!(Load::parse(text), Some(Load { per_second: 18020.55, p99: 0.0025, failed: 11.0 }));
        assert_eq!(Load::parse("unable to connect"), None);
        assert_eq!((seconds("1.50s"), seconds("20.00us")), (Some(1.5), Some(20.00 * 1e-6)));
    }
}
