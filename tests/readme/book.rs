//! The book is whole: its chapters are there, and links lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::markdown::{anchors, chapters, links, read, top};

/// A path without `..` and `.`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{}", path.display()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Why a link of a page leads nowhere.
fn fault(page: &str, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let directory = Path::new(page).parent().unwrap();
    let target = if target.is_empty() { PathBuf::from(page) } else { plain(&directory.join(target)) };
    if !top().join(&target).exists() {
        return Some(format!("{page}: {link}: no such file"));
    }
    // mdBook renders what is in the book's directory, and nothing beyond it.
    if page.starts_with("docs/") && !target.starts_with("docs") {
        return Some(format!("{page}: {link}: leads out of the book"));
    }
    let target = target.to_str().unwrap();
    let known = anchor.is_empty() || anchors(&read(target)).iter().any(|known| known == anchor);
    (!known).then(|| format!("{page}: {link}: no such heading"))
}

#[test]
fn every_chapter_is_there_and_in_the_table_of_contents_once() {
    let mut listed: Vec<String> = links(&read("docs/SUMMARY.md")).iter().map(|link| format!("docs/{link}")).collect();
    listed.sort();
    assert_eq!(listed, chapters());
}

#[test]
fn every_chapter_begins_with_its_title() {
    let without: Vec<String> = chapters().into_iter().filter(|page| !read(page).starts_with("# ")).collect();
    assert_eq!(without, Vec::<String>::new());
}

#[test]
fn every_link_leads_somewhere() {
    let pages = chapters().into_iter().chain(["README.md", "CONTRIBUTING.md"].map(str::to_owned));
    let faults: Vec<String> =
        pages.flat_map(|page| links(&read(&page)).into_iter().filter_map(move |link| fault(&page, &link))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_link_to_nowhere_is_found() {
    for (page, link) in [
        ("README.md", "docs/none.md"),
        ("README.md", "#no-such-heading"),
        ("docs/install.md", "migration.md#no-such-heading"),
        ("docs/install.md", "../README.md"),
    ] {
        assert!(fault(page, link).is_some(), "{page}: {link}");
    }
    for (page, link) in [("README.md", "docs/install.md#the-units"), ("docs/install.md", "https://example.org/#x")] {
        assert_eq!(fault(page, link), None);
    }
}
