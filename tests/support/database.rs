//! The database as its file holds it, read by another program than ours.

use std::path::Path;
use std::process::Command;

use super::child::project_program;

/// Every row of every table, as SQL text.
pub fn rows(database: &Path) -> String {
    let script = "import sqlite3, sys; print('\\n'.join(sqlite3.connect(sys.argv[1]).iterdump()))";
    let output = Command::new(project_program("python")).args(["-c", script]).arg(database).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
