//! The client's side of the daemon's socket: connecting, starting the daemon where there is none, and asking.
//!
//! Blocking, because a verb asks one thing at a time and has to start quickly.
//!
//! ```no_run
//! # use rpm_core::{Home, Persona, protocol::Request};
//! let home = Home::new("/home/me/.rpm".into(), Persona::Rpm);
//! if let Some(mut connection) = rpm_client::Connection::connect(&home)? {
//!     for reply in connection.request(&Request::List)? {
//!         reply?;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod error;
mod spawn;
mod trust;

pub use connection::{Connection, Replies};
pub use error::{ClientError, ConnectError, SpawnError};
pub use spawn::{READY, READY_FD, connect, connect_or_spawn, prepare_home, refuse_other_owner};
