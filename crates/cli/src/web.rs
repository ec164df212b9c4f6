//! HTTP/1.1 for verbs that are servers: static files, and the API of `web`.

pub(crate) mod answer;
pub(crate) mod files;
pub(crate) mod hosts;
pub(crate) mod listen;
mod mime;
pub(crate) mod token;

/// Compares a secret: the time does not depend on how many bytes are right.
fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let differences = given.iter().zip(secret).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == secret.len() && differences == 0
}
