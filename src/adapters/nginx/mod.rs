//! nginx: files rendered and parsed, candidates tested, reloads proven.

pub mod command;
pub mod content;
mod delta;
pub mod disk;
pub mod family;
pub mod gateway;
pub mod intent;
pub mod main_conf;
pub mod moves;
mod own_text;
pub mod parse;
pub mod parse_v04;
pub mod pieces;
pub mod proof;
mod reload;
pub mod remains;
pub mod render;
pub mod routing;
pub mod running;
pub mod sidecar;
pub mod snippet;
pub mod stage;
pub mod text;
pub mod tree;
pub mod unkept;
pub mod workers;
pub mod write;
