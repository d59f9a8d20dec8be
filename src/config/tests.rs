//! The promises of settings as a whole.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| {
            let name = if *key == "DEV" { "DEV".to_owned() } else { format!("{PREFIX}{key}") };
            (name, (*value).to_owned())
        })
        .collect()
}

fn production(text: &str) -> Sources {
    Sources { production_file: Some(EnvFile { path: PRODUCTION_FILE.into(), text: text.into() }), ..Sources::default() }
}

fn dev(text: &str) -> Sources {
    Sources { dev_file: Some(EnvFile { path: DEV_FILE.into(), text: text.into() }), ..Sources::default() }
}

fn read(sources: &Sources) -> Settings {
    Settings::from_sources(sources).expect("these settings are valid")
}

fn refused(sources: &Sources) -> String {
    Settings::from_sources(sources).expect_err("these settings are not valid").to_string()
}

#[test]
fn defaults_are_those_of_the_reference() {
    let settings = read(&production("NANIO_ORCHESTRATOR_API_KEY=k"));
    assert_eq!(settings.listen_address(), "0.0.0.0:8080");
    assert_eq!(settings.session_ttl, Duration::from_secs(28_800));
    assert_eq!(settings.db_path.to_str(), Some("/opt/nanio-orchestrator/data/orchestrator.db"));
    assert_eq!(settings.backup_path().to_str(), Some("/opt/nanio-orchestrator/data/orchestrator.db.bak"));
    assert_eq!(settings.nginx_config_dir.to_str(), Some("/etc/nginx/nanio"));
    assert_eq!(settings.nginx_sudo, NginxSudo::Auto);
    assert_eq!(settings.migration_hold_target_ms, Duration::from_millis(300));
    assert!(!settings.dev && settings.secret.is_none() && settings.log_file.is_none());
    assert_eq!(SETTINGS.len(), 44);
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let mut sources =
        production("NANIO_ORCHESTRATOR_API_KEY=file\nNANIO_ORCHESTRATOR_PORT=1\nNANIO_ORCHESTRATOR_HOST=::1");
    assert_eq!(read(&sources).listen_address(), "[::1]:1");
    sources.environment = environment(&[("PORT", "2"), ("API_KEY", "environment")]);
    let settings = read(&sources);
    assert_eq!((settings.port, settings.api_key.reveal()), (2, "environment"));
    sources.flags = vec![("port".into(), "3".into())];
    let settings = read(&sources);
    assert_eq!(settings.port, 3);
    assert_eq!(settings.effective("port").map(|e| e.origin.to_string()), Some("command line, --port".into()));
    assert_eq!(
        settings.effective("host").map(|e| e.origin.to_string()),
        Some("/etc/nanio-orchestrator/config.env, line 3".into())
    );
}

#[test]
fn nothing_is_cut_at_a_hash() {
    let mut sources =
        production("NANIO_ORCHESTRATOR_API_KEY=ab#cd\nNANIO_ORCHESTRATOR_S3_SECRET_KEY='a # \"b\" \\ $c'");
    let settings = read(&sources);
    assert_eq!(settings.api_key.reveal(), "ab#cd");
    assert_eq!(settings.s3_secret_key.as_ref().map(Secret::reveal), Some("a # \"b\" \\ $c"));
    sources.environment = environment(&[("API_KEY", "x#y")]);
    assert_eq!(read(&sources).api_key.reveal(), "x#y");
}

#[test]
fn every_bad_value_is_named_at_once_with_origin_and_what_is_allowed() {
    let mut sources = production(
        "# comment\nNANIO_ORCHESTRATOR_API_KEY=k\nNANIO_ORCHESTRATOR_PORT=70000\nNANIO_ORCHESTRATOR_SECRET=hunter2hunter2\n\
         NANIO_ORCHESTRATOR_DATABASE_URL=mysql://u:topsecret@h/d",
    );
    sources.environment = environment(&[("LOG_LEVEL", "warn")]);
    let error = refused(&sources);
    let file = PRODUCTION_FILE;
    for part in [
        format!("NANIO_ORCHESTRATOR_PORT=\"70000\" ({file}, line 3): must be a whole number from 1 to 65535"),
        format!("NANIO_ORCHESTRATOR_SECRET=\"hunt****\" ({file}, line 4): must be one Fernet key"),
        format!("NANIO_ORCHESTRATOR_DATABASE_URL=\"mysql://u:tops****@h/d\" ({file}, line 5): must be postgres://"),
        "NANIO_ORCHESTRATOR_LOG_LEVEL=\"warn\" (environment): must be debug, info, warning or error".to_owned(),
    ] {
        assert!(error.contains(&part), "{part}\nnot in\n{error}");
    }
    assert!(!error.contains("hunter2") && !error.contains("topsecret"));
}

#[test]
fn a_production_start_without_a_key_of_its_own_is_refused_and_told_what_to_run() {
    for text in ["", "NANIO_ORCHESTRATOR_API_KEY=", "NANIO_ORCHESTRATOR_API_KEY=changeme"] {
        let error = refused(&production(text));
        assert!(error.contains("NANIO_ORCHESTRATOR_API_KEY") && error.contains("nanio-orchestrator demo"), "{error}");
    }
    assert!(refused(&Sources::default()).contains("changeme"));
}

#[test]
fn a_missing_production_file_is_not_dev_mode() {
    let sources = Sources { environment: environment(&[("API_KEY", "k")]), ..Sources::default() };
    assert!(!read(&sources).dev);
}

#[test]
fn dev_mode_is_asked_for_by_dev_env_or_by_dev_and_has_defaults_of_its_own() {
    for sources in [dev(""), Sources { environment: environment(&[("DEV", "True")]), ..Sources::default() }] {
        let settings = read(&sources);
        assert!(settings.dev);
        assert_eq!(settings.api_key.reveal(), "dev");
        assert_eq!(settings.db_path.to_str(), Some("dev-data/orchestrator.db"));
        assert_eq!(settings.nginx_config_dir.to_str(), Some("dev-data/nginx"));
        assert!(settings.warnings().iter().any(|w| w.contains("well-known")), "{:?}", settings.warnings());
    }
    let sources = Sources { environment: environment(&[("DEV", "off"), ("API_KEY", "k")]), ..Sources::default() };
    assert!(!read(&sources).dev);
}

#[test]
fn the_prefixed_variable_decides_over_both() {
    let mut sources = dev("NANIO_ORCHESTRATOR_API_KEY=of-dev-env");
    sources.production_file =
        Some(EnvFile { path: PRODUCTION_FILE.into(), text: "NANIO_ORCHESTRATOR_API_KEY=of-production".into() });
    sources.environment = environment(&[("DEV", "false")]);
    sources.environment.insert(format!("{PREFIX}DEV"), "false".into());
    let settings = read(&sources);
    assert!(!settings.dev);
    assert_eq!(settings.api_key.reveal(), "of-production");
    sources.environment = HashMap::from([(format!("{PREFIX}DEV"), "true".into())]);
    sources.dev_file = None;
    let settings = read(&sources);
    assert!(settings.dev);
    assert_eq!(settings.api_key.reveal(), "dev");
}

#[test]
fn an_unreadable_dev_switch_is_a_problem_and_never_dev_mode() {
    let sources = Sources { environment: HashMap::from([(format!("{PREFIX}DEV"), "maybe".into())]), ..dev("") };
    let error = refused(&sources);
    assert!(error.contains("NANIO_ORCHESTRATOR_DEV=\"maybe\" (environment): must be true or false"), "{error}");
    assert!(error.contains("NANIO_ORCHESTRATOR_API_KEY"), "{error}");
}

#[test]
fn half_a_tls_pair_and_a_relative_nginx_directory_are_refused() {
    let sources = production(
        "NANIO_ORCHESTRATOR_API_KEY=k\nNANIO_ORCHESTRATOR_TLS_CERT=/c\nNANIO_ORCHESTRATOR_NGINX_CONFIG_DIR=nginx",
    );
    let error = refused(&sources);
    assert!(error.contains("NANIO_ORCHESTRATOR_TLS_KEY: must be set too"), "{error}");
    assert!(error.contains("NANIO_ORCHESTRATOR_NGINX_CONFIG_DIR: must be an absolute path"), "{error}");
}

#[test]
fn names_are_case_insensitive_and_unknown_ones_are_told() {
    let sources = production("nanio_orchestrator_api_key=k\nNANIO_ORCHESTRATOR_PROT=1\nOTHER=2");
    let settings = read(&sources);
    assert_eq!(settings.api_key.reveal(), "k");
    assert_eq!(settings.warnings().len(), 1);
    assert!(settings.warnings()[0].contains("NANIO_ORCHESTRATOR_PROT (/etc/nanio-orchestrator/config.env, line 2)"));
}

#[test]
fn what_the_service_manager_made_of_the_file_is_told_as_the_files() {
    let mut sources = production("NANIO_ORCHESTRATOR_API_KEY=k\nNANIO_ORCHESTRATOR_PORT=70000\n");
    sources.environment = environment(&[("PORT", "70000"), ("API_KEY", "other"), ("CONFIG_FILE", PRODUCTION_FILE)]);
    assert!(
        refused(&sources).contains("NANIO_ORCHESTRATOR_PORT=\"70000\" (/etc/nanio-orchestrator/config.env, line 2)")
    );
    // At the next start it makes them anew; what came from elsewhere stays.
    let next = read(&sources.next_start(Some("NANIO_ORCHESTRATOR_API_KEY=k\nNANIO_ORCHESTRATOR_PORT=81\n")));
    assert_eq!((next.port, next.api_key.reveal()), (81, "other"));
    assert_eq!(next.warnings(), [""; 0]);
    assert_eq!(sources.next_start(None).file(), None);
}

#[test]
fn a_setting_is_found_by_either_name_in_whatever_case() {
    for name in ["log_level", "LOG_LEVEL", "NANIO_ORCHESTRATOR_LOG_LEVEL", " nanio_orchestrator_Log_level "] {
        assert_eq!(Setting::named(name).map(|setting| setting.key), Some("log_level"), "{name}");
    }
    assert!(Setting::named("level").is_none() && Setting::named("").is_none());
    let guarded: Vec<&str> =
        SETTINGS.iter().filter(|setting| setting.is_guarded()).map(|setting| setting.key).collect();
    assert_eq!(guarded.len(), 14, "every name of the list is that of a setting: {guarded:?}");
}

#[test]
fn no_secret_is_in_the_debug_form_of_settings() {
    let sources = production(&format!(
        "NANIO_ORCHESTRATOR_API_KEY=keykeykey\nNANIO_ORCHESTRATOR_SECRET={KEY}\nNANIO_ORCHESTRATOR_S3_SECRET_KEY=s3s3s3s3\n\
         NANIO_ORCHESTRATOR_DATABASE_URL=postgres://u:topsecret@h/d\nNANIO_ORCHESTRATOR_METRICS_TOKEN=tokentoken"
    ));
    let debug = format!("{:?} {sources:?}", read(&sources));
    for secret in ["keykeykey", KEY, "s3s3s3s3", "topsecret", "tokentoken"] {
        assert!(!debug.contains(secret), "{secret} in {debug}");
    }
}

#[test]
fn every_default_passes_its_own_check() {
    for setting in SETTINGS {
        let presets = match setting.preset {
            Preset::Unset => vec![],
            Preset::Same(text) => vec![text],
            Preset::ByMode { production, dev } => vec![production, dev],
        };
        for text in presets {
            assert_eq!(setting.check(text), Ok(()), "{}", setting.key);
        }
        assert!(!setting.description().is_empty());
    }
}

proptest! {
    #[test]
    fn any_file_gives_settings_or_an_error_and_never_a_panic(text in any::<String>(), values in proptest::collection::vec((0..SETTINGS.len(), any::<String>()), 0..8)) {
        let mut sources = production(&text);
        for (row, value) in values {
            sources.environment.insert(SETTINGS[row].variable(), value);
        }
        let _ = Settings::from_sources(&sources);
    }

    #[test]
    fn a_bad_secret_is_never_in_the_error(secret in "[a-z]{4}[A-Z]{8,32}") {
        let sources = production(&format!("NANIO_ORCHESTRATOR_API_KEY=k\nNANIO_ORCHESTRATOR_SECRET={secret}"));
        let error = refused(&sources);
        prop_assert!(!error.contains(&secret[4..]), "{}", error);
    }
}
