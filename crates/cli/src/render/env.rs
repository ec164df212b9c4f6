//! The environment of a process, a line for each variable.

use rpm_core::{Env, name::printable};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_forge_lines() {
        let mut env = Env::default();
        env.set("B", "2\nPATH: /evil");
        env.set("A", "1");
        assert_eq!(lines(&env, Paint(false)), "A: 1\nB: 2\\u{a}PATH: /evil\n");
    }
}
