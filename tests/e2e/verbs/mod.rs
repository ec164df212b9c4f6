//! What each verb does and says: one verb, one file.

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
mod reset;
mod restart;
mod resurrect;
mod save;
mod scale;
mod start;
mod stop;
mod usage;
