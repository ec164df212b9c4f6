//! HTTP with limits: an answer that is late, large or no answer is an error that says so.

use std::{io::Read, time::Duration};

use ureq::{
    Agent, Body,
    config::{AutoHeaderValue, RedirectAuthHeaders},
    http::{HeaderMap, Request, Response},
};

/// Longer answers are cut: nothing that is asked for here is as long.
const LONGEST: u64 = 4 << 20;

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It could not be reached, or what it said is not HTTP.
    #[error("{0}")]
    Failed(String),
    /// The address cannot be asked at all.
    #[error("{0}")]
    Wrong(String),
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// How often a redirection is followed. With it `Authorization` goes to the same host only.
    pub redirects: u32,
}

/// A client that keeps its connections.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    limit: Duration,
}

impl Http {
    /// Every exchange takes at most `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            .max_redirects_will_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .max_idle_connections(8)
            .max_idle_age(Duration::from_secs(20))
            .user_agent(AutoHeaderValue::from(concat!("rpm-redundancy/", env!("CARGO_PKG_VERSION"))))
            .build();
        Self { agent: config.into(), limit }
    }

    /// How long an exchange may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn ask(&self, ask: Ask<'_>) -> Result<Answer, HttpError> {
        let mut request = Request::builder().method(ask.method).uri(ask.url);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(ask.body).map_err(|error| HttpError::Wrong(format!("{}: {error}", ask.url)))?;
        let request = self.agent.configure_request(request).max_redirects(ask.redirects).build();
        self.agent.run(request).and_then(read).map_err(|error| match error {
            ureq::Error::Timeout(_) => HttpError::TimedOut(self.limit),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                HttpError::Wrong(format!("{}: {error}", ask.url))
            }
            error => HttpError::Failed(error.to_string()),
        })
    }
}

fn read(response: Response<Body>) -> Result<Answer, ureq::Error> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    body.as_reader().take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
}
