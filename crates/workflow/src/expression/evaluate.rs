//! What an expression comes to.

use super::{
    Comparison, Expression,
    value::{Object, Value},
};

/// How things went until now, for `success()` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    Cancelled,
    /// Not one of them: something was left out, so that what follows is left out, too.
    Incomplete,
}

/// What an expression can ask its surroundings.
pub(crate) trait Scope {
    /// The value of a context, by its name in lower case; `Null` where there is none.
    fn context(&self, name: &str) -> Value;

    /// How things went until now.
    fn status(&self) -> Status;

    /// The hash of the files that match, or nothing if none does.
    fn hash_files(&self, patterns: &[String]) -> Result<String, String>;
}

/// A value, or what a filter has found, which is filtered further.
enum Found {
    One(Value),
    Many(Vec<Value>),
}

impl From<Found> for Value {
    fn from(found: Found) -> Self {
        match found {
            Found::One(value) => value,
            Found::Many(values) => values.into_iter().collect(),
        }
    }
}

impl Expression {
    /// Its value, or why it has none.
    pub(crate) fn evaluate(&self, scope: &dyn Scope) -> Result<Value, String> {
        self.find(scope).map(Value::from)
    }

    fn find(&self, scope: &dyn Scope) -> Result<Found, String> {
        Ok(Found::One(match self {
            Self::Literal(value) => value.clone(),
            Self::Context(name) => scope.context(name),
            Self::Index(of, index) => {
                let index = index.evaluate(scope)?;
                return Ok(match of.find(scope)? {
                    Found::One(value) => Found::One(at(&value, &index).unwrap_or_default()),
                    Found::Many(values) => {
                        Found::Many(values.iter().filter_map(|value| at(value, &index)).collect())
                    }
                });
            }
            Self::Filter(of) => {
                return Ok(Found::Many(match of.find(scope)? {
                    Found::One(value) => items(&value),
                    Found::Many(values) => values.iter().flat_map(items).collect(),
                }));
            }
            Self::Not(of) => Value::Bool(!of.evaluate(scope)?.is_truthy()),
            Self::Compare(left, comparison, right) => {
                compare(&left.evaluate(scope)?, *comparison, &right.evaluate(scope)?).into()
            }
            Self::And(parts) => first(parts, scope, |value| !value.is_truthy())?,
            Self::Or(parts) => first(parts, scope, Value::is_truthy)?,
            Self::Call(function, arguments) => {
                let arguments: Vec<_> =
                    arguments.iter().map(|argument| argument.evaluate(scope)).collect::<Result<_, _>>()?;
                function.call(&arguments, scope)?
            }
        }))
    }
}

/// The first value that decides, else the last.
fn first(parts: &[Expression], scope: &dyn Scope, decides: fn(&Value) -> bool) -> Result<Value, String> {
    let mut value = Value::Null;
    for part in parts {
        value = part.evaluate(scope)?;
        if decides(&value) {
            break;
        }
    }
    Ok(value)
}

fn compare(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let order = left.compare(right);
    match comparison {
        Comparison::Equal => left.loosely_equals(right),
        Comparison::NotEqual => !left.loosely_equals(right),
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => left.loosely_equals(right) || order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual => {
            left.loosely_equals(right) || order.is_some_and(std::cmp::Ordering::is_ge)
        }
    }
}

/// The element or property, if there is one.
fn at(value: &Value, index: &Value) -> Option<Value> {
    match value {
        Value::Array(items) => {
            let index = index.to_number();
            // A cast of what is negative, NaN or infinite would name an element.
            (index >= 0.0 && index.is_finite()).then(|| items.get(index as usize).cloned()).flatten()
        }
        Value::Object(object) if index.is_primitive() => object.get(&index.to_text()).cloned(),
        _ => None,
    }
}

fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.as_ref().clone(),
        Value::Object(object) => object_values(object),
        _ => Vec::new(),
    }
}

fn object_values(object: &Object) -> Vec<Value> {
    object.iter().map(|(_, value)| value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::parser::parse, *};

    struct Sample(Value);

    /// The contexts of the documentation's examples.
    const CONTEXTS: &str = r#"{
        "github": {"ref": "refs/heads/main", "event_name": "push",
            "event": {"issue": {"labels": [{"name": "bug"}, {"name": "Help Wanted"}, {"colour": "red"}]}}},
        "fruits": [{"name": "apple", "quantity": 1}, {"name": "orange", "quantity": 2}, {"name": "pear", "quantity": 1}],
        "vegetables": {"scallions": {"colors": ["green", "white", "red"], "ediblePortions": ["roots", "stalks"]},
            "beets": {"colors": ["purple", "red", "gold", "white", "pink"], "ediblePortions": ["roots", "stems"]},
            "artichokes": {"colors": ["green", "purple", "red", "black"], "ediblePortions": ["hearts"]}},
        "env": {"time": "3", "continue": "true", "empty": "", "with-dash": 7}
    }"#;

    impl Scope for Sample {
        fn context(&self, name: &str) -> Value {
            let Value::Object(contexts) = &self.0 else { return Value::Null };
            contexts.get(name).cloned().unwrap_or_default()
        }

        fn status(&self) -> Status {
            Status::Failure
        }

        fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
            Ok(patterns.join("+"))
        }
    }

    fn of(text: &str) -> String {
        let sample = Sample(Value::from_json(CONTEXTS).unwrap());
        match parse(text).map_err(|error| error.to_string()).and_then(|it| it.evaluate(&sample)) {
            Ok(value) => value.to_json().split_whitespace().collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn expressions_come_to_what_the_documentation_says() {
        for (expression, json) in [
            // Literals
            ("null", "null"),
            ("false", "false"),
            ("711", "711"),
            ("-9.2", "-9.2"),
            ("0xff", "255"),
            ("-2.99e-2", "-0.0299"),
            ("'Mona the Octocat'", "\"Mona the Octocat\""),
            ("'It''s open source!'", "\"It's open source!\""),
            // Loose equality
            ("null == 0", "true"),
            ("null == ''", "true"),
            ("true == 1", "true"),
            ("'1' == true", "true"),
            ("'abc' == 0", "false"),
            ("'' == 0", "true"),
            ("'0xff' == 255", "true"),
            ("'A' == 'a'", "true"),
            ("'a' < 'B'", "true"),
            ("NaN == NaN", "false"),
            ("NaN != NaN", "true"),
            ("1 < NaN", "false"),
            ("fruits == fruits", "true"),
            ("fruits == 'Array'", "false"),
            ("env.time > 2", "true"),
            ("'10' > '9'", "false"),
            ("'10' > 9", "true"),
            // Operators give values
            ("'a' && 'b'", "\"b\""),
            ("'' || 'default'", "\"default\""),
            ("0 && 'x'", "0"),
            ("false || null", "null"),
            ("!'' && !0 && !null && !NaN", "true"),
            ("!!'x'", "true"),
            ("1 == 1 && 2 > 1 || false", "true"),
            ("true || false && false", "true"),
            ("(1 < 2) == true", "true"),
            ("github.ref == 'refs/heads/main' && 'prod' || 'staging'", "\"prod\""),
            // Properties
            ("GitHub.Event_Name", "\"push\""),
            ("github['ref']", "\"refs/heads/main\""),
            ("github.nothing.at.all", "null"),
            ("nothing", "null"),
            ("fruits[1].name", "\"orange\""),
            ("fruits['1'].name", "\"orange\""),
            ("fruits[1.9].name", "\"orange\""),
            ("fruits[-1]", "null"),
            ("fruits[9]", "null"),
            ("env.with-dash", "7"),
            ("env.continue", "\"true\""),
            ("github.event.issue.labels[0]['name']", "\"bug\""),
            // Filters
            ("fruits.*.name", "[ \"apple\", \"orange\", \"pear\" ]"),
            ("github.event.issue.labels.*.name", "[ \"bug\", \"Help Wanted\" ]"),
            (
                "vegetables.*.ediblePortions",
                "[ [ \"roots\", \"stalks\" ], [ \"roots\", \"stems\" ], [ \"hearts\" ] ]",
            ),
            (
                "vegetables.*.colors.*",
                "[ \"green\", \"white\", \"red\", \"purple\", \"red\", \"gold\", \"white\", \"pink\", \"green\", \"purple\", \"red\", \"black\" ]",
            ),
            ("vegetables[*].colors[0]", "[ \"green\", \"purple\", \"green\" ]"),
            ("env.time.*", "[]"),
            // Functions
            ("contains('Hello world', 'llo')", "true"),
            ("contains('Hello world', 'LLO')", "true"),
            ("contains(github.event.issue.labels.*.name, 'help wanted')", "true"),
            ("contains(fruits.*.quantity, '2')", "true"),
            ("contains(fromJSON('[\"push\", \"pull_request\"]'), github.event_name)", "true"),
            ("contains(env, 'x')", "false"),
            ("startsWith('Hello world', 'he')", "true"),
            ("endsWith('Hello world', 'LD')", "true"),
            ("startsWith(12.5, '12.')", "true"),
            ("format('Hello {0} {1} {2}', 'Mona', 'the', 'Octocat')", "\"Hello Mona the Octocat\""),
            ("format('{{Hello {0} {1} {2}!}}', 'Mona', 'the', 'Octocat')", "\"{Hello Mona the Octocat!}\""),
            ("format('{0}{0}', true)", "\"truetrue\""),
            ("join(github.event.issue.labels.*.name, ', ')", "\"bug, Help Wanted\""),
            ("join(fruits.*.quantity)", "\"1,2,1\""),
            ("join('abc', '-')", "\"abc\""),
            ("toJSON('x')", "\"\\\"x\\\"\""),
            ("toJSON(fruits[0])", "\"{\\n \\\"name\\\": \\\"apple\\\",\\n \\\"quantity\\\": 1\\n}\""),
            ("toJSON(fromJSON('[]'))", "\"[]\""),
            ("fromJSON('{\"a\": [1, {\"b\": null}]}').a[1].B", "null"),
            ("fromJSON('true')", "true"),
            ("fromJson(env.time)", "3"),
            ("case(false, 1, true, 2, 3)", "2"),
            ("case(false, 1, 3)", "3"),
            ("hashFiles('**/package-lock.json', 'b')", "\"**/package-lock.json+b\""),
            ("success()", "false"),
            ("FAILURE()", "true"),
            ("cancelled() || always()", "true"),
            // What cannot be evaluated
            ("fromJSON('{')", "error: fromJSON: not JSON: EOF while parsing an object at line 1 column 1"),
            ("fromJSON('')", "error: fromJSON: expected JSON, found nothing"),
            ("format('{1}', 1)", "error: format: \"{1}\" asks for {1}, found 1 values"),
            ("format('{', 1)", "error: format: \"{\" has a brace that is neither {N} nor doubled"),
        ] {
            assert_eq!(of(expression), json, "{expression}");
        }
    }

    /// What GitHub's own implementation (`@actions/expressions` 0.3.61) makes of random expressions.
    const GITHUB: &str = include_str!("../../tests/expressions/github.jsonl");
    const GITHUB_CONTEXTS: &str = include_str!("../../tests/expressions/contexts.json");

    #[test]
    fn expressions_come_to_what_github_makes_of_them() {
        let scope = Sample(Value::from_json(GITHUB_CONTEXTS).unwrap());
        let mut differences = Vec::new();
        for line in GITHUB.lines() {
            let (text, expected): (String, String) = serde_json::from_str(line).unwrap();
            let found =
                match parse(&text).map_err(|error| error.to_string()).and_then(|it| it.evaluate(&scope)) {
                    Ok(value) => value.to_json(),
                    Err(_) => "error".to_owned(),
                };
            if found != expected {
                differences.push(format!("{text}\n  GitHub: {expected}\n  here: {found}"));
            }
        }
        assert_eq!(differences, Vec::<String>::new(), "{}", differences.join("\n"));
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_place() {
        for (text, message, place) in [
            ("", "expected an expression", ""),
            ("a == \"b\"", "unexpected \"\\\"b\\\"\": text stands in single quotes", "\"b\""),
            ("a = b", "unexpected \"=\": equality is ==", "="),
            ("a & b", "unexpected \"&\": and is &&", "&"),
            ("'open", "the text is not closed: expected '", "'open"),
            ("a ==", "expected a value, found the end", ""),
            ("(a", "expected ), found the end", ""),
            ("a b", "expected an operator, found b", "b"),
            ("a.", "expected the name of a property, found the end", ""),
            ("a[1", "expected ], found the end", ""),
            ("contain(a, b)", "unknown function \"contain\" (did you mean contains?)", "contain"),
            ("contains(a)", "contains takes 2 arguments, found 1", "contains"),
            ("format()", "format takes 1 or more arguments, found 0", "format"),
            ("1x", "\"1x\" is not a number", "1x"),
            ("a ? b : c", "unexpected \"?\"", "?"),
            ("1 + 2", "\"+\" is not a number", "+"),
            ("github.ref#x", "unexpected \"ref#x\"", "ref#x"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.message, message, "{text}");
            assert_eq!(&text[error.span], place, "{text}");
        }
        for deep in ["(".repeat(60) + "1", "!".repeat(60) + "1", "a".to_owned() + &".a".repeat(60)] {
            assert!(parse(&deep).is_err(), "{deep}");
        }
    }

    #[test]
    fn the_deepest_expression_is_walked() {
        let nested = |levels: usize| {
            let properties = ".a".repeat(20);
            (0..levels).fold("github".to_owned(), |text, _| format!("({text}{properties})"))
        };
        let text = nested(4);
        assert!(parse(&nested(48)).is_err());
        let deepest = std::thread::spawn(move || {
            let expression = parse(&text).unwrap();
            expression.walk(&mut |_| {});
            expression.evaluate(&Sample(Value::Null))
        });
        assert_eq!(deepest.join().unwrap(), Ok(Value::Null));
    }
}
