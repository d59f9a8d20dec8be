//! A change of one setting in the env file, thought through to the next start before anything is written.

use std::collections::BTreeMap;
use std::fmt;

use super::env_file::{AssignError, assign};
use super::problem::Problem;
use super::reader::{Effective, Origin};
use super::sources::Sources;
use super::table::Setting;
use super::{Examined, examine};

/// A new text of the env file. `Debug` leaves the text out: it holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The whole text.
    pub text: String,
    /// The value in force at the next start without the change, as it may be shown.
    pub before: Option<String>,
    /// The value that the file gives now, as it may be shown; `None`: unset, so the default holds.
    pub after: Option<String>,
    /// What is stronger than the file and has another value, so that the change has no effect.
    pub overridden: Option<Origin>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("before", &self.before).field("after", &self.after).finish_non_exhaustive()
    }
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The text cannot hold it.
    #[error("{path}: {error}")]
    Text {
        /// The env file.
        path: String,
        /// Why.
        error: AssignError,
    },
    /// The program would not start with it.
    #[error("nothing was changed, since the next start would be refused:{}", told(.0))]
    Refused(Vec<Problem>),
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// What the next start will make of the sources.
pub struct Outlook {
    /// Each setting, also where the start would be refused.
    pub effective: BTreeMap<&'static str, Effective>,
    /// Why it would be refused.
    pub problems: Vec<Problem>,
}

impl Outlook {
    /// The outlook on these sources.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let Examined { problems, effective, .. } = examine(sources);
        Self { effective, problems }
    }

    /// What is wrong now with values that were sound in `before`.
    pub fn problems_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Problem> {
        self.problems.iter().filter(|problem| !before.knows(problem))
    }

    /// Whether this, or something else about the same value, is wrong.
    fn knows(&self, problem: &Problem) -> bool {
        match problem.key {
            Some(key) => self.problems.iter().any(|known| known.key == Some(key)),
            None => self.problems.contains(problem),
        }
    }

    /// A value as it was written.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.effective.get(key).and_then(|effective| effective.text.as_deref())
    }
}

impl Change {
    /// The change of `setting` to `value` (empty: unset) in an env file that holds `text` now, for a program that was
    /// started with `sources`.
    ///
    /// # Errors
    /// The value is not one line, or the next start would be refused because of it. Faults that are there already do
    /// not count, so that a broken file can be mended one value at a time.
    pub fn of(
        sources: &Sources,
        text: Option<&str>,
        setting: &'static Setting,
        value: &str,
    ) -> Result<Self, ChangeError> {
        let path = || sources.file_path().to_owned();
        let new = assign(text.unwrap_or_default(), &setting.variable(), value)
            .map_err(|error| ChangeError::Text { path: path(), error })?;
        let (before, next) = (Outlook::of(&sources.next_start(text)), sources.next_start(Some(&new)));
        let mut after = Outlook::of(&next);
        // What stands in the file must be sound also where something stronger covers it up today.
        if !value.is_empty()
            && let Err(allowed) = setting.check(value)
        {
            let origin = Origin::File { path: path(), line: line_of(&new, setting) };
            after.problems.retain(|problem| problem.key != Some(setting.key));
            after.problems.push(Problem::new(setting, value, &origin, &allowed));
        }
        let own = |problem: &&Problem| problem.key == Some(setting.key);
        let new_problems: Vec<Problem> =
            after.problems.iter().filter(|p| own(p) || !before.knows(p)).cloned().collect();
        if !new_problems.is_empty() {
            return Err(ChangeError::Refused(new_problems));
        }
        let shown = |text: &str| setting.mask(text);
        let overridden = after.effective.get(setting.key).and_then(|effective| match &effective.origin {
            Origin::Flag(_) | Origin::Environment => Some(effective.origin.clone()),
            Origin::File { .. } | Origin::Default => None,
        });
        Ok(Self {
            text: new,
            before: before.text(setting.key).map(shown),
            after: (!value.is_empty()).then(|| shown(value)),
            overridden,
        })
    }
}

fn line_of(text: &str, setting: &Setting) -> usize {
    let name = setting.variable();
    super::env_file::parse(text).iter().rev().find(|a| a.key == name).map_or(1, |a| a.line)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::{EnvFile, SETTINGS, variable};
    use super::*;

    fn sources(text: &str, environment: &[(&str, &str)]) -> Sources {
        let environment: HashMap<String, String> =
            environment.iter().map(|(key, value)| (variable(key), (*value).to_owned())).collect();
        let file = EnvFile { path: "/etc/x.env".to_owned(), text: text.to_owned() };
        let production_path = Some(file.path.clone());
        Sources { environment, production_file: Some(file), production_path, ..Sources::default() }
    }

    fn change(sources: &Sources, key: &str, value: &str) -> Result<Change, String> {
        let text = sources.production_file.as_ref().map(|file| file.text.clone());
        let setting = Setting::named(key).unwrap();
        Change::of(sources, text.as_deref(), setting, value).map_err(|error| error.to_string())
    }

    const KEY: &str = "NANIO_ORCHESTRATOR_API_KEY=a-key\n";

    #[test]
    fn a_change_shows_masks_and_keeps_the_value_itself() {
        let sources = sources(KEY, &[]);
        let changed = change(&sources, "NANIO_ORCHESTRATOR_api_key", "new#key").unwrap();
        assert_eq!((changed.before.as_deref(), changed.after.as_deref()), (Some("a-ke****"), Some("new#****")));
        assert_eq!(changed.text, "NANIO_ORCHESTRATOR_API_KEY=\"new#key\"\n");
        assert_eq!(changed.overridden, None);
    }

    #[test]
    fn f37_no_change_can_keep_the_service_from_starting() {
        let sources = sources(KEY, &[]);
        for (key, value) in [
            ("port", "abc"),
            ("log_level", "warn"),
            ("api_key", "changeme"),
            ("api_key", ""),
            ("nginx_config_dir", "nginx"),
            ("secret", "hunter2hunter2"),
            ("tls_cert", "/cert.pem"),
        ] {
            let told = change(&sources, key, value).err().unwrap_or_else(|| panic!("{key}={value} was taken"));
            assert!(told.contains("nothing was changed") && !told.contains("hunter2"), "{told}");
        }
        // Whatever is taken, the next start takes too.
        for setting in SETTINGS {
            for value in ["", "1", "x", "/x", "true", "http://x", "postgres://x"] {
                if let Ok(changed) = Change::of(&sources, Some(KEY), setting, value) {
                    assert_eq!(
                        Outlook::of(&sources.next_start(Some(&changed.text))).problems,
                        [],
                        "{setting:?} {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_broken_already_is_mended_one_value_at_a_time() {
        let sources = sources("NANIO_ORCHESTRATOR_PORT=abc\n", &[]);
        assert!(change(&sources, "log_level", "debug").is_ok());
        assert!(change(&sources, "port", "81").is_ok());
        assert!(change(&sources, "port", "xyz").is_err());
    }

    #[test]
    fn a_variable_that_was_made_from_the_file_does_not_override_it() {
        let as_a_service =
            sources(&format!("{KEY}NANIO_ORCHESTRATOR_PORT=81\n"), &[("api_key", "a-key"), ("port", "81")]);
        assert_eq!(change(&as_a_service, "port", "82").unwrap().overridden, None);
        let by_hand = sources(&format!("{KEY}NANIO_ORCHESTRATOR_PORT=81\n"), &[("port", "90")]);
        assert_eq!(change(&by_hand, "port", "82").unwrap().overridden, Some(Origin::Environment));
        let mut by_flag = sources(KEY, &[]);
        by_flag.flags = vec![("port".to_owned(), "90".to_owned())];
        assert_eq!(change(&by_flag, "port", "82").unwrap().overridden, Some(Origin::Flag("--port".to_owned())));
        let told = change(&by_flag, "port", "abc").unwrap_err();
        assert!(told.contains("NANIO_ORCHESTRATOR_PORT=\"abc\" (/etc/x.env, line 2)"), "{told}");
    }
}
