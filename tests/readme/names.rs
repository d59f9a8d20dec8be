//! What README and the book name in code font is there: commands and flags, endpoints, settings.

use clap::{Command, CommandFactory as _};
use nanio_orchestrator::adapters::cli::Arguments;
use nanio_orchestrator::config::Setting;
use serde_json::Value;

use super::markdown::{chapters, code, read, top};

const PROGRAM: &str = "nanio-orchestrator";
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// What the program serves beside what its document describes.
const BESIDE: [&str; 4] = ["/api/docs", "/api/redoc", "/api/openapi.json", "/api"];
/// Variables of the environment that are no settings, and words that only look like one.
const NO_SETTINGS: [&str; 11] = [
    "NANIO_ORCHESTRATOR_",
    "NANIO_ORCHESTRATOR_DEV",
    "NANIO_ORCHESTRATOR_CONFIG_FILE",
    "NANIO_ORCHESTRATOR_SERVER",
    "NANIO_ORCHESTRATOR_ALLOW_DOWNGRADE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "SO_PEERCRED",
    "LD_PRELOAD",
    "FUZZ_CASES",
];

/// Everything in code font, with the page that has it.
fn named() -> Vec<(String, String)> {
    let pages = chapters().into_iter().chain(["README.md".to_owned()]);
    pages.flat_map(|page| code(&read(&page)).into_iter().map(move |code| (page.clone(), code))).collect()
}

fn faults(of: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let found = named().into_iter();
    found.flat_map(|(page, code)| of(&code).into_iter().map(move |fault| format!("{page}: {fault}"))).collect()
}

/// Why a line that has the program run would be wrong usage.
fn fault_of_command(line: &str) -> Option<String> {
    let told = |what: String| Some(format!("`{}`: {what}", line.trim()));
    let mut root = Arguments::command();
    root.build();
    let mut command: &Command = &root;
    let mut is_named = true;
    for word in line.split([' ', ',', '\u{201c}']).filter(|word| !word.is_empty()) {
        // What follows is another command, or a remark.
        if ["#", "&&", "|", ";", "\\", ">", "<", ")", "\u{2192}"].contains(&word) {
            break;
        }
        if let Some(flag) = word.strip_prefix("--") {
            let name = flag.split(['=', '`', ']', ')', '|']).next().unwrap_or_default();
            let has = |command: &Command| {
                let longs = |argument: &clap::Arg| {
                    argument.get_long() == Some(name) || argument.get_all_aliases().unwrap_or_default().contains(&name)
                };
                command.get_arguments().any(longs)
            };
            if !has(command) && !has(&root) && !["help", "version"].contains(&name) {
                return told(format!("no flag --{name}"));
            }
            is_named = false;
        } else if is_named && command.has_subcommands() && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            match command.find_subcommand(word) {
                Some(below) => command = below,
                None => return told(format!("no command {word}")),
            }
        } else {
            is_named = false;
        }
    }
    None
}

/// The lines that have the program run.
fn commands(code: &str) -> Vec<&str> {
    let begins = code.match_indices(PROGRAM).filter(|(at, _)| {
        // In a path, a package's or a unit's name it is no command.
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '/' | '(')) && !code[..*at].ends_with("systemctl ")
    });
    begins.filter_map(|(at, _)| code[at + PROGRAM.len()..].strip_prefix(' ')).collect()
}

fn paths() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::from_str(&read("openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |of: &Value| of.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.iter().map(|(path, of)| (path.clone(), methods(of))).collect()
}

/// Whether an address is one of this template; a name in its place may be anything.
fn fits(template: &str, address: &str) -> bool {
    let (template, address): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), address.split('/').collect());
    let same = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
    // An address may begin with dots, or end with them: the rest has been said before.
    match &address[..] {
        [.., "\u{2026}"] => {
            address.len() <= template.len() && template.iter().zip(&address[..address.len() - 1]).all(same)
        }
        ["\u{2026}", rest @ ..] => {
            template.len() > rest.len() && template[template.len() - rest.len()..].iter().zip(rest).all(same)
        }
        _ => template.len() == address.len() && template.iter().zip(&address).all(same),
    }
}

/// Why what is in code font names an endpoint that is not there.
fn faults_of_endpoints(code: &str, paths: &[(String, Vec<String>)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut method = None;
    for word in code.split_whitespace() {
        let word = word.trim_matches(['"', '\'', '(', ')', ',', ';', ':', '.', '<', '>']);
        if METHODS.contains(&word) {
            method = Some(word);
            continue;
        }
        // A host may stand before it, but no directory.
        let at = word.find("/api").filter(|at| word[..*at].contains("://") || word.starts_with("localhost"));
        let path = at.map_or(word, |at| &word[at..]);
        let path = path.split(['?', '"']).next().unwrap_or_default();
        let is_address = path.starts_with("/api") || (path.starts_with("\u{2026}/") && method.is_some());
        if is_address && !BESIDE.contains(&path) {
            let known = paths.iter().any(|(template, methods)| {
                fits(template, path) && method.is_none_or(|method| methods.iter().any(|known| known == method))
            });
            if !known {
                faults.push(format!("`{code}`: no endpoint {} {path}", method.unwrap_or("of any method")));
            }
        }
        method = None;
    }
    faults
}

/// The words that look like settings and are none.
fn faults_of_settings(code: &str) -> Vec<String> {
    // <NAMES> stand for values.
    let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '<')));
    let looks = |word: &&str| {
        let shape = word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        shape && word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase())
    };
    let unknown = words.filter(looks).filter(|word| Setting::named(word).is_none() && !NO_SETTINGS.contains(word));
    unknown.map(|word| format!("no setting {word}")).collect()
}

#[test]
fn every_command_and_flag_that_is_named_is_there() {
    let faults = faults(|code| commands(code).into_iter().filter_map(fault_of_command).collect());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_endpoint_that_is_named_is_there() {
    let paths = paths();
    let faults = faults(|code| faults_of_endpoints(code, &paths));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_setting_that_is_named_is_there() {
    let faults = faults(faults_of_settings);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_test_that_readme_points_to_is_there() {
    let sources = sources(&["src", "tests"]);
    let is_sentence =
        |code: &str| code.matches('_').count() > 3 && code.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_test = |code: &&String| is_sentence(code) && !code.contains(|c: char| c.is_uppercase());
    let named: Vec<String> = code(&read("README.md")).iter().filter(is_test).cloned().collect();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<&String> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The text of all Rust files below these directories.
fn sources(directories: &[&str]) -> String {
    let mut directories: Vec<_> = directories.iter().map(|name| top().join(name)).collect();
    let mut text = String::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

#[test]
fn figures_of_readme_are_measured_ones() {
    let (readme, measured) = (read("README.md"), read("docs/performance.md"));
    let rows: Vec<&str> =
        readme.lines().filter(|line| line.starts_with("| whole lists") && line.contains("performance.md")).collect();
    assert_eq!(rows.len(), 1);
    for figure in rows[0].split('|').skip(2).take(2).map(str::trim) {
        assert!(measured.contains(&format!("{figure} ")), "docs/performance.md has no {figure}");
    }
}

#[test]
fn a_name_that_is_not_there_is_found() {
    for line in
        ["nanio-orchestrator pools list", "sudo nanio-orchestrator config sett x", "nanio-orchestrator plan --all"]
    {
        assert!(commands(line).into_iter().any(|line| fault_of_command(line).is_some()), "{line}");
    }
    for line in ["nanio-orchestrator pool list -o json # words", "`systemctl restart nanio-orchestrator` runs"] {
        assert!(commands(line).into_iter().all(|line| fault_of_command(line).is_none()), "{line}");
    }
    let paths = paths();
    for address in ["GET /api/pool", "PATCH /api/pools/1/x", "DELETE /api/pools", "curl localhost/api/pools/1/2"] {
        assert!(!faults_of_endpoints(address, &paths).is_empty(), "{address}");
    }
    for address in
        ["GET /api/pools/:id?x=y", "/api/pools/1/members", "POST \u{2026}/sync", "curl localhost:1/api/pools"]
    {
        assert!(faults_of_endpoints(address, &paths).is_empty(), "{address}");
    }
    assert!(!faults_of_settings("NANIO_ORCHESTRATOR_DB_PATHS=x").is_empty());
    assert!(faults_of_settings("DB_PATH and `nginx`").is_empty());
}
