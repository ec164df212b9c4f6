//! What was typed, in two stages: [`split`] finds the verb, [`parse`] reads what belongs to it. Only the chosen
//! verb's arguments are ever described to the parser, so that a verb starts quickly.

pub(crate) mod options;
pub(crate) mod parse;
pub(crate) mod split;
