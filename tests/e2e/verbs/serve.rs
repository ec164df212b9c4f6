//! `serve` and `web`: servers that are apps.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use rpm_tests::{Rpm, wait_until};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The answer to a request, head and body.
fn ask(port: u16, request: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let _ = write!(stream, "{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
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
fn the_list_is_offered_over_http() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web -- x");
    let port = free_port();
    rpm.ok(&format!("web {port}")).says(&format!("http://127.0.0.1:{port}")).says("rpm-http-interface");
    wait_until("the server", || !ask(port, "GET / HTTP/1.1").is_empty());
    answers(
        port,
        "GET / HTTP/1.1",
        &["200 OK", "application/json", "\"system_info\":{\"hostname\":", "\"name\":\"web\""],
    );
    answers(port, "GET /other HTTP/1.1", &["404 Not Found", "{\"err\":\"404\"}"]);
    answers(port, "DELETE / HTTP/1.1", &["404 Not Found"]);
}
