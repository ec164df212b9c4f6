//! `serve` and `web`: servers that are apps.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    process::{Command, Stdio},
};

use rpm_tests::{Output, Rpm, Running, wait_until};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The answer to a request, head and body.
fn ask(port: u16, request: &str) -> String {
    ask_host(port, request, "localhost")
}

/// The answer to a request that names `host`.
fn ask_host(port: u16, request: &str, host: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let _ = write!(stream, "{request}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Runs a command with more variables; it must end with 0.
#[track_caller]
fn run(mut command: Command, variables: &[(&str, &str)]) -> Output {
    command.envs(variables.iter().copied());
    let output = Running::start(command).output();
    output.ends_with(0);
    output
}

/// A command of the persona `pm2`.
fn as_pm2(rpm: &Rpm, words: &str) -> Command {
    let program = rpm.path("bin/pm2");
    if !program.exists() {
        fs::create_dir_all(rpm.path("bin")).unwrap();
        symlink(rpm.command("list").get_program(), &program).unwrap();
    }
    let original = rpm.command(words);
    let mut command = Command::new(program);
    command.args(original.get_args()).current_dir(rpm.dir()).env_clear();
    command.envs(original.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env_remove("RPM_HOME").env("PM2_HOME", rpm.home());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn answers(port: u16, request: &str, parts: &[&str]) {
    let answer = ask(port, request);
    for part in parts {
        assert!(answer.contains(part), "expected {part:?} for {request:?} in:\n{answer}");
    }
}

#[test]
fn files_are_served_until_the_app_is_deleted() {
    let rpm = Rpm::new();
    rpm.write("site/index.html", "<h1>home</h1>");
    rpm.write("site/data.json", "{\"a\":1}");
    rpm.write("secret.txt", "nobody sees this");
    let port = free_port();
    let name = format!("static-page-server-{port}");
    rpm.ok(&format!("serve site {port}"))
        .says(&format!("[RPM] Serving {} on port {port}", rpm.path("site").display()))
        .says(&name);
    wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
    answers(
        port,
        "GET / HTTP/1.1",
        &["200 OK", "<h1>home</h1>", "content-type: text/html", "access-control-allow-origin: *"],
    );
    answers(port, "GET /data.json?x=y HTTP/1.1", &["200 OK", "application/json", "{\"a\":1}"]);
    answers(
        port,
        "GET /data.json HTTP/1.1\r\nRange: bytes=1-3",
        &["206 Partial Content", "bytes 1-3/7", "\r\n\r\n\"a\""],
    );
    let head = ask(port, "HEAD /data.json HTTP/1.1");
    assert!(head.contains("content-length: 7") && head.ends_with("\r\n\r\n"), "{head}");
    for out in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"] {
        answers(port, &format!("GET {out} HTTP/1.1"), &["403 Forbidden"]);
    }
    answers(port, "GET /nowhere HTTP/1.1", &["404 Not Found"]);
    answers(port, "POST / HTTP/1.1\r\nContent-Length: 0", &["405 Method Not Allowed", "allow: GET, HEAD"]);
    answers(port, "nonsense", &["400 Bad Request"]);
    answers(port, "GET / HTTP/1.1", &["200 OK"]);
    assert_eq!(rpm.entry(&name).restarts(), 0);
    rpm.ok(&format!("delete {name}"));
    assert_eq!(ask(port, "GET / HTTP/1.1"), "");
}

#[test]
fn a_single_page_app_behind_a_password() {
    let rpm = Rpm::new();
    rpm.write("index.html", "the app");
    let port = free_port();
    rpm.ok(&format!(
        "serve --port {port} --spa --basic-auth-username me --basic-auth-password pw --name mine"
    ));
    wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
    answers(port, "GET / HTTP/1.1", &["401 Unauthorized", "www-authenticate: Basic realm="]);
    answers(port, "GET / HTTP/1.1\r\nAuthorization: Basic bWU6eHg=", &["401 Unauthorized"]);
    answers(port, "GET /users/7 HTTP/1.1\r\nAuthorization: Basic bWU6cHc=", &["200 OK", "the app"]);
    assert_eq!(rpm.entry("mine").status(), "online");
}

#[test]
fn what_cannot_be_served_is_said() {
    let rpm = Rpm::new();
    rpm.fails("serve nowhere").complains("nowhere is no directory");
    rpm.fails("serve . many").complains("many");
    rpm.fails("serve --basic-auth-username me");
    assert!(rpm.daemon().is_none());
}

#[test]
fn the_list_is_offered_over_http_to_those_who_have_the_token() {
    let rpm = Rpm::new();
    run(rpm.command("start forever.sh --name web -- x"), &[("MY_WORD", "hunter1")]);
    let port = free_port();
    rpm.ok(&format!("web {port}")).says(&format!("http://127.0.0.1:{port}")).says("rpm-http-interface");
    wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
    answers(port, "GET / HTTP/1.1", &["401 Unauthorized", "www-authenticate: Bearer"]);
    let file = rpm.home().join("web.token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let with = |request: &str| format!("{request}\r\nAuthorization: Bearer {}", token.trim());
    answers(
        port,
        &with("GET / HTTP/1.1"),
        &["200 OK", "application/json", "\"system_info\":{\"hostname\":", "\"name\":\"web\""],
    );
    let answer = ask(port, &with("GET / HTTP/1.1"));
    for environment in ["hunter1", "MY_WORD", "PATH", "\"env\""] {
        assert!(!answer.contains(environment), "{environment} in:\n{answer}");
    }
    answers(port, &with("GET /other HTTP/1.1"), &["404 Not Found", "{\"err\":\"404\"}"]);
    answers(port, &with("DELETE / HTTP/1.1"), &["404 Not Found"]);
}

#[test]
fn the_list_is_offered_under_own_names_alone() {
    let rpm = Rpm::new();
    let port = free_port();
    rpm.ok(&format!("web {port}"));
    wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
    let of = |host: &str| ask_host(port, "GET / HTTP/1.1", host);
    for own in ["localhost", "127.0.0.1", "[::1]:9615"] {
        assert!(of(own).contains("401 Unauthorized"), "{own}");
    }
    assert!(of("evil.example").contains("421 Misdirected Request"));
    rpm.ok("set rpm:web_hosts status.example,other.example");
    assert!(of("status.example").contains("401 Unauthorized"));
    assert!(of("evil.example").contains("421 Misdirected Request"));
}

#[test]
fn the_list_of_pm2_has_its_shape_and_loses_every_environment_when_asked_to() {
    for strips in [false, true] {
        let rpm = Rpm::new();
        run(as_pm2(&rpm, "start forever.sh --name app -- x"), &[("MY_WORD", "hunter1")]);
        let port = free_port();
        let switch: &[_] = if strips { &[("PM2_WEB_STRIP_ENV_VARS", "true")] } else { &[] };
        run(as_pm2(&rpm, &format!("web {port}")), switch).says("shows the environment of every app");
        wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
        answers(port, "GET / HTTP/1.1", &["200 OK", "\"pm2_env\":{", "\"pm_exec_path\":"]);
        assert_eq!(ask(port, "GET / HTTP/1.1").contains("hunter1"), !strips, "strips: {strips}");
        assert!(ask_host(port, "GET / HTTP/1.1", "evil.example").contains("421 Misdirected Request"));
        run(as_pm2(&rpm, "kill"), &[]);
    }
}

#[test]
fn dot_files_are_served_only_when_asked_for() {
    let rpm = Rpm::new();
    rpm.write("site/.env", "WORD=hunter1");
    rpm.write("site/.well-known/security.txt", "contact");
    let (port, open) = (free_port(), free_port());
    rpm.ok(&format!("serve site {port}"));
    rpm.ok(&format!("serve site {open} --dot-files"));
    for port in [port, open] {
        wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
        answers(port, "GET /.well-known/security.txt HTTP/1.1", &["200 OK", "contact"]);
    }
    answers(port, "GET /.env HTTP/1.1", &["404 Not Found"]);
    answers(open, "GET /.env HTTP/1.1", &["200 OK", "hunter1"]);
    assert!(ask_host(port, "GET /.well-known/security.txt HTTP/1.1", "any.example").contains("200 OK"));
}

#[test]
fn a_static_server_listens_where_its_persona_does_and_honours_its_arguments() {
    for (is_pm2, address) in [(false, "127.0.0.1"), (true, "0.0.0.0")] {
        let rpm = Rpm::new();
        rpm.write("site/page.txt", "a page");
        let (port, named) = (free_port(), free_port());
        rpm.write(
            "ecosystem.json",
            &format!(
                r#"{{ "apps": [
                    {{ "name": "usual", "script": "serve", "args": "site {port}" }},
                    {{ "name": "named", "script": "serve", "args": ["site", "{named}", "localhost"] }}
                ] }}"#
            ),
        );
        let start = "start ecosystem.json";
        run(if is_pm2 { as_pm2(&rpm, start) } else { rpm.command(start) }, &[]);
        for port in [port, named] {
            wait_until("the server", || ask(port, "GET /page.txt HTTP/1.1").contains("a page"));
        }
        let log = |name: &str| fs::read_to_string(rpm.home().join(format!("logs/{name}-out.log"))).unwrap();
        wait_until("the address", || log("usual").contains(&format!("on {address}:{port}")));
        wait_until("the address", || log("named").contains(&format!("on 127.0.0.1:{named}")));
        run(if is_pm2 { as_pm2(&rpm, "kill") } else { rpm.command("kill") }, &[]);
    }
}
