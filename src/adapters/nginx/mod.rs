//! nginx: files rendered and parsed, candidates tested, reloads proven.

pub mod parse;
pub mod render;
pub mod snippet;
pub mod text;
