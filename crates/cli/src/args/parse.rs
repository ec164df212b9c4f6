//! Reading the arguments of a verb, with PM2's words for what is wrong.

use clap::{
    Args, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::options::{self, Options};
use crate::failure::Failure;

/// Reads the arguments of a verb: the global options, and its own.
///
/// `name` is how it was called, as `rpm start`; `shows_options` says whether its help lists the global options.
pub(crate) fn parse<A: Args>(
    name: &str,
    about: &'static str,
    shows_options: bool,
    args: Vec<String>,
) -> Result<(Options, A), Failure> {
    let command = A::augment_args(options::describe(Command::new("verb"), shows_options))
        .bin_name(name)
        .about(about)
        .no_binary_name(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true);
    let mut matches = command.clone().try_get_matches_from(args).map_err(|error| refusal(&error, command))?;
    let options = options::read(&mut matches);
    // Every requirement has been checked above.
    let own = A::from_arg_matches_mut(&mut matches).map_err(|error| Failure::Bare(error.to_string()))?;
    Ok((options, own))
}

/// The arguments without the options that nobody knows, for programs that tolerate them.
pub(crate) fn tolerated<A: Args>(mut args: Vec<String>) -> Vec<String> {
    let command = A::augment_args(options::describe(Command::new("verb"), false));
    let mut known: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    known.extend(command.get_arguments().filter_map(clap::Arg::get_all_aliases).flatten());
    known.push("help");
    let own = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let apps = args.split_off(own);
    args.retain(|arg| match arg.strip_prefix("--") {
        Some(option) => known.contains(&option.split('=').next().unwrap_or_default()),
        None => true,
    });
    args.extend(apps);
    args
}

/// What is wrong with the arguments, as PM2's parser says it.
fn refusal(error: &clap::Error, mut command: Command) -> Failure {
    let culprit = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let message = match error.kind() {
        ErrorKind::DisplayHelp => return Failure::Help(error.render().to_string()),
        ErrorKind::MissingRequiredArgument => {
            format!(
                "missing required argument `{}'",
                culprit.trim_end_matches('.').trim_matches(['<', '>']).to_lowercase()
            )
        }
        ErrorKind::UnknownArgument if !culprit.starts_with('-') => {
            let usage = command.render_usage();
            return Failure::Told(format!("\nUnknown command argument: {culprit}\n\n{usage}"));
        }
        ErrorKind::UnknownArgument => match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(suggestion)) => {
                format!("unknown option `{culprit}' (did you mean `{suggestion}'?)")
            }
            _ => format!("unknown option `{culprit}'"),
        },
        ErrorKind::InvalidValue if is_empty_value(error) => format!("option `{culprit}' argument missing"),
        _ => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            return Failure::Bare(format!("\n  error: {}\n", text.trim_end()));
        }
    };
    Failure::Bare(format!("\n  error: {message}\n"))
}

fn is_empty_value(error: &clap::Error) -> bool {
    matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args, Debug)]
    struct Sample {
        #[arg(required = true, value_name = "id|name")]
        targets: Vec<String>,
        /// Some lines.
        #[arg(long, default_value_t = 15)]
        lines: u32,
        #[arg(last = true)]
        args: Vec<String>,
    }

    fn read(line: &str) -> Result<(Options, Sample), Failure> {
        parse("rpm sample", "About it.", true, line.split_whitespace().map(str::to_owned).collect())
    }

    fn refused(line: &str) -> String {
        match read(line) {
            Err(Failure::Bare(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_become_attributes() {
        let (options, own) =
            read("a b -n x --node-args --inspect -i -1 --no-autorestart --time -fs --cron-restart 0 -- -n y")
                .unwrap();
        assert_eq!(own.targets, ["a", "b"]);
        assert_eq!(own.args, ["-n", "y"]);
        let attributes: Vec<_> =
            options.attributes.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(
            attributes,
            [
                ("name", "x"),
                ("instances", "-1"),
                ("interpreter_args", "--inspect"),
                ("time", "true"),
                ("cron_restart", "0"),
                ("autorestart", "false"),
            ]
        );
        assert!(options.force && options.silent && !options.update_env);
    }

    #[test]
    fn the_last_of_several_counts() {
        let (options, _) = read("a --name x --name y -f -f").unwrap();
        assert_eq!(options.attributes, [("name", "y".to_owned())]);
    }

    #[test]
    fn a_value_may_be_left_out_where_it_says_so() {
        let (options, own) = read("a --watch --ignore-watch x --ignore-watch y --log -w").unwrap();
        assert_eq!(own.targets, ["a"]);
        assert!(options.write && options.watches());
        let attributes: Vec<_> =
            options.attributes.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(
            attributes,
            [("log_file", "true"), ("watch", "true"), ("ignore_watch", "x"), ("ignore_watch", "y")]
        );
        let (options, _) = read("a --watch src --watch lib").unwrap();
        assert_eq!(options.attributes, [("watch", "src".to_owned()), ("watch", "lib".to_owned())]);
    }

    #[test]
    fn refusals_are_worded_as_in_pm2() {
        assert_eq!(refused(""), "\n  error: missing required argument `id|name'\n");
        assert_eq!(refused("a --bogus"), "\n  error: unknown option `--bogus'\n");
        assert_eq!(refused("a --nam x"), "\n  error: unknown option `--nam' (did you mean `--name'?)\n");
        assert!(refused("a --name").contains("option `--name <name>' argument missing"));
        assert!(refused("a --lines x").contains("--lines"));
    }

    #[test]
    fn unknown_options_can_be_tolerated() {
        let args = ["a", "--bogus", "--lines=3", "--node-args", "x", "--odd=1", "--", "--mine"];
        let kept = tolerated::<Sample>(args.map(str::to_owned).to_vec());
        assert_eq!(kept, ["a", "--lines=3", "--node-args", "x", "--", "--mine"]);
    }

    #[test]
    fn help_is_no_failure() {
        let Err(Failure::Help(text)) = read("--help") else { panic!() };
        assert!(text.contains("Usage: rpm sample ") && text.contains("About it."), "{text}");
        assert!(text.contains("--lines") && text.contains("--kill-signal"), "{text}");
    }
}
