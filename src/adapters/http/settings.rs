//! `/api/config/settings`: what runs, what the next start will make of the env file, and the restart between them.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Adjusting, Failure, Reading, Restarting};
use super::fault::Fault;
use super::fields::{Field, Fields, Request};
use super::params::{Path, PathPart};
use super::reply::Shown;
use super::schema::{Described, about, inline, nullable, object, view};
use crate::config::{Kind, SETTINGS};
use crate::domain::services::settings::ChangedSetting;
use crate::domain::services::{ServiceError, Services};
use crate::domain::setting::{Setting, SettingOrigin, SettingValue, SettingsReport};

view! {
    /// One setting: what runs, and what the next start will make of it.
    SettingView as "Setting" {
        /// Its short name.
        key: String,
        /// Its environment variable, which is also its name in the env file.
        variable: String,
        /// What it means.
        description: String,
        /// The value that runs; null: unset. Secrets are masks: the first four characters and `****`.
        value: Option<SettingValue>,
        /// Where that came from.
        origin: SettingOrigin,
        /// Whether the next start will have another value.
        pending: bool,
        /// The value of the next start, if `pending`; null: unset.
        pending_value: Option<SettingValue>,
        /// Whether the values are masks.
        masked: bool,
        /// Whether it can be changed here; the others are changed on the machine.
        editable: bool,
    }
}

view! {
    /// Settings that belong together.
    CategoryView as "SettingCategory" {
        /// Its heading.
        name: String,
        /// Its settings, in the order in which they are shown.
        settings: Vec<SettingView>,
    }
}

view! {
    /// A setting that was changed in the env file.
    ChangedView as "ChangedSetting" {
        /// Always true.
        ok: bool,
        /// Its short name.
        key: String,
        /// Its new value, masked if it is a secret; null: unset.
        value: Option<String>,
        /// Whether a restart will put another value into force than what runs.
        restart_required: bool,
        /// What is stronger than the env file, so that the change has no effect while it is there.
        overridden_by: Option<String>,
        /// What became of it, for a person.
        message: String,
    }
}

view! {
    /// A restart that was asked for.
    RestartView as "Restart" {
        /// Always true.
        ok: bool,
        /// What happens now, for a person.
        message: String,
    }
}

impl From<Setting> for SettingView {
    fn from(setting: Setting) -> Self {
        Self {
            key: setting.key.to_owned(),
            variable: setting.variable,
            description: setting.description.to_owned(),
            value: setting.value,
            origin: setting.origin,
            pending: setting.pending.is_some(),
            pending_value: setting.pending.flatten(),
            masked: setting.masked,
            editable: !setting.guarded,
        }
    }
}

impl From<ChangedSetting> for ChangedView {
    fn from(changed: ChangedSetting) -> Self {
        let staged = changed.staged;
        let message = match (&staged.overridden_by, staged.pending) {
            (Some(stronger), _) => {
                format!("Written; without effect as long as {stronger} has another value")
            }
            (None, true) => "Written; in force after a restart".to_owned(),
            (None, false) => "Written; this is the value that runs".to_owned(),
        };
        Self {
            ok: true,
            key: changed.key.to_owned(),
            value: staged.after,
            restart_required: staged.pending,
            overridden_by: staged.overridden_by,
            message,
        }
    }
}

/// All settings: one field each, as in 0.4.x, and the same again with all that is to be said of each.
pub struct SettingsView(SettingsReport);

impl Serialize for SettingsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = &self.0;
        let mut map = serializer.serialize_map(None)?;
        for setting in &report.settings {
            match setting.key {
                "db_backup_path" => map.serialize_entry(setting.key, &report.backup_path)?,
                // 0.4.x has an empty text where nothing is set.
                "migration_bandwidth_limit" if setting.value.is_none() => map.serialize_entry(setting.key, "")?,
                key => map.serialize_entry(key, &setting.value)?,
            }
        }
        map.serialize_entry("dev", &report.dev)?;
        map.serialize_entry("dev_mode", &report.dev)?;
        map.serialize_entry("config_file", &report.file)?;
        map.serialize_entry("problems", &report.problems)?;
        map.serialize_entry("categories", &categories(&report.settings))?;
        map.end()
    }
}

fn categories(settings: &[Setting]) -> Vec<CategoryView> {
    let mut categories: Vec<CategoryView> = Vec::new();
    for setting in settings {
        let view = SettingView::from(setting.clone());
        match categories.last_mut().filter(|category| category.name == setting.category) {
            Some(category) => category.settings.push(view),
            None => categories.push(CategoryView { name: setting.category.to_owned(), settings: vec![view] }),
        }
    }
    categories
}

impl Described for SettingsView {
    fn schema() -> MetaSchemaRef {
        MetaSchemaRef::Reference("Settings".to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>("Settings".to_owned(), |registry| {
            CategoryView::register(registry);
            let mut properties: Vec<(&'static str, MetaSchemaRef)> = SETTINGS
                .iter()
                .map(|setting| {
                    let schema = match setting.kind {
                        Kind::Text => String::schema(),
                        Kind::Number => i64::schema(),
                        Kind::Flag => bool::schema(),
                    };
                    (setting.key, nullable(about(schema, setting.description())))
                })
                .collect();
            properties.extend([
                ("dev", about(bool::schema(), "Whether the program runs in dev mode.")),
                ("dev_mode", about(bool::schema(), "The same.")),
                ("config_file", about(String::schema(), "The env file, whether or not it is there.")),
                (
                    "problems",
                    about(Vec::<String>::schema(), "Why the next start would be refused; empty: it would not."),
                ),
                ("categories", about(Vec::<CategoryView>::schema(), "Each setting with all that is to be said of it.")),
            ]);
            let required = properties.iter().map(|(name, _)| *name).collect();
            object("The settings that run, secrets masked.", properties, required)
        });
    }
}

impl Described for SettingValue {
    fn schema() -> MetaSchemaRef {
        let any_of = ["string", "integer", "boolean"].map(|name| inline(MetaSchema::new(name))).to_vec();
        inline(MetaSchema { any_of, ..MetaSchema::ANY })
    }
}

impl Described for Scalar {
    fn schema() -> MetaSchemaRef {
        SettingValue::schema()
    }
}

/// A string, number or truth value, as the text that stands in the env file. It may be a secret: no `Debug`.
pub(super) struct Scalar(String);

impl Field for Scalar {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        match value {
            Value::String(text) => Ok(Self(text.clone())),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(flag.to_string())),
            _ => Err(vec![Fault::new("string_type", "Input should be a string, a number or a boolean", value)]),
        }
    }
}

/// The new value of a setting; `None`: none was given.
struct NewValue(Option<String>);

impl Request for NewValue {
    const NAME: &'static str = "NewSetting";
    const ABOUT: &'static str = "The new value of a setting.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let words = "The value; null or empty: unset, so that the default holds.";
        let value = fields.clearable::<Scalar>("value", words);
        Some(Self(value.map(|value| value.map_or_else(String::new, |Scalar(text)| text))))
    }
}

/// The name of a setting in a path.
struct SettingKey(String);

impl PathPart for SettingKey {
    fn schema() -> MetaSchemaRef {
        String::schema()
    }

    fn read(written: &str) -> Result<Self, Vec<Fault>> {
        Ok(Self(written.to_owned()))
    }
}

/// The operations on settings.
pub struct SettingsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl SettingsApi {
    /// Show the settings
    ///
    /// What runs, with secrets masked, and what the next start will make of the env file.
    #[oai(path = "/config/settings", method = "get", operation_id = "get_settings")]
    async fn show(&self, _caller: Caller) -> Result<Shown<SettingsView>, Failure<Reading>> {
        Ok(Shown(SettingsView(self.0.settings.report().await?)))
    }

    /// Change a setting
    ///
    /// In the env file, for the next start. 422 if the next start would be refused because of it, 403 for settings that
    /// are changed on the machine only. Nothing has changed then.
    #[oai(path = "/config/settings/:key", method = "put", operation_id = "update_setting")]
    async fn set(
        &self,
        caller: Caller,
        /// Its short name or its variable, in whatever case.
        key: Path<SettingKey>,
        new: JsonBody<NewValue>,
    ) -> Result<Shown<ChangedView>, Failure<Adjusting>> {
        let value = new.0.0.ok_or_else(|| ServiceError::Refused("value: Field required".to_owned()))?;
        let services = self.0.clone();
        // A client that hangs up does not stop it half-way.
        let set = tokio::spawn(async move { services.settings.set(caller.0, &key.0.0, &value).await });
        let changed = set.await.unwrap_or_else(|stopped| Err(ServiceError::Unavailable(stopped.to_string())))?;
        Ok(Shown(changed.into()))
    }

    /// Restart the service
    ///
    /// A moment after the answer, by systemd, so that what is pending comes into force. 503 where that is not possible.
    #[oai(path = "/config/settings/restart", method = "post", operation_id = "restart_service")]
    async fn restart(&self, caller: Caller) -> Result<Shown<RestartView>, Failure<Restarting>> {
        self.0.settings.restart(caller.0).await?;
        let message = "The service restarts in a moment; nginx goes on serving".to_owned();
        Ok(Shown(RestartView { ok: true, message }))
    }
}
