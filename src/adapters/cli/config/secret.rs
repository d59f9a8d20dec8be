//! `config generate-secret`.

use super::{Fault, print, tell_when};
use crate::adapters::cli::say;
use crate::adapters::settings::EnvSettings;
use crate::config::{Outlook, Setting};

/// A new Fernet key.
pub(super) fn generate() -> String {
    fernet::Fernet::generate_key()
}

/// Makes a key, prints it, and writes it to the env file. A key that is there is not replaced unawares: it alone can
/// read the credentials that were stored with it.
pub(super) fn set(file: &EnvSettings, force: bool) -> Result<(), Fault> {
    let setting = Setting::named("secret").ok_or("there is no setting `secret`")?;
    let text = file.text()?;
    let outlook = Outlook::of(&file.sources().next_start(text.as_deref()));
    if outlook.text(setting.key).is_some() && !force {
        return Err(format!(
            "{name} is set already, and what was encrypted with it can be read with it only. Nothing was changed.\n  To \
             change keys: put the new key in front of the old one, separated by a comma (the first encrypts, all \
             decrypt):\n    nanio-orchestrator config set secret \"$(nanio-orchestrator config generate-secret),\
             $(nanio-orchestrator config get secret)\"\n  To give up what was encrypted: \
             nanio-orchestrator config generate-secret --set --force",
            name = setting.variable()
        )
        .into());
    }
    let key = generate();
    file.set(setting, &key)?;
    print(&key);
    say(&format!("✓ Written to {} as {}", file.path().display(), setting.variable()));
    tell_when(file);
    Ok(())
}
