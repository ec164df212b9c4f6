//! What expressions may use in a field.

use crate::{
    expression::{Expression, Function, Template, TemplateError},
    suggestion::did_you_mean,
};

/// All that is wrong with the expressions of a template in a field where these can be seen.
pub(super) fn check(template: &Template, visible: &[&str]) -> Vec<TemplateError> {
    let mut errors = Vec::new();
    for (ordinal, expression) in template.expressions().enumerate() {
        expression.walk(&mut |part| {
            let message = match part {
                Expression::Context(name) if !sees_context(visible, name) => unseen_context(visible, name),
                Expression::Call(function, arguments) if function.is_restricted() => {
                    match takes(visible, *function) {
                        Some((least, most)) if (least..=most).contains(&arguments.len()) => return,
                        Some(_) => format!("{}() takes no arguments here", function.name()),
                        None => format!("{}() cannot be used here", function.name()),
                    }
                }
                _ => return,
            };
            errors.push(TemplateError { message, ordinal, body: String::new(), span: 0..0 });
        });
    }
    errors
}

fn sees_context(visible: &[&str], name: &str) -> bool {
    visible.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Every context that there is: <https://docs.github.com/en/actions/reference/workflows-and-actions/contexts>.
const CONTEXTS: &[&str] = &[
    "github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs",
    "inputs",
];

fn unseen_context(visible: &[&str], name: &str) -> String {
    let seen: Vec<_> = visible.iter().copied().filter(|known| !known.contains('(')).collect();
    if CONTEXTS.contains(&name) {
        return format!("the context {name} cannot be used here: expected one of {}", seen.join(", "));
    }
    let nearest = did_you_mean(name, seen.iter().copied());
    format!("unknown context {name:?}{nearest}: expected one of {}", seen.join(", "))
}

/// How many arguments a function takes in this field, if it can be called: `hashFiles(1,255)`.
fn takes(visible: &[&str], function: Function) -> Option<(usize, usize)> {
    visible.iter().find_map(|known| {
        let (name, bounds) = known.strip_suffix(')')?.split_once('(')?;
        let (least, most) = bounds.split_once(',')?;
        name.eq_ignore_ascii_case(function.name())
            .then(|| (least.parse().unwrap_or(0), most.parse().unwrap_or(usize::MAX)))
    })
}
