//! README and the book are true: what is made from the code is fresh, and what they name is there.

mod book;
mod markdown;
mod names;

use std::process::Command;

#[test]
fn docs_configuration_is_what_the_program_says() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator")).arg("settings-docs").env_clear().output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        markdown::read("docs/configuration.md") == said,
        "docs/configuration.md is not what the program says: run `make settings-docs`"
    );
}
