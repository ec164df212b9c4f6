//! A line of a log as styled text: colours are kept, and whatever else acts on a terminal is not.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};
use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};
use rpm_core::name::printable;

/// Bytes of a line that are shown. A line may be a megabyte long, and nobody reads that here.
const LONGEST: usize = 4 << 10;

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// `bytes` as they would look on a terminal, in `base` where they say nothing else.
pub(super) fn line(bytes: &[u8], base: Style) -> Line<'static> {
    let mut painter = Painter {
        base,
        style: base,
        spans: Vec::new(),
        text: String::new(),
        columns: 0,
        has_returned: false,
    };
    let shown = &bytes[..bytes.len().min(LONGEST)];
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    for byte in String::from_utf8_lossy(shown).bytes() {
        parser.advance(&mut painter, byte);
    }
    painter.flush();
    if shown.len() < bytes.len() {
        painter.spans.push(Span::styled("…", base));
    }
    Line::from(painter.spans)
}

struct Painter {
    base: Style,
    style: Style,
    spans: Vec<Span<'static>>,
    text: String,
    columns: usize,
    /// A carriage return was read: what comes next overwrites the line, as progress bars do.
    has_returned: bool,
}

impl Painter {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.spans.push(Span::styled(std::mem::take(&mut self.text), self.style));
        }
    }

    fn restyle(&mut self, params: &Params) {
        self.flush();
        let mut codes = params.iter();
        while let Some(code) = codes.next() {
            let style = self.style;
            self.style = match code {
                // Colons keep a colour in one parameter, semicolons spread it over several.
                [38, colour @ ..] if !colour.is_empty() => with(style, Style::fg, extended(colour)),
                [48, colour @ ..] if !colour.is_empty() => with(style, Style::bg, extended(colour)),
                [38] => with(style, Style::fg, following(&mut codes)),
                [48] => with(style, Style::bg, following(&mut codes)),
                [0, ..] => self.base,
                [30..=37, ..] => style.fg(basic(code[0] - 30)),
                [90..=97, ..] => style.fg(basic(code[0] - 90 + 8)),
                [39, ..] => style.fg(self.base.fg.unwrap_or(Color::Reset)),
                [40..=47, ..] => style.bg(basic(code[0] - 40)),
                [100..=107, ..] => style.bg(basic(code[0] - 100 + 8)),
                [49, ..] => style.bg(self.base.bg.unwrap_or(Color::Reset)),
                [1, ..] => style.add_modifier(Modifier::BOLD),
                [2, ..] => style.add_modifier(Modifier::DIM),
                [3, ..] => style.add_modifier(Modifier::ITALIC),
                [4, 0, ..] | [24, ..] => style.remove_modifier(Modifier::UNDERLINED),
                [4, ..] => style.add_modifier(Modifier::UNDERLINED),
                [7, ..] => style.add_modifier(Modifier::REVERSED),
                [9, ..] => style.add_modifier(Modifier::CROSSED_OUT),
                [22, ..] => style.remove_modifier(Modifier::BOLD | Modifier::DIM),
                [23, ..] => style.remove_modifier(Modifier::ITALIC),
                [27, ..] => style.remove_modifier(Modifier::REVERSED),
                [29, ..] => style.remove_modifier(Modifier::CROSSED_OUT),
                _ => style,
            };
        }
    }
}

impl Perform for Painter {
    fn print(&mut self, c: char) {
        if std::mem::take(&mut self.has_returned) {
            self.spans.clear();
            self.text.clear();
            self.columns = 0;
        }
        self.text.push_str(&printable(c.encode_utf8(&mut [0; 4])));
        self.columns += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => (0..TAB - self.columns % TAB).for_each(|_| self.print(' ')),
            b'\r' => self.has_returned = true,
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action == b'm' && intermediates.is_empty() && !ignore {
            self.restyle(params);
        }
    }
}

fn with(style: Style, set: fn(Style, Color) -> Style, colour: Option<Color>) -> Style {
    colour.map_or(style, |colour| set(style, colour))
}

/// One of the 16 colours that have names.
fn basic(code: u16) -> Color {
    Color::Indexed(code as u8)
}

/// `5, n` or `2, …, r, g, b`.
fn extended(codes: &[u16]) -> Option<Color> {
    let byte = |code: u16| u8::try_from(code).ok();
    match *codes {
        [5, index] => Some(Color::Indexed(byte(index)?)),
        // Between the two may stand a colour space.
        [2, .., red, green, blue] => Some(Color::Rgb(byte(red)?, byte(green)?, byte(blue)?)),
        _ => None,
    }
}

/// A colour whose codes are the next parameters.
fn following<'a>(codes: &mut impl Iterator<Item = &'a [u16]>) -> Option<Color> {
    let mut next = || codes.next().and_then(|code| code.first().copied());
    match next()? {
        5 => extended(&[5, next()?]),
        2 => extended(&[2, next()?, next()?, next()?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(bytes: &[u8]) -> String {
        line(bytes, Style::new()).to_string()
    }

    fn styles(text: &str) -> Vec<(String, Style)> {
        line(text.as_bytes(), Style::new())
            .spans
            .into_iter()
            .map(|span| (span.content.into_owned(), span.style))
            .collect()
    }

    #[test]
    fn colours_are_kept() {
        let spans = styles("a\x1b[1;31mb\x1b[0mc\x1b[38;5;200md\x1b[48:2::1:2:3me\x1b[39;49;4mf");
        let style = Style::new();
        let (pink, background) = (Color::Indexed(200), Color::Rgb(1, 2, 3));
        let expected = [
            ("a", style),
            ("b", style.add_modifier(Modifier::BOLD).fg(Color::Indexed(1))),
            ("c", style),
            ("d", style.fg(pink)),
            ("e", style.fg(pink).bg(background)),
            ("f", style.fg(Color::Reset).bg(Color::Reset).add_modifier(Modifier::UNDERLINED)),
        ];
        assert_eq!(spans, expected.map(|(text, style)| (text.to_owned(), style)));
    }

    #[test]
    fn nothing_else_is() {
        assert_eq!(plain(b"a\x1b[2J\x1b[1;1Hb\x1b]0;title\x07c\x1bPdevice\x1b\\d\x07\x08e"), "abcde");
        assert_eq!(plain("a\u{202e}b\u{9b}2J".as_bytes()), "a\\u{202e}b\\u{9b}2J");
        assert_eq!(plain(b"caf\xc3\xa9 \xff!"), "café \u{fffd}!");
        assert_eq!(plain(b"\x1b[38;5mx\x1b[38;2;1mx\x1b[38mx\x1b[999mx\x1b["), "xxxx");
    }

    #[test]
    fn tabs_and_returns_look_as_on_a_terminal() {
        assert_eq!(plain(b"ab\tc"), "ab      c");
        assert_eq!(plain(b"10%\r50%\r100%\r"), "100%");
        assert_eq!(plain(b"dos\r"), "dos");
    }

    #[test]
    fn endless_lines_are_cut() {
        assert_eq!(plain(&vec![b'x'; LONGEST]).len(), LONGEST);
        assert!(plain(&vec![b'x'; 1 << 20]).ends_with("x…"));
    }

    proptest! {
        #[test]
        fn no_bytes_act_on_the_terminal(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = plain(&bytes);
            prop_assert_eq!(printable(&text), text.as_str());
        }
    }
}
