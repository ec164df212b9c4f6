//! Services of init systems that bring the daemon up when the machine boots. What differs between the systems is
//! data: a line of [`PLATFORMS`] and a file beside this module.

mod fill;

use std::path::{Path, PathBuf};

use rpm_core::Persona;

use self::fill::{Quote, fill};

/// An init system.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Its name, then others by which PM2 knows it.
    pub(crate) names: &'static [&'static str],
    /// The program by which it is recognised.
    pub(crate) mark: &'static str,
    template: &'static str,
    /// For persona `rpm`, where that is another.
    own_template: Option<&'static str>,
    quote: Quote,
    target: &'static str,
    mode: u32,
    enable: &'static [&'static str],
    disable: &'static [&'static str],
}

/// In the order in which they are looked for.
pub(crate) const PLATFORMS: &[Platform] = &[
    Platform {
        names: &["systemd", "ubuntu", "centos", "arch", "oracle"],
        mark: "systemctl",
        template: include_str!("startup/systemd.service"),
        own_template: Some(include_str!("startup/systemd-rpm.service")),
        quote: Quote::Systemd,
        target: "/etc/systemd/system/{service}.service",
        mode: 0o644,
        enable: &["systemctl enable {service}"],
        disable: &["systemctl stop {service}", "systemctl disable {service}"],
    },
    Platform {
        names: &["upstart", "ubuntu14", "ubuntu12"],
        mark: "update-rc.d",
        template: include_str!("startup/sysv.sh"),
        own_template: None,
        quote: Quote::Shell,
        target: "/etc/init.d/{service}",
        mode: 0o755,
        enable: &["mkdir -p /var/lock/subsys", "update-rc.d {service} defaults"],
        disable: &["update-rc.d {service} disable", "update-rc.d -f {service} remove"],
    },
    Platform {
        names: &["systemv", "amazon", "centos6"],
        mark: "chkconfig",
        template: include_str!("startup/sysv.sh"),
        own_template: None,
        quote: Quote::Shell,
        target: "/etc/init.d/{service}",
        mode: 0o755,
        enable: &["mkdir -p /var/lock/subsys", "chkconfig --add {service}", "chkconfig {service} on"],
        disable: &["chkconfig {service} off", "chkconfig --del {service}"],
    },
    Platform {
        names: &["openrc"],
        mark: "rc-update",
        template: include_str!("startup/openrc.sh"),
        own_template: None,
        quote: Quote::Shell,
        target: "/etc/init.d/{word}",
        mode: 0o755,
        enable: &["rc-update add {word} default"],
        disable: &["/etc/init.d/{word} stop", "rc-update delete {word} default"],
    },
    Platform {
        names: &["launchd", "macos", "darwin"],
        mark: "launchctl",
        template: include_str!("startup/launchd.plist"),
        own_template: None,
        quote: Quote::Xml,
        target: "{home_directory}/Library/LaunchAgents/{word}.{user}.plist",
        mode: 0o644,
        enable: &["launchctl load -w {target}"],
        disable: &["launchctl unload -w {target}"],
    },
    Platform {
        names: &["rcd", "freebsd"],
        mark: "sysrc",
        template: include_str!("startup/freebsd.sh"),
        own_template: None,
        quote: Quote::Shell,
        target: "/usr/local/etc/rc.d/{service}",
        mode: 0o755,
        enable: &["sysrc {service}_enable=YES"],
        disable: &["service {service} stop", "sysrc -x {service}_enable"],
    },
    Platform {
        names: &["rcd-openbsd", "openbsd"],
        mark: "rcctl",
        template: include_str!("startup/openbsd.sh"),
        own_template: None,
        quote: Quote::Shell,
        target: "/etc/rc.d/{service}",
        mode: 0o755,
        enable: &["rcctl enable {service}", "rcctl start {service}"],
        disable: &["rcctl stop {service}", "rcctl disable {service}"],
    },
    Platform {
        names: &["smf", "sunos", "solaris"],
        mark: "svcadm",
        template: include_str!("startup/smf.xml"),
        own_template: None,
        quote: Quote::Xml,
        target: "/lib/svc/manifest/application/{service}.xml",
        mode: 0o644,
        enable: &["svccfg import {target}", "svcadm enable {service}"],
        disable: &["svcadm disable {service}", "svccfg delete {service}"],
    },
];

impl Platform {
    pub(crate) fn name(&self) -> &'static str {
        self.names[0]
    }

    /// The one that people call so.
    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        PLATFORMS.iter().find(|platform| platform.names.contains(&name))
    }

    /// The one of this machine: the first whose program is there.
    pub(crate) fn detect(is_there: impl Fn(&str) -> bool) -> Option<&'static Self> {
        PLATFORMS.iter().find(|platform| is_there(platform.mark))
    }

    /// A name of a service that this system takes: those of the BSDs are names of shell variables.
    fn service(&self, wanted: Option<&str>, persona: Persona, user: &str) -> String {
        match (wanted, self.quote) {
            (Some(name), _) => name.to_owned(),
            (None, Quote::Shell) if self.target.contains("rc.d/") => format!("{}_{user}", persona.word()),
            (None, _) => format!("{}-{user}", persona.word()),
        }
    }
}

/// What a service is made of.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) persona: Persona,
    pub(crate) user: String,
    /// Of that user.
    pub(crate) home_directory: PathBuf,
    /// Of the daemon.
    pub(crate) home: PathBuf,
    /// What is run, by the name that says its persona.
    pub(crate) executable: PathBuf,
    /// The variable `PATH`.
    pub(crate) path: String,
    /// What the service is called, if not by the user.
    pub(crate) service: Option<String>,
    pub(crate) waits_for_network: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) target: PathBuf,
    pub(crate) text: String,
    pub(crate) mode: u32,
    pub(crate) enable: Vec<Vec<String>>,
    pub(crate) disable: Vec<Vec<String>>,
}

impl Plan {
    /// What `platform` needs for `subject`; an error names what it could not be told.
    pub(crate) fn new(platform: &Platform, subject: &Subject) -> Result<Self, String> {
        let word = subject.persona.word();
        let service = platform.service(subject.service.as_deref(), subject.persona, &subject.user);
        for (what, name) in [("user", &subject.user), ("service", &service)] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
            if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(is_plain) {
                return Err(format!(
                    "{what} {name:?} cannot stand in a service: expected letters, digits, . _ - @"
                ));
            }
        }
        let quote = |what: &str, text: &str| {
            platform.quote.quote(text).ok_or_else(|| format!("{what} {text:?} cannot stand in a service"))
        };
        let variable = subject.persona.home_variable();
        let home = shown("the home", &subject.home)?;
        let executable = shown("the executable", &subject.executable)?;
        let home_directory = shown("the home directory", &subject.home_directory)?;
        let (path, root) = match platform.quote {
            // The assignment is what is quoted there.
            Quote::Systemd => (format!("PATH={}", subject.path), format!("{variable}={home}")),
            _ => (subject.path.clone(), home.to_owned()),
        };
        let target = fill(
            platform.target,
            &[
                ("service", &service),
                ("word", word),
                ("user", &subject.user),
                ("home_directory", home_directory),
            ],
        );
        let network = if subject.waits_for_network { " network-online.target" } else { "" };
        let wanted_by = if subject.waits_for_network { "network-online.target" } else { "multi-user.target" };
        let template = match platform.own_template {
            Some(own) if subject.persona == Persona::Rpm => own,
            _ => platform.template,
        };
        let pid_file = subject.home.join(format!("{word}.pid"));
        let values = [
            ("title", subject.persona.title()),
            ("word", word),
            ("user", &subject.user),
            ("service", &service),
            ("variable", variable),
            ("network", network),
            ("wanted_by", wanted_by),
            ("target", &target),
            ("pid_file", &platform.quote.bare(shown("the home", &pid_file)?)),
            ("path_quoted", &quote("PATH", &path)?),
            ("home_quoted", &quote("the home", &root)?),
            ("exe_quoted", &quote("the executable", executable)?),
            ("user_quoted", &quote("user", &subject.user)?),
        ];
        let commands = |templates: &[&str]| {
            let command = |template: &&str| template.split(' ').map(|word| fill(word, &values)).collect();
            templates.iter().map(command).collect()
        };
        Ok(Self {
            text: fill(template, &values),
            enable: commands(platform.enable),
            disable: commands(platform.disable),
            target: target.into(),
            mode: platform.mode,
        })
    }
}

/// What the system's logrotate needs to know of a home; an error names what it could not be told.
pub(crate) fn logrotate_rule(subject: &Subject, group: &str) -> Result<String, String> {
    let word = subject.persona.word();
    let quote = |path: &Path| match shown("the home", path)? {
        path if path.contains(['"', '\n']) => Err(format!("{path:?} cannot stand in a rule of logrotate")),
        path => Ok(path.to_owned()),
    };
    let values = [
        ("daemon_log", &*quote(&subject.home.join(format!("{word}.log")))?),
        ("logs", &*quote(&subject.home.join("logs"))?),
        ("user", &subject.user),
        ("group", group),
    ];
    Ok(fill(include_str!("startup/logrotate.conf"), &values))
}

fn shown<'a>(what: &str, path: &'a Path) -> Result<&'a str, String> {
    path.to_str().ok_or_else(|| format!("{what} {} is no Unicode", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn subject() -> Subject {
        Subject {
            persona: Persona::Rpm,
            user: "me".to_owned(),
            home_directory: "/home/me".into(),
            home: "/home/me/.rpm".into(),
            executable: "/usr/local/bin/rpm".into(),
            path: "/usr/bin:/bin".to_owned(),
            service: None,
            waits_for_network: false,
        }
    }

    fn plan(name: &str) -> Plan {
        Plan::new(Platform::by_name(name).unwrap(), &subject()).unwrap()
    }

    #[test]
    fn every_service_is_as_it_was_looked_over() {
        let shown: Vec<_> = PLATFORMS
            .iter()
            .map(|platform| {
                let plan = plan(platform.name());
                let commands = |commands: &[Vec<String>]| {
                    commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("; ")
                };
                format!(
                    "{}: {} {:o}\non: {}\noff: {}\n{}",
                    platform.name(),
                    plan.target.display(),
                    plan.mode,
                    commands(&plan.enable),
                    commands(&plan.disable),
                    plan.text
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn under_pm2s_name_the_unit_is_pm2s() {
        let platform = Platform::by_name("systemd").unwrap();
        let subject = Subject { persona: Persona::Pm2, executable: "/usr/local/bin/pm2".into(), ..subject() };
        let text = Plan::new(platform, &subject).unwrap().text;
        for line in ["Type=forking", "Restart=on-failure", "ExecStart=/usr/local/bin/pm2 resurrect"] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        for platform in PLATFORMS {
            let text = plan(platform.name()).text;
            for name in ["{user", "{service", "{path", "{home", "{exe", "{word", "{title", "{variable"] {
                assert!(!text.contains(name), "{}: {name}", platform.name());
            }
        }
    }

    #[test]
    fn shells_and_systemd_can_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let odd = Subject {
            path: "/a b:/it's/$HOME/50%\"q\"".to_owned(),
            home: "/home/o'b $(x)".into(),
            ..subject()
        };
        let personas = [Persona::Rpm, Persona::Pm2];
        for (platform, persona) in PLATFORMS.iter().flat_map(|p| personas.map(|persona| (p, persona))) {
            let text = Plan::new(platform, &Subject { persona, ..odd.clone() }).unwrap().text;
            let (file, checker): (_, &[&str]) = match platform.quote {
                Quote::Shell => ("service.sh", &["sh", "-n"]),
                Quote::Systemd => ("service.service", &["systemd-analyze", "verify"]),
                Quote::Xml => continue,
            };
            let file = directory.path().join(file);
            std::fs::write(&file, text.replace("/usr/local/bin/rpm", "/bin/true")).unwrap();
            // Where there is no systemd, nothing can be said about its form.
            if let Ok(output) = Command::new(checker[0]).args(&checker[1..]).arg(&file).output() {
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: {said}", platform.name());
            }
        }
    }

    #[test]
    fn names_that_would_be_more_than_names_are_refused() {
        let platform = Platform::by_name("systemd").unwrap();
        for user in ["", "a b", "../x", "a\nExecStart=/bin/evil", "-x", ".x", "a;b"] {
            assert!(
                Plan::new(platform, &Subject { user: user.to_owned(), ..subject() }).is_err(),
                "{user:?}"
            );
            let service = Some(user.to_owned());
            assert!(Plan::new(platform, &Subject { service, ..subject() }).is_err(), "{user:?}");
        }
        assert!(Plan::new(platform, &Subject { path: "/a\nUser=root".to_owned(), ..subject() }).is_err());
    }

    #[test]
    fn the_first_program_that_is_there_tells_the_system() {
        assert_eq!(Platform::detect(|_| true).unwrap().name(), "systemd");
        assert_eq!(Platform::detect(|name| name == "rc-update").unwrap().name(), "openrc");
        assert!(Platform::detect(|_| false).is_none());
        assert_eq!(Platform::by_name("macos").unwrap().name(), "launchd");
        assert!(Platform::by_name("dos").is_none());
    }

    #[test]
    fn the_network_is_waited_for_when_asked() {
        let platform = Platform::by_name("systemd").unwrap();
        let plan =
            Plan::new(platform, &Subject { waits_for_network: true, service: Some("x".into()), ..subject() });
        let plan = plan.unwrap();
        assert_eq!(plan.target, Path::new("/etc/systemd/system/x.service"));
        assert!(plan.text.contains("After=network.target network-online.target\n"));
        assert!(plan.text.contains("WantedBy=network-online.target\n"));
    }
}
