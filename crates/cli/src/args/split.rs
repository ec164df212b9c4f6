//! Finding the verb.

use super::options;

/// A command line, cut at its verb.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `-v`
    Version,
    /// `-h`
    Help,
    /// No verb.
    Empty,
    /// A word that should be a verb, and the other arguments in their order.
    Verb(String, Vec<String>),
}

/// Cuts a command line. Options may stand before the verb, and some of them take the argument that follows;
/// nothing after `--` is looked at.
pub(crate) fn split(mut args: Vec<String>) -> Line {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match arg.as_str() {
            "-v" | "-V" | "--version" => return Line::Version,
            "-h" | "--help" => return Line::Help,
            "--" => break,
            option if option.starts_with('-') && option != "-" => {
                at += if takes_next(option, args.get(at + 1).map(String::as_str)) { 2 } else { 1 };
            }
            _ => {
                let verb = args.remove(at);
                return Line::Verb(verb, args);
            }
        }
    }
    Line::Empty
}

/// Whether the argument after `option` is its value.
fn takes_next(option: &str, next: Option<&str>) -> bool {
    if option.starts_with("--") {
        return options::by_long(option).is_some_and(|option| option.takes(next));
    }
    // `-fn web`: the value follows the first letter that takes one, or is what comes after `-fn`.
    let mut letters = option.chars().skip(1);
    let taker =
        letters.by_ref().find_map(|letter| options::by_short(letter).filter(|taker| taker.takes(next)));
    taker.is_some() && letters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Line {
        split(line.split_whitespace().map(str::to_owned).collect())
    }

    fn verb(verb: &str, rest: &str) -> Line {
        Line::Verb(verb.to_owned(), rest.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_may_stand_before_the_verb() {
        assert_eq!(typed("start a.js --name x"), verb("start", "a.js --name x"));
        assert_eq!(typed("--name x start a.js"), verb("start", "--name x a.js"));
        assert_eq!(typed("--name=x start a.js"), verb("start", "--name=x a.js"));
        assert_eq!(typed("-n x -f start a.js"), verb("start", "-n x -f a.js"));
        assert_eq!(typed("-nx start a.js"), verb("start", "-nx a.js"));
        assert_eq!(typed("-fn x start a.js"), verb("start", "-fn x a.js"));
        assert_eq!(typed("-s --no-autorestart start a.js"), verb("start", "-s --no-autorestart a.js"));
        assert_eq!(typed("--node-args --inspect start a.js"), verb("start", "--node-args --inspect a.js"));
        assert_eq!(typed("-c start list"), verb("list", "-c start"));
        assert_eq!(typed("--watch src start a.js"), verb("start", "--watch src a.js"));
        assert_eq!(typed("--watch -f start a.js"), verb("start", "--watch -f a.js"));
        assert_eq!(typed("--bogus list"), verb("list", "--bogus"));
    }

    #[test]
    fn what_follows_two_dashes_is_left_alone() {
        assert_eq!(typed("start a.js -- -h --name y log"), verb("start", "a.js -- -h --name y log"));
        assert_eq!(typed("-- start"), Line::Empty);
        assert_eq!(typed("start -"), verb("start", "-"));
    }

    #[test]
    fn without_a_verb_there_is_help_version_or_nothing() {
        assert_eq!(typed(""), Line::Empty);
        assert_eq!(typed("-s"), Line::Empty);
        assert_eq!(typed("--name"), Line::Empty);
        assert_eq!(typed("-s --version"), Line::Version);
        assert_eq!(typed("-h"), Line::Help);
        assert_eq!(typed("start -h"), verb("start", "-h"));
    }
}
