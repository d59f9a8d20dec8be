//! Which process is which: a number alone may be anybody's by now.

use std::fs;

/// When a process was started, in clock ticks since the machine was (proc(5), `starttime`); `None` if it is gone or only
/// waits to be collected.
#[must_use]
pub fn birth(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may contain anything: the fields begin after the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
