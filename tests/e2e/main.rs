//! End-to-end tests: the real executable, real processes, a home for each test.

#![expect(clippy::unwrap_used, reason = "what tests share is test code, too")]

mod bad_input;
mod boot;
mod bounds;
mod catalogue;
mod cluster;
mod compatibility;
mod cron;
mod daemon;
mod deaths;
mod dependencies;
mod descriptors;
mod env_file;
mod environment;
mod examples;
mod foreground;
mod health;
mod history;
mod limits;
mod log_files;
mod monit;
mod names;
mod output;
mod packages;
mod pid_files;
mod queue;
mod ready;
mod redundancy;
mod reloads;
mod replacement;
mod restarts;
mod retries;
mod rotation;
mod socket;
mod surroundings;
mod survival;
mod tasks;
mod terminal;
mod tls;
mod tree;
mod trust;
mod two_owners;
mod verbs;
mod watch;
mod workflow;
