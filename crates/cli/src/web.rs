//! HTTP/1.1 for verbs that are servers: static files, and the API of `web`.

pub(crate) mod answer;
pub(crate) mod files;
pub(crate) mod listen;
mod mime;
