//! Having the site built: by the URL of a build hook, or by Netlify's command.

use std::{path::Path, process::Command, time::Duration};

use rpm_core::Env;

use crate::{
    child::{self, End, Limits, last_line},
    config::Netlify,
    http::{Ask, Http},
    moment::Spoken,
    stop::Stop,
};

/// A hook answers at once: the build comes later.
const HOOK_LIMIT: Duration = Duration::from_secs(30);

/// Has the site built. The command deploys what is here, so it is not used while functions are `lost` here: it would
/// take them off the site. A hook builds what is in the repository.
pub(crate) fn deploy(
    settings: &Netlify,
    (root, lost): (&Path, &[String]),
    env: &Env,
    stop: &Stop,
) -> Result<String, String> {
    let variable = env.get("NETLIFY_BUILD_HOOK").map_or("", String::as_str);
    match [settings.build_hook.as_str(), variable].into_iter().find(|url| !url.is_empty()) {
        Some(hook) => by_hook(hook, Duration::from(settings.deploy_limit.value).min(HOOK_LIMIT)),
        None if lost.is_empty() => by_command(settings, root, env, stop),
        None => Err(format!(
            "not deployed: without its file here, {} would be taken off the site: restore it, or strike it from the manifest",
            lost.join(", ")
        )),
    }
}

fn by_hook(hook: &str, limit: Duration) -> Result<String, String> {
    let headers = [("Content-Type", "application/json")];
    // A redirected POST becomes a GET, or goes with its secret to a place that nobody named: it would build nothing.
    let ask = Ask { method: "POST", url: hook, headers: &headers, body: b"{}", redirects: 0 };
    let answer = Http::new(limit).ask(ask).map_err(|error| format!("the build hook: {error}"))?;
    match answer.status {
        status @ 200..=299 => Ok(format!("the build hook answered {status}")),
        status @ 300..=399 => {
            let to = answer.header("location").unwrap_or("nowhere");
            Err(format!(
                "the build hook is redirected ({status}) to {to}, which is not followed: set its new URL"
            ))
        }
        404 => Err("the build hook answered 404: it is not there any more".to_owned()),
        status => Err(format!("the build hook answered {status}")),
    }
}

fn by_command(settings: &Netlify, root: &Path, env: &Env, stop: &Stop) -> Result<String, String> {
    let limits = Limits { time: settings.deploy_limit.value.into(), memory: None };
    let mut netlify = Command::new("netlify");
    netlify.args(["deploy", "--build", "--prod"]).current_dir(root).env_clear().envs(env.iter());
    let outcome = child::run(&mut netlify, limits, stop).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "neither a build hook is set (netlify.build_hook, NETLIFY_BUILD_HOOK) nor is `netlify` installed"
                .to_owned()
        }
        _ => format!("netlify: {error}"),
    })?;
    match outcome.end {
        End::Exited(status) if status.success() => Ok("netlify deployed it".to_owned()),
        End::Exited(status) => {
            let said = [&outcome.stderr, &outcome.stdout].map(|text| last_line(text));
            let line = said.into_iter().find(|line| !line.is_empty()).unwrap_or_default();
            Err(format!("netlify ended with {status}: {line}"))
        }
        End::Stopped => Err("the companion ends".to_owned()),
        _ => Err(format!("netlify was not done after {}", Spoken(settings.deploy_limit.value))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rpm_core::Millis;

    use super::*;
    use crate::stand_in::{Reply, StandIn};

    fn deployed(settings: &Netlify, path: &str) -> Result<String, String> {
        let mut env = Env::default();
        env.set("PATH", path);
        deploy(settings, (Path::new("/"), &[]), &env, &Stop::never().unwrap())
    }

    #[test]
    fn the_command_does_not_take_a_lost_function_off_the_site() {
        let lost = ["form".to_owned()];
        let never = Stop::never().unwrap();
        let outcome = deploy(&Netlify::default(), (Path::new("/"), &lost), &Env::default(), &never);
        assert!(outcome.unwrap_err().starts_with("not deployed: without its file here, form would"));
    }

    fn hooked(reply: Reply) -> (Result<String, String>, Vec<String>) {
        let server = StandIn::new(vec![reply]);
        let mut settings =
            Netlify { build_hook: format!("{}/build_hooks/abc", server.url()), ..Netlify::default() };
        settings.deploy_limit.value = Millis(500);
        (deployed(&settings, ""), server.asked())
    }

    #[test]
    fn a_build_hook_is_posted_to() {
        let (outcome, asked) = hooked(Reply::new(200, ""));
        assert_eq!(outcome, Ok("the build hook answered 200".to_owned()));
        assert!(asked[0].starts_with("POST /build_hooks/abc ") && asked[0].ends_with("{}"), "{}", asked[0]);
    }

    #[test]
    fn a_hook_that_redirects_or_fails_is_told() {
        let moved = Reply::new(302, "").with("Location", "https://elsewhere.example/");
        let (outcome, asked) = hooked(moved);
        let error = outcome.unwrap_err();
        assert!(
            error.contains("redirected (302) to https://elsewhere.example/, which is not followed"),
            "{error}"
        );
        assert_eq!(asked.len(), 1);
        assert!(hooked(Reply::new(404, "")).0.unwrap_err().contains("not there any more"));
        assert!(hooked(Reply::new(500, "<html>")).0.unwrap_err().ends_with("answered 500"));
        assert!(hooked(Reply::Silent).0.unwrap_err().contains("no answer within 500ms"));
    }

    #[test]
    fn without_a_hook_the_command_deploys() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Netlify::default();
        let path = directory.path().to_str().unwrap();
        assert!(deployed(&settings, path).unwrap_err().starts_with("neither a build hook is set"));
        let command = |script: &str| {
            let file = directory.path().join("netlify");
            std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        command("[ \"$*\" = 'deploy --build --prod' ]");
        assert_eq!(deployed(&settings, path), Ok("netlify deployed it".to_owned()));
        command("echo no site >&2; exit 1");
        assert!(deployed(&settings, path).unwrap_err().ends_with("exit status: 1: no site"));
        command("while :; do :; done");
        settings.deploy_limit.value = Millis(200);
        assert!(deployed(&settings, path).unwrap_err().contains("was not done after 200 ms"));
    }
}
