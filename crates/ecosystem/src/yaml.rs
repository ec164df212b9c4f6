//! YAML, with the types that js-yaml's default schema has, which is what PM2 reads it with.

use std::collections::{BTreeSet, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::{
    Problem,
    node::{Entry, Node, Value},
    source::{Source, Span},
};

/// Aliases are copied; a text of a few lines could ask for more nodes than there is memory.
const MAX_NODES: usize = 100_000;

/// Deeper nesting than anybody writes would overflow the stack of those who walk the tree.
const MAX_DEPTH: usize = 128;

/// The tree of a text with one document, or the first thing that is wrong with it.
///
/// YAML wants what stands between brackets indented deeper than their key. js-yaml does not, and files close brackets below
/// the key, so such lines are indented further before the text is read again.
pub fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let text = source.text();
    let mut shallow = BTreeSet::new();
    loop {
        let (indented, characters) = indented(text, &shallow);
        let wrong = match Loader::new(&indented, characters).document() {
            Ok(node) => return Ok(node),
            Err(wrong) => wrong,
        };
        let is_bounded = shallow.len().saturating_mul(text.len()) < MAX_READ_AGAIN;
        if let (true, true, Some(span)) = (wrong.is_shallow, is_bounded, &wrong.span)
            && shallow.insert(span.start)
        {
            continue;
        }
        return Err(vec![Problem::error(format!("not YAML: {}", wrong.message)).at(wrong.span)]);
    }
}

/// How much text is read again in all, in bytes, because a line is not indented enough.
const MAX_READ_AGAIN: usize = 64 << 20;

/// What the parser says of a line between brackets that is not indented deeper than their key. Blanks before it mean
/// nothing, as everywhere between brackets.
const SHALLOW: [&str; 2] = ["invalid indentation", "invalid indentation in flow construct"];

/// `text` with blanks before each of these places, and for each of its characters the byte of `text` where it begins.
fn indented(text: &str, places: &BTreeSet<usize>) -> (String, Vec<usize>) {
    const BLANKS: &str = "                                                                ";
    let mut indented = String::with_capacity(text.len() + places.len() * BLANKS.len());
    let mut characters = Vec::with_capacity(text.len() + 1);
    for (at, character) in text.char_indices() {
        if places.contains(&at) {
            indented.push_str(BLANKS);
            characters.resize(characters.len() + BLANKS.len(), at);
        }
        indented.push(character);
        characters.push(at);
    }
    characters.push(text.len());
    (indented, characters)
}

/// What is wrong, and where.
struct Wrong {
    message: String,
    span: Option<Span>,
    /// Whether it is one of [`SHALLOW`].
    is_shallow: bool,
}

/// A list or a table that is being read.
enum Open {
    List(Vec<Node>),
    /// With the key whose value comes next.
    Table(Vec<Entry>, Option<(String, Span)>),
}

struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Where each character begins: the parser counts them.
    characters: Vec<usize>,
    stack: Vec<(Open, usize, Span)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Where the first document ended.
    done: Option<Node>,
}

impl<'a> Loader<'a> {
    fn new(text: &'a str, characters: Vec<usize>) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            characters,
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            done: None,
        }
    }

    fn document(mut self) -> Result<Node, Wrong> {
        while let Some(event) = self.parser.next_event() {
            let (event, place) = event.map_err(|error| self.not_yaml(&error))?;
            let span = self.byte(place.start.index())..self.byte(place.end.index());
            self.take(event, span)?;
        }
        self.done.ok_or_else(|| Wrong {
            message: "expected a value, the file is empty".to_owned(),
            span: None,
            is_shallow: false,
        })
    }

    fn byte(&self, character: usize) -> usize {
        self.characters.get(character).or(self.characters.last()).copied().unwrap_or_default()
    }

    fn not_yaml(&self, error: &ScanError) -> Wrong {
        let at = self.byte(error.marker().index());
        let is_shallow = SHALLOW.contains(&error.info());
        Wrong { message: error.info().to_owned(), span: Some(at..at), is_shallow }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Wrong> {
        match event {
            Event::DocumentStart(_) if self.done.is_some() => {
                return wrong("expected one document, found another", span);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                self.put(Node { span: Some(span.clone()), value }, anchor, span)?;
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                // Messages point at what is wrong: that is where the anchor stands.
                Some(node) => {
                    self.nodes += count(node);
                    if self.nodes > MAX_NODES {
                        return too_many(span);
                    }
                    self.put(node.clone(), 0, span)?;
                }
                None => return wrong("an alias within what it stands for", span),
            },
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor, span)?,
            Event::MappingStart(anchor, _) => self.open(Open::Table(Vec::new(), None), anchor, span)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((open, anchor, start)) = self.stack.pop() {
                    let value = match open {
                        Open::List(items) => Value::Array(items),
                        Open::Table(entries, _) => Value::Table(merged(entries)),
                    };
                    let span = start.start..span.end.max(start.end);
                    self.put(Node { span: Some(span.clone()), value }, anchor, span)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, span: Span) -> Result<(), Wrong> {
        if self.stack.len() >= MAX_DEPTH {
            return wrong(&format!("expected at most {MAX_DEPTH} levels"), span);
        }
        self.stack.push((open, anchor, span));
        Ok(())
    }

    /// Gives a node its place in what is open.
    fn put(&mut self, node: Node, anchor: usize, span: Span) -> Result<(), Wrong> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return too_many(span);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.done = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((Open::Table(entries, key), ..)) => match key.take() {
                Some((key, at)) => entries.push(Entry { key, span: Some(at), node }),
                None if matches!(node.value, Value::Array(_) | Value::Table(_)) => {
                    return wrong("expected text as a key", span);
                }
                None => {
                    let text = node.to_text();
                    if text != MERGE && entries.iter().any(|entry| entry.key == text) {
                        return wrong(&format!("the key {text:?} is used twice"), span);
                    }
                    *key = Some((text, span));
                }
            },
        }
        Ok(())
    }
}

fn wrong<T>(message: &str, span: Span) -> Result<T, Wrong> {
    Err(Wrong { message: message.to_owned(), span: Some(span), is_shallow: false })
}

fn too_many<T>(span: Span) -> Result<T, Wrong> {
    wrong(&format!("expected at most {MAX_NODES} values, with those of aliases"), span)
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Table(entries) => 1 + entries.iter().map(|entry| count(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

/// The key of what is merged in: <https://yaml.org/type/merge.html>.
const MERGE: &str = "<<";

/// The entries with those of merged tables, which count less, and of several the first most.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    if entries.iter().all(|entry| entry.key != MERGE) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == MERGE);
    for merge in merges {
        let tables = match merge.node.value {
            Value::Array(items) => items,
            _ => vec![merge.node],
        };
        for table in tables {
            let Value::Table(entries) = table.value else { continue };
            for entry in entries {
                if own.iter().all(|known| known.key != entry.key) {
                    own.push(entry);
                }
            }
        }
    }
    own
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str()) {
        Some("str") => Value::String(text.to_owned()),
        Some(_) => plain(text),
        None if style == ScalarStyle::Plain && tag.is_none() => plain(text),
        None => Value::String(text.to_owned()),
    }
}

/// What a text without quotes is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let digits = text.trim_start_matches(['-', '+']);
    let signs = text.len() - digits.len();
    // Before a number that begins with its point a sign makes it text.
    let begins = |c: char| c.is_ascii_digit() || (c == '.' && signs == 0);
    if signs > 1 || !digits.starts_with(begins) {
        return None;
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix)
                .ok()
                .filter(|_| digits.starts_with(|c: char| c.is_ascii_hexdigit()))
                .map(|number| Value::Integer(sign * number));
        }
    }
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole && let Ok(number) = digits.parse::<i64>() {
        return Some(Value::Integer(sign * number));
    }
    let is_form = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let float = digits.parse().ok().filter(|float: &f64| is_form && float.is_finite())?;
    Some(Value::Float(f64::from(sign as i32) * float))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Node, String> {
        parse(&Source::new("a.yml", text)).map_err(|problems| problems[0].to_string())
    }

    #[test]
    fn scalars_are_those_of_js_yaml() {
        // Each expectation is what js-yaml 4.3 makes of it.
        for (text, json) in [
            ("1", "1"),
            ("-12", "-12"),
            ("+5", "5"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("017", "17"),
            ("1.5", "1.5"),
            ("1e3", "1000"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-.5", "-.5"),
            ("1E400", "1E400"),
            ("1_000", "1_000"),
            ("0x", "0x"),
            ("-0x10", "-16"),
            ("0b11", "3"),
            ("tRue", "tRue"),
            ("yes", "yes"),
            ("on", "on"),
            ("true", "true"),
            ("~", "null"),
            ("'1'", "1"),
            ("!!str 1", "1"),
            ("1.2.3", "1.2.3"),
            ("1-2", "1-2"),
            ("*/5 * * * *", "*/5 * * * *"),
            ("12:30", "12:30"),
            ("- a\n- {b: [1, c]}", r#"["a",{"b":[1,"c"]}]"#),
        ] {
            let text = if text.starts_with('*') { format!("\"{text}\"") } else { text.to_owned() };
            assert_eq!(parsed(&text).unwrap().to_text(), json, "{text}");
        }
        assert_eq!(parsed("'1'").unwrap().value, Value::String("1".to_owned()));
        assert_eq!(parsed("!!str 1").unwrap().value, Value::String("1".to_owned()));
    }

    #[test]
    fn the_tree_keeps_order_and_places() {
        let text = "# ü\nz: 1\nü:\n  - true\n  - x y\nenv: {B: 'ö', A: é}\n";
        let Value::Table(top) = parsed(text).unwrap().value else { panic!("a table") };
        let keys: Vec<_> = top.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "ü", "env"]);
        assert_eq!(&text[top[1].span.clone().unwrap()], "ü");
        assert_eq!(&text[top[2].node.span.clone().unwrap()], "{B: 'ö', A: é}");
        let Value::Array(items) = &top[1].node.value else { panic!("a list") };
        assert_eq!(&text[items[1].span.clone().unwrap()], "x y");
    }

    #[test]
    fn between_brackets_indentation_means_nothing() {
        // Each is read so by js-yaml 4.3.
        for text in [
            "apps:\n  - args: [\n      \"a\",\n      \"b\"\n    ]\n    x: ü\n",
            "apps:\n  - args: [\n    a,\n    b\n    ]\n    x: ü\n",
            "apps:\n  - args: [\n  a, # one\n  b\n  ]\n    x: ü\n",
            "apps:\n  - args: [\na,\nb\n]\n    x: ü\n",
        ] {
            let node = parsed(text).unwrap();
            assert_eq!(node.to_text(), r#"{"apps":[{"args":["a","b"],"x":"ü"}]}"#, "{text}");
            let Value::Table(top) = &node.value else { panic!("a table") };
            let Value::Array(apps) = &top[0].node.value else { panic!("a list") };
            let Value::Table(app) = &apps[0].value else { panic!("a table") };
            assert_eq!(&text[app[1].span.clone().unwrap()], "x", "places are those of the file");
            assert_eq!(&text[app[1].node.span.clone().unwrap()], "ü");
        }
        for text in
            ["a:\n  b: [\n  1\nc: 2\n", "a:\n    b: 1\n  c: 2\n", "a:\n  - b\n c: 1\n", "a: [\nb: ]\n  ]"]
        {
            assert!(parsed(text).is_err(), "{text}");
        }
        let many = format!("x: 1\nb:\n  c: [\n{}  ]\n", "  1,\n".repeat(2000));
        assert!(parsed(&many).is_ok());
    }

    #[test]
    fn aliases_and_merges_are_copies() {
        let text = "base: &base {A: 1, B: 2}\nenv: {<<: *base, B: 3}\nagain: *base\n";
        assert_eq!(
            parsed(text).unwrap().to_text(),
            r#"{"base":{"A":1,"B":2},"env":{"B":3,"A":1},"again":{"A":1,"B":2}}"#
        );
    }

    #[test]
    fn what_is_no_tree_is_told() {
        for (text, message) in [
            ("", "the file is empty"),
            ("a: 1\na: 2", "the key \"a\" is used twice"),
            ("{a: 1}\n---\n{b: 1}", "found another"),
            ("[a]: 1", "expected text as a key"),
            ("a: [", "not YAML: "),
            ("a: &x [*x]", "not YAML: "),
        ] {
            let error = parsed(text).map(|node| node.to_text()).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        let level = |level: u32| {
            let copies = vec![format!("*a{}", level - 1); 10].join(",");
            format!("a{level}: &a{level} [{copies}]\n")
        };
        let bomb: String = std::iter::once("a0: &a0 [x]\n".to_owned()).chain((1..12).map(level)).collect();
        assert!(parsed(&bomb).unwrap_err().contains("at most 100000 values"));
        let deep = ["- ".repeat(1000), "x".to_owned()].concat();
        assert!(parsed(&deep).unwrap_err().contains("at most 128 levels"));
        assert!(parsed(&"[".repeat(100_000)).is_err());
    }
}
