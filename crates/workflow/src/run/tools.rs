//! Actions that are satisfied by what is on this machine: `actions/checkout` and the `setup-*` family.

use std::{path::Path, process::Command};

use rpm_core::Env;

use super::{
    process::{self, End, Limit},
    version,
};
use crate::files::read_made;

/// An action that sets up a program.
pub(super) struct Tool {
    /// `owner/name`
    action: &'static str,
    /// How the program tells its version.
    ask: &'static [&'static str],
    /// The input that says which version.
    input: &'static str,
    /// The input that names a file that says it.
    file_input: &'static str,
    /// The output that tells it.
    pub(super) output: &'static str,
}

const fn tool(
    action: &'static str,
    ask: &'static [&'static str],
    input: &'static str,
    file_input: &'static str,
    output: &'static str,
) -> Tool {
    Tool { action, ask, input, file_input, output }
}

static TOOLS: &[Tool] = &[
    tool("actions/setup-node", &["node", "--version"], "node-version", "node-version-file", "node-version"),
    tool(
        "actions/setup-python",
        &["python3", "--version"],
        "python-version",
        "python-version-file",
        "python-version",
    ),
    tool("actions/setup-go", &["go", "version"], "go-version", "go-version-file", "go-version"),
    tool("actions/setup-java", &["java", "--version"], "java-version", "java-version-file", "version"),
    tool(
        "actions/setup-dotnet",
        &["dotnet", "--version"],
        "dotnet-version",
        "global-json-file",
        "dotnet-version",
    ),
    tool("ruby/setup-ruby", &["ruby", "--version"], "ruby-version", "", "ruby-prefix"),
    tool("shivammathur/setup-php", &["php", "--version"], "php-version", "php-version-file", "php-version"),
    tool("pnpm/action-setup", &["pnpm", "--version"], "version", "", "bin_dest"),
    tool("oven-sh/setup-bun", &["bun", "--version"], "bun-version", "bun-version-file", "bun-version"),
    tool("denoland/setup-deno", &["deno", "--version"], "deno-version", "deno-version-file", "deno-version"),
    tool("astral-sh/setup-uv", &["uv", "--version"], "version", "version-file", "uv-version"),
    tool("dtolnay/rust-toolchain", &["rustc", "--version"], "toolchain", "", "name"),
    tool("actions-rs/toolchain", &["rustc", "--version"], "toolchain", "", "rustc"),
    tool("actions-rust-lang/setup-rust-toolchain", &["rustc", "--version"], "toolchain", "", "rustc-version"),
    tool("hashicorp/setup-terraform", &["terraform", "version"], "terraform_version", "", "version"),
    tool("azure/setup-helm", &["helm", "version", "--short"], "version", "", "helm-path"),
    tool("azure/setup-kubectl", &["kubectl", "version", "--client"], "version", "", "kubectl-path"),
    tool("gradle/actions", &["gradle", "--version"], "gradle-version", "", "build-scan-url"),
];

impl Tool {
    /// The one that an action sets up.
    pub(super) fn of(owner: &str, name: &str) -> Option<&'static Self> {
        let action = format!("{owner}/{name}");
        TOOLS.iter().find(|tool| tool.action.eq_ignore_ascii_case(&action))
    }

    /// The version that is here, if it is the one that is asked for; else why not.
    pub(super) fn check(
        &self,
        with: &[(String, String)],
        uses_version: &str,
        workspace: &Path,
        (env, limit): (&Env, &Limit),
    ) -> Result<String, String> {
        let input = |name: &str| {
            let found = with.iter().find(|(input, _)| input.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let mut wanted = match (input(self.input), input(self.file_input)) {
            (Some(wanted), _) => wanted.to_owned(),
            (None, Some(file)) => in_file(&workspace.join(file))?,
            // `dtolnay/rust-toolchain@1.85` names it as its own version.
            (None, None) if self.action == "dtolnay/rust-toolchain" => uses_version.to_owned(),
            (None, None) => String::new(),
        };
        let program = self.ask.first().copied().unwrap_or_default();
        let found = self.version(env, limit).ok_or_else(|| format!("{program} is not installed here"))?;
        // Several lines are several versions: any of them will do.
        if wanted.lines().count() > 1 {
            wanted = wanted.lines().collect::<Vec<_>>().join("||");
        }
        let channel = ["stable", "beta", "nightly", "master", "v1"].contains(&wanted.as_str());
        match version::satisfies(&found, &wanted) {
            _ if channel => Ok(found),
            Some(true) => Ok(found),
            Some(false) => Err(format!("asks for {program} {wanted}, found {found}")),
            None => {
                Err(format!("asks for {program} {wanted:?}, which is no version known here, found {found}"))
            }
        }
    }

    /// The version of the program. It may be one that a step has put into `PATH`, so the step's limit holds for it.
    fn version(&self, env: &Env, limit: &Limit) -> Option<String> {
        let (program, args) = self.ask.split_first()?;
        let mut command = Command::new(super::script::find(program, env)?);
        command.args(args).env_clear().envs(env.iter());
        let mut said = String::new();
        let keep = &mut |line: &str| {
            if said.len() < LONGEST_ANSWER {
                said.push_str(line);
                said.push('\n');
            }
        };
        match process::run(&mut command, limit, keep) {
            Ok(End::Exited(_)) => version::find(&said),
            _ => None,
        }
    }
}

/// A program that is asked for its version needs no more, bytes.
const LONGEST_ANSWER: usize = 64 << 10;

/// The version in `.nvmrc`, `.tool-versions`, `package.json`, `go.mod` and their like.
fn in_file(path: &Path) -> Result<String, String> {
    let bytes = read_made(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let found = match name.as_ref() {
        "package.json" => serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|json| {
            let places = ["/volta/node", "/devEngines/runtime/version", "/engines/node"];
            places.iter().find_map(|place| Some(json.pointer(place)?.as_str()?.to_owned()))
        }),
        "go.mod" => line_after(&text, "go "),
        ".tool-versions" => text.lines().find_map(|line| Some(line.split_once(' ')?.1.trim().to_owned())),
        _ => text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned),
    };
    found.ok_or_else(|| format!("{} names no version", path.display()))
}

fn line_after(text: &str, word: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.trim().strip_prefix(word)?.trim().to_owned()))
}
