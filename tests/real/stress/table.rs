//! The table of disturbances in the documentation, row by row.

use std::collections::BTreeSet;
use std::path::Path;

/// The words of a row as the name of a test.
fn name_of(words: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    words.trim().chars().map(letter).collect()
}

#[test]
fn each_row_of_the_documentation_has_a_test_and_each_test_a_row() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(top.join("docs/migration.md")).unwrap();
    let (_, section) = text.split_once("## In bad company").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let rows: BTreeSet<String> = rows.map(|row| name_of(row.split('|').next().unwrap())).collect();
    let mut tests = BTreeSet::new();
    for file in ["crowds", "disks", "keys", "nodes", "slow", "uploads", "workers"] {
        let source = std::fs::read_to_string(top.join(format!("tests/real/stress/{file}.rs"))).unwrap();
        let functions = source.split("#[test]\nfn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned());
        tests.extend(functions);
    }
    assert_eq!(rows, tests);
}
