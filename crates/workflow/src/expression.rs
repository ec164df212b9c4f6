//! The language between `${{` and `}}`.
//!
//! Its rules are those of
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/expressions>, and where the page is silent
//! those of GitHub's own implementation.

mod evaluate;
mod functions;
mod json;
mod lexer;
mod number;
mod parser;
mod template;
mod tree;
mod value;

pub(crate) use self::{
    evaluate::{Scope, Status},
    functions::Function,
    template::{Template, TemplateError},
    tree::Tree,
    value::{Object, Value},
};

/// What an expression consists of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// `'text'`, `1`, `true`, `null`
    Literal(Value),
    /// `github`, by its name in lower case.
    Context(String),
    /// `a.b` and `a[b]`
    Index(Box<Self>, Box<Self>),
    /// `a.*` and `a[*]`
    Filter(Box<Self>),
    /// `!a`
    Not(Box<Self>),
    /// `a == b` and its like
    Compare(Box<Self>, Comparison, Box<Self>),
    /// `a && b`
    And(Vec<Self>),
    /// `a || b`
    Or(Vec<Self>),
    /// `f(a, b)`
    Call(Function, Vec<Self>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expression {
    /// Calls `visit` with this and all within.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Literal(_) | Self::Context(_) => {}
            Self::Filter(inner) | Self::Not(inner) => inner.walk(visit),
            Self::Index(left, right) | Self::Compare(left, _, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Self::And(parts) | Self::Or(parts) | Self::Call(_, parts) => {
                for part in parts {
                    part.walk(visit);
                }
            }
        }
    }

    /// How many parts there are within each other.
    fn depth(&self) -> usize {
        let deepest = |parts: &[Self]| parts.iter().map(Self::depth).max().unwrap_or(0);
        1 + match self {
            Self::Literal(_) | Self::Context(_) => 0,
            Self::Filter(inner) | Self::Not(inner) => inner.depth(),
            Self::Index(left, right) | Self::Compare(left, _, right) => left.depth().max(right.depth()),
            Self::And(parts) | Self::Or(parts) | Self::Call(_, parts) => deepest(parts),
        }
    }

    /// Whether it asks how things went; a condition that does not is one about success.
    pub(crate) fn asks_for_status(&self) -> bool {
        let mut asks = false;
        self.walk(&mut |part| {
            if let Self::Call(function, _) = part {
                asks |= function.is_status();
            }
        });
        asks
    }

    /// `context.name` and `context['name']`: the name.
    pub(crate) fn property_of(&self, context: &str) -> Option<&str> {
        let Self::Index(of, name) = self else { return None };
        match (&**of, &**name) {
            (Self::Context(name), Self::Literal(Value::String(property))) if name == context => {
                Some(property.as_ref())
            }
            _ => None,
        }
    }
}

/// Why an expression was not understood, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SyntaxError {
    /// What is wrong.
    pub(crate) message: String,
    /// The bytes that are.
    pub(crate) span: std::ops::Range<usize>,
}
