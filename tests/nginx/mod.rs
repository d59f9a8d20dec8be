//! Rendering, parsing, staging, against the value generators and the real nginx.

mod edits;
mod gateway;
mod inverse;
mod reading;
mod remains;
mod sidecars;
mod v0_4;
