//! `doctor`: what is wrong with a home and its host, and what to do.

use clap::Args;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    doctor::{self, Level},
    failure::Failure,
    render::style::Style,
};

pub(super) const VERB: Verb = Verb {
    name: "doctor",
    aliases: &[],
    about: "Look for what is wrong here, and tell what to do",
    takes_options: false,
    run,
};

#[derive(Args, Debug, Default)]
struct Doctor {
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Doctor { json }) = invocation.read_or_default()?;
    let findings = doctor::examine(&context)?;
    let worst = findings.iter().map(|finding| finding.level).max();
    if json {
        context.out.document(json!({ "findings": findings }));
    } else {
        let paint = context.out.paint;
        for finding in &findings {
            let (word, style) = match finding.level {
                Level::Good => ("ok  ", Style::GREEN),
                Level::Warning => ("warn", Style::YELLOW),
                Level::Bad => ("bad ", Style::RED),
            };
            context.out.line(&format!(
                "{}  {:<11}  {}",
                paint.paint(style, word),
                finding.subject,
                finding.what
            ));
            if let Some(advice) = &finding.advice {
                context.out.line(&format!("{:19}→ {advice}", ""));
            }
        }
    }
    if worst == Some(Level::Bad) { Err(Failure::Exit(1)) } else { Ok(()) }
}
