//! What has to be before an app is started.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The other apps that an app needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dependencies(pub Vec<Dependency>);

/// An app that another one needs, and how far it has to have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Dependency {
    /// Its name. All its instances have to come that far.
    pub app: String,
    /// How far.
    pub condition: Condition,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Table { app: String, condition: Condition },
}

impl From<Written> for Dependency {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(app) => Self { app, condition: Condition::default() },
            Written::Table { app, condition } => Self { app, condition },
        }
    }
}

impl From<Dependency> for Written {
    fn from(dependency: Dependency) -> Self {
        match dependency {
            Dependency { app, condition: Condition::Ready } => Self::Name(app),
            Dependency { app, condition } => Self::Table { app, condition },
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.app, self.condition.as_str())
    }
}

/// How far an app has to have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs.
    Started,
    /// It is up, and has shown it where it declares `ready` or `wait_ready`.
    #[default]
    Ready,
    /// Its health check has been answered.
    Healthy,
    /// Its latest run has ended with 0.
    Completed,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Started, Self::Ready, Self::Healthy, Self::Completed];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }
}

/// What becomes of an app if one that it needs has failed: it is errored, or has ended and will not be what is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDependencyFailure {
    /// It waits until the other one is what is needed after all.
    #[default]
    Wait,
    /// It is errored.
    Fail,
    /// It is started nevertheless.
    Start,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_has_to_be_ready() {
        let json = r#"["db",{"app":"migrate","condition":"completed"}]"#;
        let dependencies: Dependencies = serde_json::from_str(json).unwrap();
        let shown: Vec<_> = dependencies.0.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["db (ready)", "migrate (completed)"]);
        assert_eq!(serde_json::to_string(&dependencies).unwrap(), json);
        assert!(serde_json::from_str::<Dependencies>(r#"[{"app":"a","condition":"x"}]"#).is_err());
    }
}
