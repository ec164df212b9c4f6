//! The environment of a process, a line for each variable.

use rpm_core::{Env, name::printable, protocol::Difference};

use super::style::{Paint, Style};

/// `NAME: value`, by name.
pub(crate) fn lines(env: &Env, paint: Paint) -> String {
    let mut text = String::new();
    for (name, value) in env.iter() {
        text.push_str(&printable(name));
        text.push_str(": ");
        paint.push(&mut text, Style::GREEN, &printable(value));
        text.push('\n');
    }
    text
}

/// What would change, by name: `- NAME: value` is there now, `+ NAME: value` would be.
pub(crate) fn differences(differences: &[Difference], paint: Paint) -> String {
    let mut text = String::new();
    for Difference { name, running, next } in differences {
        for (sign, style, value) in [("-", Style::RED, running), ("+", Style::GREEN, next)] {
            let Some(value) = value else { continue };
            let line = format!("{sign} {}: {}", printable(name), printable(value));
            paint.push(&mut text, style, &line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_a_line_for_each_side() {
        let some = |value: &str| Some(value.to_owned());
        let all = [
            Difference { name: "A".to_owned(), running: some("1"), next: some("2") },
            Difference { name: "B".to_owned(), running: None, next: some("x\ny") },
            Difference { name: "C".to_owned(), running: some(""), next: None },
        ];
        assert_eq!(differences(&all, Paint(false)), "- A: 1\n+ A: 2\n+ B: x\\u{a}y\n- C: \n");
    }

    #[test]
    fn values_cannot_forge_lines() {
        let mut env = Env::default();
        env.set("B", "2\nPATH: /evil");
        env.set("A", "1");
        assert_eq!(lines(&env, Paint(false)), "A: 1\nB: 2\\u{a}PATH: /evil\n");
    }
}
