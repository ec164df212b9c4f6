//! What each verb does and says: one verb, one file.

mod conf;
mod delete;
mod describe;
mod env;
mod flush;
mod id;
mod jlist;
mod kill;
mod list;
mod logs;
mod pid;
mod ping;
mod reload;
mod reset;
mod restart;
mod resurrect;
mod save;
mod scale;
mod send;
mod setup;
mod start;
mod status;
mod stop;
mod update;
mod usage;
