//! Static servers: the entries of PM2's top-level `static`, and apps whose script is `serve`.
//!
//! The server is a hidden verb of this executable, which is configured by the environment, with PM2's variables.

use crate::{
    Problem,
    node::{Entry, Node, Value},
    values::{self, Read, expected},
};

/// The script that stands for the server.
pub(crate) const SCRIPT: &str = "serve";

/// The hidden verb under which this executable is a static server, configured by `PM2_SERVE_PORT`, `_HOST`,
/// `_PATH`, `_SPA`, `_FTP`, `_HOMEPAGE`, `_BASIC_AUTH`, `_BASIC_AUTH_USERNAME`, `_BASIC_AUTH_PASSWORD` and `_MONITOR`.
pub use rpm_core::protocol::SERVE_VERB as VERB;

/// PM2's port where none is declared.
const PORT: u16 = 8080;

/// How a key of an entry is checked, and the variable that carries it.
type Key = (&'static str, fn(&Node) -> Read<()>, &'static str);

const KEYS: &[Key] = &[
    ("port", |node| values::port(node).map(drop), "PM2_SERVE_PORT"),
    ("host", text, "PM2_SERVE_HOST"),
    ("path", text, "PM2_SERVE_PATH"),
    ("spa", switch, "PM2_SERVE_SPA"),
    ("ftp", switch, "PM2_SERVE_FTP"),
    ("dot_files", switch, "PM2_SERVE_DOT_FILES"),
    ("directory", text, "PM2_SERVE_DIRECTORY"),
    ("monitor", any, "PM2_SERVE_MONITOR"),
];

const BASIC_AUTH: &[Key] = &[
    ("username", text, "PM2_SERVE_BASIC_AUTH_USERNAME"),
    ("password", text, "PM2_SERVE_BASIC_AUTH_PASSWORD"),
];

fn text(node: &Node) -> Read<()> {
    values::filled(node).map(drop)
}

fn switch(node: &Node) -> Read<()> {
    values::boolean(node).map(drop)
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a check")]
fn any(_: &Node) -> Read<()> {
    Ok(())
}

/// The apps that an entry of `static`, or a list of them, stands for.
pub(crate) fn apps(node: &Node, problems: &mut Vec<Problem>) -> Vec<Node> {
    let entries = match &node.value {
        Value::Array(entries) => entries.as_slice(),
        _ => std::slice::from_ref(node),
    };
    entries.iter().filter_map(|entry| app(entry, problems)).collect()
}

fn app(node: &Node, problems: &mut Vec<Problem>) -> Option<Node> {
    let Value::Table(entries) = &node.value else {
        let message =
            format!("static: expected a table such as {{ path = \"dist\" }}, found {}", node.describe());
        problems.push(Problem::error(message).at(node.span.clone()));
        return None;
    };
    let mut name = None;
    let mut env = Vec::new();
    for entry in entries.iter().filter(|entry| entry.node.value != Value::Null) {
        match (entry.key.as_str(), &entry.node.value) {
            ("name", _) => name = Some(entry.clone()),
            ("basic_auth", Value::Table(pair)) => {
                env.push(said(
                    "PM2_SERVE_BASIC_AUTH",
                    Node { value: Value::Bool(true), ..entry.node.clone() },
                ));
                for part in pair {
                    variable(part, BASIC_AUTH, &mut env, problems);
                }
            }
            ("basic_auth", _) => {
                let wrong = expected::<()>("a table with username and password", &entry.node);
                problems.extend(wrong.err().map(|wrong| problem("basic_auth", wrong)));
            }
            _ => variable(entry, KEYS, &mut env, problems),
        }
    }
    let name = name.unwrap_or_else(|| {
        let port = entries.iter().find(|entry| entry.key == "port").map(|entry| entry.node.to_text());
        let port = port.unwrap_or_else(|| PORT.to_string());
        said("name", Node { span: node.span.clone(), ..Node::text(format!("static-page-server-{port}")) })
    });
    let script = said("script", Node { span: node.span.clone(), ..Node::text(SCRIPT) });
    let env = said("env", Node { span: node.span.clone(), value: Value::Table(env) });
    Some(Node { span: node.span.clone(), value: Value::Table(vec![name, script, env]) })
}

/// Adds the variable that an entry is.
fn variable(entry: &Entry, keys: &[Key], env: &mut Vec<Entry>, problems: &mut Vec<Problem>) {
    match keys.iter().find(|(key, ..)| *key == entry.key) {
        Some((key, check, variable)) => match check(&entry.node) {
            Ok(()) => env.push(said(variable, entry.node.clone())),
            Err(mismatch) => problems.push(problem(key, mismatch)),
        },
        None => {
            let message = format!("static: unknown key `{}` is ignored", entry.key);
            problems.push(Problem::notice(message).at(entry.span.clone()));
        }
    }
}

fn said(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), span: node.span.clone(), node }
}

fn problem(key: &str, mismatch: values::Mismatch) -> Problem {
    Problem::error(format!("static: {key}: {}", mismatch.message)).at(mismatch.span)
}
