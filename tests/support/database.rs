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

/// The names of the pools in a database that nobody has open, which is not changed by the look.
pub fn pools(database: &Path) -> Result<Vec<String>, String> {
    let script = "import sqlite3, sys, urllib.parse as u; \
        c = sqlite3.connect('file:' + u.quote(sys.argv[1]) + '?mode=ro&immutable=1', uri=True); \
        assert c.execute('PRAGMA integrity_check').fetchall() == [('ok',)]; \
        print('\\n'.join(name for name, in c.execute('SELECT name FROM pools ORDER BY id')))";
    let output = Command::new(project_program("python")).args(["-c", script]).arg(database).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}
