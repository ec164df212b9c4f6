//! `deploy`: over a stand-in for ssh, which runs here what it is to run there.

use std::{fs, process::Command};

use rpm_tests::{Output, Rpm, Running};

/// A world with a repository, a host and a file that declares both.
struct World(Rpm);

impl World {
    fn new(hooks: &str) -> Self {
        let rpm = Rpm::new();
        rpm.script(
            "bin/ssh",
            "#!/bin/sh\necho \"$@\" >> \"$SSH_LOG\"\nfor last; do :; done\nexec sh -c \"$last\"\n",
        );
        let world = Self(rpm);
        world.git("init -q -b main origin");
        world.commit("one");
        let rpm = &world.0;
        let toml = format!(
            "[deploy.production]\nuser = \"me\"\nhost = [\"there\"]\nref = \"origin/main\"\nrepo = \"{}\"\npath = \"{}\"\n\
             port = 22\n{hooks}\n",
            rpm.path("origin").display(),
            rpm.path("host").display(),
        );
        rpm.write("ecosystem.toml", &toml);
        world
    }

    fn git(&self, line: &str) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let output = Command::new("git")
            .current_dir(self.0.dir())
            .args(identity)
            .args(line.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "git {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, text: &str) {
        self.0.write("origin/file", text);
        self.git("-C origin add file");
        self.git(&format!("-C origin commit -q -m {text}"));
    }

    fn deploy(&self, line: &str) -> Output {
        let mut command = self.0.command(&format!("deploy {line}"));
        let path = format!("{}:{}", self.0.path("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("SSH_LOG", self.0.path("ssh.log"));
        Running::start(command).output()
    }

    fn deployed(&self) -> String {
        self.0.read("host/current/file")
    }
}

#[test]
fn source_is_brought_there_and_taken_back() {
    let world =
        World::new("post-deploy = \"echo after > ../after\"\npre-deploy-local = \"echo here > local\"");
    world
        .deploy("production setup")
        .ends_with(0)
        .says("--> Deploying to production environment")
        .says("--> Success");
    assert_eq!(world.deployed(), "one");
    assert!(fs::metadata(world.0.path("host/shared/logs")).unwrap().is_dir());
    world.deploy("ecosystem.toml production").ends_with(0).says("--> Success");
    assert_eq!(
        (world.0.read("local"), world.0.read("host/after")),
        ("here\n".to_owned(), "after\n".to_owned())
    );
    world.commit("two");
    world.deploy("production update").ends_with(0);
    assert_eq!(world.deployed(), "two");
    world.deploy("production revert 1").ends_with(0);
    assert_eq!(world.deployed(), "one");
    world.deploy("production exec pwd").ends_with(0).says("/host/current\n");
    assert_eq!(
        world.deploy("production list").stdout.lines().filter(|line| !line.starts_with("-->")).count(),
        3
    );
    world.deploy("production curr").ends_with(0);
    world
        .deploy("production revert 9")
        .ends_with(1)
        .complains("there is no deployment 9 before the current one");
    assert!(world.0.read("ssh.log").lines().next().unwrap().starts_with("-p 22 me@there "));
    assert!(world.0.daemon().is_none());
}

#[test]
fn a_failure_there_is_a_failure_here() {
    let world = World::new("post-deploy = \"exit 3\"");
    world.deploy("production").ends_with(1).complains("Deploy failed\nthere: it ended with");
    world.deploy("production setup").ends_with(0);
    world.deploy("production").ends_with(1).complains("Deploy failed").says_nothing_of("--> Success");
}

#[test]
fn hooks_run_as_those_of_pm2_unless_they_are_strict() {
    let hooks = "post-deploy = \"false; echo $SHARED > ../shared-is\"";
    let world = World::new(hooks);
    world.deploy("production setup").ends_with(0);
    world.deploy("production").ends_with(0).says("--> Success");
    let shared = world.0.path("host/shared");
    assert_eq!(world.0.read("host/shared-is"), format!("{}\n", shared.display()));
    let strict = World::new(&format!("strict = true\n{hooks}"));
    strict.deploy("production setup").ends_with(0);
    strict.deploy("production").ends_with(1).complains("Deploy failed");
    assert!(!strict.0.path("host/shared-is").exists());
}

#[test]
fn what_is_not_declared_is_named() {
    let rpm = Rpm::new();
    rpm.ok("deploy help").says("rpm deploy [file] <environment> [command]");
    rpm.fails("deploy production").complains("no file that declares `deploy`: looked for ecosystem.toml");
    rpm.write("ecosystem.toml", "[deploy.production]\nhost = \"h\"\nrepo = \"r\"\npath = \"p\"\n");
    rpm.fails("deploy staging").complains("staging environment is not defined in ecosystem.toml");
    rpm.fails("deploy production").complains("deploy.production: `ref` is missing");
    rpm.fails("deploy").complains("missing required argument `file|environment'");
}
