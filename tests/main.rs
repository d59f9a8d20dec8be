//! Everything that is tested from outside the library.

mod process;
mod readme;
