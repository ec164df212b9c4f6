//! The vocabulary of `rpm`: what an app, a process and a request are.
//!
//! Nothing here performs I/O. A type that two crates need lives here, and only here; each one is checked when
//! it is made, so that whoever holds it need not check again.

pub mod app;
pub mod app_key;
pub mod bounded;
pub mod circle;
pub mod cron;
pub mod cut;
pub mod dayjs;
pub mod dependency;
pub mod dotenv;
pub mod env;
pub mod env_file;
pub mod expand;
pub mod frame;
pub mod health;
pub mod home;
pub mod limits;
pub mod listen;
pub mod max_parallel;
pub mod name;
pub mod persona;
pub mod pm2_env;
pub mod process;
pub mod protocol;
pub mod ready;
pub mod redactor;
pub mod run;
pub mod secret;
pub mod selector;
pub mod signal;
pub mod status;
pub mod suggestion;
pub mod summed;
pub mod units;

pub use app::{
    Account, AppSpec, Balance, CombinedLog, ExecMode, FilterEnv, Instances, Interpreter, LogTarget, LogType,
    Overlap, Reload, Watch,
};
pub use app_key::{AppIndex, AppKey};
pub use dependency::{Condition, Dependencies, Dependency, OnDependencyFailure};
pub use env::Env;
pub use env_file::EnvFile;
pub use health::{Health, HealthReport, HealthState};
pub use home::Home;
pub use limits::Limits;
pub use listen::Listen;
pub use max_parallel::MaxParallel;
pub use persona::Persona;
pub use process::{Exit, ProcessId, ProcessInfo, ProcessSummary};
pub use ready::Ready;
pub use redactor::Redactor;
pub use run::{Cause, Next, Why};
pub use secret::Secrets;
pub use selector::Selector;
pub use signal::Signal;
pub use status::Status;
pub use units::{Bytes, Millis};
