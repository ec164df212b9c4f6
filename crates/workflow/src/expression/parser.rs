//! From words to an [`Expression`].

use super::{
    Comparison, Expression, Function, SyntaxError,
    lexer::{Kind, Token, tokens},
    value::Value,
};

/// GitHub's bound of parentheses within each other.
const MAX_DEPTH: usize = 50;

/// More comparisons or properties in a row than anybody writes make the tree deep, too.
const MAX_CHAIN: usize = 20;

/// A deeper tree could overflow the stack of those who walk it.
const MAX_TREE: usize = 100;

/// Reads an expression, without `${{` and `}}`.
pub(crate) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(SyntaxError { message: "expected an expression".to_owned(), span: 0..text.len() });
    }
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), depth: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None if expression.depth() > MAX_TREE => {
            let message = format!("expected at most {MAX_TREE} parts within each other");
            Err(SyntaxError { message, span: 0..text.len() })
        }
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("an operator")),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
    depth: usize,
}

type Parsed = Result<Expression, SyntaxError>;

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// Takes the sign if it comes next.
    fn take(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Kind::Sign(next)) if *next == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), SyntaxError> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.tokens.get(self.at) {
            Some(token) => {
                let found = match &token.kind {
                    Kind::Sign(sign) => (*sign).to_owned(),
                    Kind::Name(name) => name.clone(),
                    Kind::Literal(value) => format!("{:?}", value.to_text()),
                };
                let message = format!("expected {expected}, found {found}");
                SyntaxError { message, span: token.span.clone() }
            }
            None => SyntaxError {
                message: format!("expected {expected}, found the end"),
                span: self.end..self.end,
            },
        }
    }

    fn deeper(&mut self, of: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("expected at most {MAX_DEPTH} levels");
            return Err(SyntaxError { message, span: 0..self.end });
        }
        let parsed = of(self);
        self.depth -= 1;
        parsed
    }

    fn any(&mut self) -> Parsed {
        self.deeper(|parser| parser.chain(Self::and, "||", Expression::Or))
    }

    fn and(&mut self) -> Parsed {
        self.chain(Self::equality, "&&", Expression::And)
    }

    /// Operands with a sign between them.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Parsed,
        sign: &str,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsed {
        let first = operand(self)?;
        if !self.take(sign) {
            return Ok(first);
        }
        let mut operands = vec![first, operand(self)?];
        while self.take(sign) {
            operands.push(operand(self)?);
        }
        Ok(join(operands))
    }

    fn equality(&mut self) -> Parsed {
        self.comparisons(
            |parser| {
                parser.comparisons(
                    Self::unary,
                    &[
                        ("<=", Comparison::LessOrEqual),
                        ("<", Comparison::Less),
                        (">=", Comparison::GreaterOrEqual),
                        (">", Comparison::Greater),
                    ],
                )
            },
            &[("==", Comparison::Equal), ("!=", Comparison::NotEqual)],
        )
    }

    fn comparisons(&mut self, operand: fn(&mut Self) -> Parsed, signs: &[(&str, Comparison)]) -> Parsed {
        let mut left = operand(self)?;
        let mut count = 1;
        while let Some((_, comparison)) = signs.iter().find(|(sign, _)| self.take(sign)) {
            count += 1;
            if count > MAX_CHAIN {
                return Err(self.unexpected("fewer comparisons"));
            }
            left = Expression::Compare(left.into(), *comparison, operand(self)?.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        if self.take("!") {
            return self.deeper(|parser| Ok(Expression::Not(parser.unary()?.into())));
        }
        let mut of = self.primary()?;
        let mut count = 0;
        loop {
            count += 1;
            let has_properties = !matches!(of, Expression::Literal(_));
            of = if has_properties && self.take(".") {
                self.property(of)?
            } else if has_properties && self.take("[") {
                self.index(of)?
            } else {
                return Ok(of);
            };
            if count > MAX_CHAIN {
                return Err(self.unexpected("fewer properties"));
            }
        }
    }

    fn property(&mut self, of: Expression) -> Parsed {
        if self.take("*") {
            return Ok(Expression::Filter(of.into()));
        }
        match self.peek() {
            Some(Kind::Name(name)) => {
                let name = Expression::Literal(Value::from(name.clone()));
                self.at += 1;
                Ok(Expression::Index(of.into(), name.into()))
            }
            _ => Err(self.unexpected("the name of a property")),
        }
    }

    fn index(&mut self, of: Expression) -> Parsed {
        let indexed = if self.take("*") {
            Expression::Filter(of.into())
        } else {
            Expression::Index(of.into(), self.any()?.into())
        };
        self.expect("]")?;
        Ok(indexed)
    }

    fn primary(&mut self) -> Parsed {
        if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        match self.peek().cloned() {
            Some(Kind::Literal(value)) => {
                self.at += 1;
                Ok(Expression::Literal(value))
            }
            Some(Kind::Name(name)) => {
                self.at += 1;
                if self.take("(") { self.call(&name) } else { Ok(Expression::Context(name.to_lowercase())) }
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn call(&mut self, name: &str) -> Parsed {
        let of = self.at.saturating_sub(2);
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.any()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let span = self.tokens.get(of).map(|token| token.span.clone()).unwrap_or_default();
        let function =
            Function::of_call(name, arguments.len()).map_err(|message| SyntaxError { message, span })?;
        Ok(Expression::Call(function, arguments))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::template::Template, *};

    /// Words of which expressions consist.
    fn word() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "(",
            ")",
            "[",
            "]",
            ",",
            ".",
            "!",
            "==",
            "&&",
            "||",
            "<",
            "*",
            "a",
            "github",
            "contains(",
            "format('{0}'",
            "'",
            "'x'",
            "1",
            "-",
            "0x1",
            "null",
            "NaN",
            " ",
            "é",
            "${{",
            "}}",
        ])
        .prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_within_it(words in prop::collection::vec(word(), 0..30)) {
            let text = words.concat();
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.span).is_some(), "{}", text);
            }
            _ = Template::parse(&text);
        }

        #[test]
        fn any_characters_are_read_or_refused_within_them(text in "\\PC{0,60}") {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
            _ = Template::condition(&text);
        }
    }
}
