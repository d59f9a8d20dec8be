//! The env file, and settings made from whatever it says.

use std::collections::HashMap;

use nanio_orchestrator::config::env_file::{Assignment, parse};
use nanio_orchestrator::config::{SETTINGS, Settings, Sources, variable};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{config, mutated, mutations};

const FILE: &str = "# nanio-orchestrator\nNANIO_ORCHESTRATOR_API_KEY='a key'\nNANIO_ORCHESTRATOR_PORT=8080\n; note\n\
    NANIO_ORCHESTRATOR_DB_PATH=\"/opt/a \\\"b\\\"/x.db\"\nNANIO_ORCHESTRATOR_LOG_LEVEL = in\\\nfo \n export X=1\nnothing\n";

const WORDS: &[&str] =
    &["'", "\"", "\\", "\n", "\r\n", "\r", "=", "#", ";", " ", "\t", "$", "`", "\\\n", "A=", "é", "\u{0}", "\u{feff}"];

/// An assignment in a form that means the same whatever the value holds.
fn written(assignment: &Assignment) -> String {
    let mut text = format!("{}=\"", assignment.key);
    for c in assignment.value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text + "\"\n"
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let read = parse(text);
    for assignment in &read {
        // Nothing is invented: what is read stands in the text, but for quotes and backslashes.
        let mut rest = text.chars();
        prop_assert!(assignment.value.chars().all(|c| rest.any(|other| other == c)), "{assignment:?}");
        prop_assert!(text.contains(&assignment.key) && !assignment.key.is_empty(), "{assignment:?}");
        prop_assert!(assignment.line >= 1 && assignment.line <= text.matches('\n').count() + 1, "{assignment:?}");
    }
    let pairs = |all: &[Assignment]| -> Vec<(String, String)> {
        all.iter().map(|one| (one.key.clone(), one.value.clone())).collect()
    };
    let again: String = read.iter().map(written).collect();
    prop_assert_eq!(pairs(&parse(&again)), pairs(&read), "{}", again);
    Ok(())
}

proptest! {
    #![proptest_config(config("tests/fuzz/seeds/env_file.txt"))]

    #[test]
    fn any_text_is_an_env_file_of_what_stands_in_it(text in "[A-C='\"\\\\#; \n\r\t$`é]{0,60}") {
        check(&text)?;
    }

    #[test]
    fn a_damaged_env_file_says_what_stands_in_it(mutations in mutations(WORDS)) {
        check(&mutated(FILE, &mutations))?;
    }

    #[test]
    fn any_value_of_a_setting_is_taken_or_named(
        values in prop::collection::vec((any::<Index>(), prop_oneof![
            "[0-9a-z+:/@._ -]{0,24}",
            "-?[0-9]{1,25}",
            "\\PC{0,20}",
            Just("true".to_owned()),
            "(postgres|http)://[a-z:@]{0,9}/?[a-z?=&%]{0,9}",
        ]), 0..5)
    ) {
        let mut environment = HashMap::from([(variable("api_key"), "a key of the tests".to_owned())]);
        for (setting, value) in &values {
            environment.insert(variable(setting.get(SETTINGS).key), value.clone());
        }
        match Settings::from_sources(&Sources { environment, ..Sources::default() }) {
            Ok(settings) => prop_assert!(settings.port != 0),
            Err(error) => prop_assert!(error.to_string().contains("NANIO_ORCHESTRATOR_"), "{error}"),
        }
    }
}
