//! How many tasks may run at the same time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::AppSpec;

/// The setting `max_parallel`, of the home and of its namespaces. It is about tasks ([`AppSpec::is_task`]): what is not
/// meant to end would never give its place back. 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxParallel {
    /// Tasks of the whole home. `None` is not said.
    pub home: Option<u32>,
    /// Tasks of one namespace each.
    pub namespaces: BTreeMap<String, u32>,
}

impl MaxParallel {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.home.is_none() && self.namespaces.is_empty()
    }

    /// What `over` says replaces what is said here.
    pub fn merge(&mut self, over: &Self) {
        self.home = over.home.or(self.home);
        self.namespaces.extend(over.namespaces.clone());
    }

    /// How many tasks of the home may run; `None` is any number.
    pub fn of_home(&self) -> Option<u32> {
        self.home.filter(|&limit| limit > 0)
    }

    /// How many tasks of `namespace` may run; `None` is any number.
    pub fn of_namespace(&self, namespace: &str) -> Option<u32> {
        self.namespaces.get(namespace).copied().filter(|&limit| limit > 0)
    }

    /// Whether `app` needs a place to run.
    pub fn limits(&self, app: &AppSpec) -> bool {
        app.is_task() && (self.of_home().is_some() || self.of_namespace(&app.namespace).is_some())
    }
}
