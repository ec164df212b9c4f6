//! GitHub's REST API, as far as it is needed: <https://docs.github.com/rest/actions>.
//!
//! What was answered is kept with its `ETag`, since an answer that has not changed does not count against the rate
//! limit. When the limit is reached nothing is asked until the time that GitHub names.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};

use super::{Fault, Remote, Run};
use crate::{
    http::{Answer, Ask, Http, HttpError},
    moment::Moment,
};

/// A repository on a GitHub.
pub(crate) struct Api {
    http: Http,
    base: String,
    repository: String,
    /// Without one, what is public is asked for.
    token: Option<String>,
    /// Answers by path.
    known: HashMap<String, (String, Vec<u8>)>,
    /// Nothing is asked before, and why.
    rests: Option<(Moment, Fault)>,
}

/// A workflow, as GitHub lists it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed {
    path: String,
    state: String,
    created_at: Option<String>,
}

impl Listed {
    /// The name of its file.
    pub(crate) fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

#[derive(Deserialize)]
struct List {
    workflows: Vec<Listed>,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    run_number: u64,
    event: String,
    conclusion: Option<String>,
    created_at: String,
}

/// A wait that GitHub asks for without saying how long: <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const REST: u64 = 60;

impl Api {
    pub(crate) fn new(base: &str, repository: &str, token: Option<&str>, limit: Duration) -> Self {
        Self {
            http: Http::new(limit),
            base: base.trim_end_matches('/').to_owned(),
            repository: repository.to_owned(),
            token: token.map(str::to_owned),
            known: HashMap::new(),
            rests: None,
        }
    }

    /// The repository's workflows.
    pub(crate) fn workflows(&mut self) -> Result<Vec<Listed>, Fault> {
        Ok(self.get::<List>("actions/workflows?per_page=100")?.workflows)
    }

    /// What became of one of them; whether it `has_schedule` decides what is asked.
    pub(crate) fn remote(&mut self, listed: &Listed, has_schedule: bool) -> Result<Remote, Fault> {
        let runs = format!("actions/workflows/{}/runs?exclude_pull_requests=true", escaped(listed.file()));
        let latest: Runs = self.get(&format!("{runs}&per_page=5"))?;
        let is_scheduled = |entry: &&Entry| entry.event == "schedule";
        let mut scheduled =
            latest.workflow_runs.iter().find(is_scheduled).map(|entry| entry.created_at.clone());
        if has_schedule && scheduled.is_none() {
            // Other runs may have come between.
            let runs: Runs = self.get(&format!("{runs}&event=schedule&per_page=1"))?;
            scheduled = runs.workflow_runs.first().map(|entry| entry.created_at.clone());
        }
        let ended = latest.workflow_runs.iter().find_map(|entry| {
            let conclusion = entry.conclusion.clone()?;
            Some(Run { number: entry.run_number, conclusion })
        });
        Ok(Remote {
            state: listed.state.clone(),
            created_at: listed.created_at.as_deref().and_then(Moment::parse),
            ended,
            scheduled: scheduled.as_deref().and_then(Moment::parse),
        })
    }

    /// Switches a workflow on.
    pub(crate) fn enable(&mut self, file: &str) -> Result<(), Fault> {
        self.send("PUT", &format!("actions/workflows/{}/enable", escaped(file)), &serde_json::Value::Null)
    }

    /// Starts a workflow that listens for `workflow_dispatch`.
    pub(crate) fn dispatch(&mut self, file: &str, branch: &str) -> Result<(), Fault> {
        let path = format!("actions/workflows/{}/dispatches", escaped(file));
        self.send("POST", &path, &serde_json::json!({ "ref": branch }))
    }

    /// Starts the workflows that listen for a `repository_dispatch` of this type.
    pub(crate) fn dispatch_event(&mut self, event_type: &str) -> Result<(), Fault> {
        self.send("POST", "dispatches", &serde_json::json!({ "event_type": event_type }))
    }

    fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Fault> {
        let etag = self.known.get(path).map(|(etag, _)| etag.clone());
        let answer = self.ask("GET", path, etag.as_deref(), &[])?;
        let body = match (answer.status, self.known.get(path)) {
            (304, Some((_, body))) => body,
            _ => {
                if let Some(etag) = answer.header("etag").map(str::to_owned) {
                    self.known.insert(path.to_owned(), (etag, answer.body.clone()));
                }
                &answer.body
            }
        };
        serde_json::from_slice(body).map_err(|error| {
            self.known.remove(path);
            Fault::Odd(format!("the answer is not what GitHub sends ({error}): {}", shown(&answer.body)))
        })
    }

    fn send(&mut self, method: &str, path: &str, body: &serde_json::Value) -> Result<(), Fault> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.ask(method, path, None, &body).map(drop)
    }

    fn ask(&mut self, method: &str, path: &str, etag: Option<&str>, body: &[u8]) -> Result<Answer, Fault> {
        let now = Moment::now();
        if let Some((_, fault)) = self.rests.as_ref().filter(|(until, _)| now < *until) {
            return Err(fault.clone());
        }
        let url = format!("{}/repos/{}/{path}", self.base, self.repository);
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers =
            vec![("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28")];
        headers.extend(bearer.as_ref().map(|bearer| ("Authorization", bearer.as_str())));
        if let Some(etag) = etag {
            headers.push(("If-None-Match", etag));
        }
        // A repository that was renamed is redirected to. What changes something is not sent elsewhere.
        let redirects = if method == "GET" { 3 } else { 0 };
        let ask = Ask { method, url: &url, headers: &headers, body, redirects };
        // A kept connection may be closed from the other side at any moment: what must not be lost gets one of its own.
        let answer = if method == "GET" { self.http.ask(ask) } else { Http::new(self.http.limit()).ask(ask) };
        let answer = answer.map_err(|error| match error {
            HttpError::TimedOut(_) | HttpError::Failed(_) => Fault::Unreachable(error.to_string()),
            HttpError::Wrong(_) => Fault::Odd(error.to_string()),
        })?;
        let until = rest(&answer, now);
        let fault = self.fault(&answer, until);
        self.rests = until.map(|until| (until, fault.clone().unwrap_or_else(|| limited(None, until))));
        fault.map_or(Ok(answer), Err)
    }

    /// What is wrong with an answer, if it is none.
    fn fault(&self, answer: &Answer, rests_until: Option<Moment>) -> Option<Fault> {
        let (status, said) = (answer.status, shown(&answer.body));
        let hint =
            if self.token.is_some() { "" } else { ", and no token is set: GITHUB_TOKEN or `gh auth login`" };
        Some(match (status, rests_until) {
            (200..=299 | 304, _) => return None,
            (403 | 429, Some(until)) => limited(Some(status), until),
            (401, _) => Fault::Refused(format!("401: the token is not accepted: {said}")),
            (403, _) => Fault::Refused(format!("403: the token may not do that{hint}: {said}")),
            (404, _) if self.token.is_none() => {
                Fault::Refused(format!("404: no {} is public{hint}: {said}", self.repository))
            }
            (404, _) => {
                let repository = &self.repository;
                Fault::Refused(format!("404: no {repository} there, or the token may not see it: {said}"))
            }
            (300..=399, _) => Fault::Odd(format!("{status}: redirected, and not followed")),
            (500.., _) => Fault::Unreachable(format!("{status}: GitHub has a problem: {said}")),
            _ => Fault::Odd(format!("{status}: {said}")),
        })
    }
}

fn limited(status: Option<u16>, until: Moment) -> Fault {
    let status = status.map(|status| format!("{status}: ")).unwrap_or_default();
    Fault::Limited(format!("{status}the rate limit is reached: not asked before {until}"))
}

/// How long GitHub is not to be asked, by its answer.
fn rest(answer: &Answer, now: Moment) -> Option<Moment> {
    let number = |name: &str| answer.header(name)?.trim().parse::<i64>().ok();
    let is_refused = matches!(answer.status, 403 | 429);
    if let Some(seconds) = number("retry-after").filter(|_| is_refused || answer.status == 503) {
        return Some(Moment(now.0 + seconds.clamp(0, 86_400) * 1000));
    }
    let is_used_up = number("x-ratelimit-remaining") == Some(0);
    match number("x-ratelimit-reset") {
        Some(seconds) if is_used_up => {
            Some(Moment(seconds.saturating_mul(1000)).min(now.after(rpm_core::Millis(86_400_000))))
        }
        _ if is_refused && (is_used_up || String::from_utf8_lossy(&answer.body).contains("rate limit")) => {
            Some(Moment(now.0 + REST as i64 * 1000))
        }
        _ => None,
    }
}

/// The message of an answer; else its beginning.
fn shown(body: &[u8]) -> String {
    const LONGEST: usize = 120;
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = parsed.as_ref().and_then(|body| body.get("message")?.as_str()).map(str::to_owned);
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let text: Vec<_> = text.split_whitespace().collect();
    if text.is_empty() {
        "an empty answer".to_owned()
    } else {
        text.join(" ").chars().take(LONGEST).collect()
    }
}

/// A name as part of a path of a URL.
fn escaped(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Reply, StandIn};

    const LIST: &str = r#"{"workflows":[{"path":".github/workflows/ci.yml","state":"active",
        "created_at":"2026-01-01T00:00:00Z","name":"CI"}]}"#;

    fn api(server: &StandIn) -> Api {
        Api::new(&server.url(), "me/it", Some("s3cret"), Duration::from_millis(500))
    }

    /// What the API makes of one answer.
    fn refusal(reply: Reply) -> String {
        fault(reply).to_string()
    }

    fn fault(reply: Reply) -> Fault {
        let server = StandIn::new(vec![reply]);
        api(&server).workflows().unwrap_err()
    }

    #[test]
    fn no_answer_is_told_from_a_refusal() {
        for reply in [Reply::Silent, Reply::HangUp, Reply::new(500, ""), Reply::new(502, "<html>")] {
            let fault = fault(reply);
            assert!(matches!(fault, Fault::Unreachable(_)), "{fault:?}");
        }
        let resting = Reply::new(503, "").with("Retry-After", "100");
        assert!(matches!(fault(resting), Fault::Unreachable(_)));
        for status in [401, 403, 404] {
            let fault = fault(Reply::new(status, ""));
            assert!(matches!(fault, Fault::Refused(_)), "{fault:?}");
        }
        assert!(matches!(fault(Reply::new(429, "{\"message\":\"rate limit\"}")), Fault::Limited(_)));
        assert!(matches!(fault(Reply::new(200, "<html>")), Fault::Odd(_)));
    }

    #[test]
    fn without_a_token_what_is_public_is_asked_for() {
        let server =
            StandIn::new(vec![Reply::new(200, LIST), Reply::new(404, "{\"message\":\"Not Found\"}")]);
        let mut api = Api::new(&server.url(), "me/it", None, Duration::from_millis(500));
        assert_eq!(api.workflows().unwrap().len(), 1);
        let refused = api.workflows().unwrap_err().to_string();
        assert!(
            refused.starts_with("404: no me/it is public, and no token is set: GITHUB_TOKEN or"),
            "{refused}"
        );
        assert!(!server.asked()[0].to_lowercase().contains("authorization"));
    }

    #[test]
    fn an_answer_that_has_not_changed_is_kept() {
        let list = Reply::new(200, LIST).with("ETag", "\"one\"");
        let server = StandIn::new(vec![list, Reply::new(304, "")]);
        let mut api = api(&server);
        assert_eq!(api.workflows().unwrap()[0].file(), "ci.yml");
        assert_eq!(api.workflows().unwrap()[0].state, "active");
        let asked = server.asked();
        assert!(asked[0].starts_with("GET /repos/me/it/actions/workflows?per_page=100 "), "{}", asked[0]);
        let lower = |index: usize| asked[index].to_lowercase();
        assert!(lower(0).contains("authorization: bearer s3cret"));
        assert!(!lower(0).contains("if-none-match") && lower(1).contains("if-none-match: \"one\""));
    }

    #[test]
    fn the_last_run_that_has_ended_counts() {
        let runs = r#"{"workflow_runs":[
            {"run_number":9,"event":"push","conclusion":null,"created_at":"2026-11-22T12:00:00Z"},
            {"run_number":8,"event":"push","conclusion":"failure","created_at":"2026-11-22T11:00:00Z"}]}"#;
        let scheduled = r#"{"workflow_runs":[
            {"run_number":3,"event":"schedule","conclusion":"success","created_at":"2026-11-21T11:00:00Z"}]}"#;
        let replies = [LIST, runs, scheduled].map(|body| Reply::new(200, body));
        let server = StandIn::new(replies.into());
        let mut api = api(&server);
        let listed = api.workflows().unwrap().remove(0);
        let remote = api.remote(&listed, true).unwrap();
        assert_eq!(remote.ended, Some(Run { number: 8, conclusion: "failure".to_owned() }));
        assert_eq!(remote.scheduled, Moment::parse("2026-11-21T11:00:00Z"));
        assert!(
            server.asked()[2]
                .contains("/actions/workflows/ci.yml/runs?exclude_pull_requests=true&event=schedule")
        );
    }

    #[test]
    fn refusals_are_told_plainly() {
        let bad = |status, body: &str| refusal(Reply::new(status, body));
        assert_eq!(
            bad(401, r#"{"message":"Bad credentials"}"#),
            "401: the token is not accepted: Bad credentials"
        );
        assert!(
            bad(403, r#"{"message":"Resource not accessible"}"#)
                .starts_with("403: the token may not do that")
        );
        assert!(bad(404, "").starts_with("404: no me/it there"));
        assert_eq!(bad(500, "oops\n oops"), "500: GitHub has a problem: oops oops");
        let html = bad(200, "<!DOCTYPE html><html>");
        assert!(html.contains("not what GitHub sends") && html.contains("<!DOCTYPE html>"), "{html}");
        assert!(bad(200, "").contains("an empty answer"));
        assert!(bad(200, r#"{"workflows":7}"#).contains("not what GitHub sends"));
    }

    #[test]
    fn an_api_that_says_nothing_or_is_slow_is_not_waited_for() {
        assert_eq!(refusal(Reply::Silent), "no answer within 500ms");
        assert_eq!(refusal(Reply::Slow), "no answer within 500ms");
        assert!(!refusal(Reply::HangUp).is_empty());
        let mut nobody = Api::new("http://127.0.0.1:1", "me/it", Some("x"), Duration::from_millis(500));
        assert!(nobody.workflows().unwrap_err().to_string().contains("refused"));
    }

    #[test]
    fn rate_limits_are_obeyed() {
        let soon = (Moment::now().0 / 1000 + 100).to_string();
        for reply in [
            Reply::new(403, "{}").with("Retry-After", "100"),
            Reply::new(403, "{}").with("X-RateLimit-Remaining", "0").with("X-RateLimit-Reset", &soon),
            Reply::new(429, "{\"message\":\"You have exceeded a secondary rate limit\"}"),
        ] {
            let server = StandIn::new(vec![reply]);
            let mut api = api(&server);
            let first = api.workflows().unwrap_err().to_string();
            assert!(first.contains("the rate limit is reached: not asked before 2"), "{first}");
            assert!(api.workflows().unwrap_err().to_string().contains("the rate limit is reached"));
            assert_eq!(server.asked().len(), 1, "it was not asked again");
        }
    }

    #[test]
    fn what_changes_something_is_sent_once_and_not_redirected() {
        let server = StandIn::new(vec![
            Reply::new(204, ""),
            Reply::new(204, ""),
            Reply::new(307, "").with("Location", "http://127.0.0.1:1/"),
        ]);
        let mut api = api(&server);
        api.enable("a b.yml").unwrap();
        api.dispatch("ci.yml", "main").unwrap();
        assert_eq!(api.dispatch_event("sync").unwrap_err().to_string(), "307: redirected, and not followed");
        let asked = server.asked();
        assert!(asked[0].starts_with("PUT /repos/me/it/actions/workflows/a%20b.yml/enable "));
        assert!(asked[1].ends_with("\r\n\r\n{\"ref\":\"main\"}"), "{}", asked[1]);
        assert!(asked[2].starts_with("POST /repos/me/it/dispatches "));
    }
}
