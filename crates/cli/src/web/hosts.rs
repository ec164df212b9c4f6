//! The names by which a server may be asked. A page that makes its own name resolve to this machine (DNS rebinding) still
//! sends that name as `Host`, so a server that is not public answers only to names that are its own.

use std::net::IpAddr;

use hyper::{
    Request,
    header::{self, HeaderValue},
    http::uri::Authority,
};

/// Whether a request names this machine: a loopback name, an IP address, `machine` (with or without its domain) or one of
/// `allowed`.
pub(crate) fn is_own<B>(request: &Request<B>, machine: &str, allowed: impl FnOnce() -> Vec<String>) -> bool {
    let mut given = request.headers().get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    // A target with a host of its own counts instead of the header; both must be good then.
    let from_target = request.uri().authority().map(Authority::as_str);
    let from_header = first.map(HeaderValue::to_str).transpose();
    let (Ok(from_header), None) = (from_header, second) else { return false };
    let hosts: Vec<_> = [from_target, from_header].into_iter().flatten().map(name).collect();
    if hosts.is_empty() || hosts.contains(&None) {
        return false;
    }
    let unknown: Vec<_> = hosts.into_iter().flatten().filter(|host| !is_known(host, machine)).collect();
    if unknown.is_empty() {
        return true;
    }
    let allowed = allowed();
    unknown.iter().all(|host| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)))
}

/// The host without its port; `None` if it is malformed.
fn name(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

fn is_known(host: &str, machine: &str) -> bool {
    let machine = machine.to_ascii_lowercase();
    let short = machine.split('.').next().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal.parse::<IpAddr>().is_ok()
        || (!short.is_empty() && (host == machine || host == short))
}

/// The names that the setting `rpm:web_hosts` lists, separated by commas or spaces.
pub(crate) fn listed(setting: &str) -> Vec<String> {
    let names = setting.split(|c: char| c == ',' || c.is_whitespace()).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(host: &str) -> bool {
        let request = Request::get("/").header("host", host).body(()).unwrap();
        is_own(&request, "Box.example.org", || listed("status.example.com, other"))
    }

    #[test]
    fn only_own_names_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:9615",
            "app.localhost",
            "127.0.0.1:9615",
            "[::1]:9615",
            "192.168.1.7",
            "box",
            "box.example.org:80",
            "localhost.",
            "status.example.com:9615",
            "OTHER",
        ] {
            assert!(admits(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "example.org",
            "",
            "a b",
            "localhost@evil.example",
            "evil.example:80@localhost",
        ] {
            assert!(!admits(host), "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host_and_its_target_counts() {
        let none = Request::get("/").body(()).unwrap();
        assert!(!is_own(&none, "box", Vec::new));
        let two = Request::get("/").header("host", "localhost").header("host", "evil").body(()).unwrap();
        assert!(!is_own(&two, "box", Vec::new));
        let target = Request::get("http://evil.example/").header("host", "localhost").body(()).unwrap();
        assert!(!is_own(&target, "box", Vec::new));
    }
}
