//! The first text of config.env, and what one that is there lacks.

use crate::config::{Outlook, Sources, variable};

/// An API key that nobody can guess.
pub fn new_api_key() -> String {
    rand::random::<[u8; 24]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a new file.
pub fn text(api_key: &str, secret: &str) -> String {
    format!(
        "# Settings of nanio-orchestrator. All of them: nanio-orchestrator config show\n\
         # Each is in force after: systemctl restart nanio-orchestrator\n\
         \n\
         # Whoever has it can do everything that the API and the web UI can.\n\
         {}={api_key}\n\
         \n\
         # Encrypts the S3 keys of pools. Keep a copy elsewhere: without it they cannot be read.\n\
         {}={secret}\n",
        variable("api_key"),
        variable("secret")
    )
}

/// What a file that is there lacks, with the command that adds it.
pub fn lacks(sources: &Sources) -> Vec<String> {
    let outlook = Outlook::of(sources);
    let mut lacks = Vec::new();
    if outlook.text("api_key").is_none_or(|key| key == "changeme") {
        lacks.push(
            "it has no API key of its own, without which no server starts; as root: nanio-orchestrator config set \
             api_key \"$(od -An -N24 -tx1 /dev/urandom | tr -d ' \\n')\""
                .to_owned(),
        );
    }
    if outlook.text("secret").is_none() {
        lacks.push(
            "it has no SECRET, without which no S3 keys of pools can be stored; as root: nanio-orchestrator config \
             generate-secret --set"
                .to_owned(),
        );
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EnvFile, Settings};

    fn sources(text: &str) -> Sources {
        let file = EnvFile { path: "config.env".to_owned(), text: text.to_owned() };
        Sources { production_file: Some(file), ..Sources::default() }
    }

    #[test]
    fn a_server_starts_with_what_is_written() {
        let key = new_api_key();
        let text = text(&key, &fernet::Fernet::generate_key());
        let settings = Settings::from_sources(&sources(&text)).unwrap();
        assert_eq!(settings.api_key.reveal(), key);
        assert!(settings.secret.is_some());
        assert_eq!(lacks(&sources(&text)), Vec::<String>::new());
        assert!(key.len() == 48 && key != new_api_key());
    }

    #[test]
    fn what_a_file_lacks_is_told_with_the_command_that_adds_it() {
        let lacking = lacks(&sources("NANIO_ORCHESTRATOR_API_KEY=changeme\n"));
        assert_eq!(lacking.len(), 2);
        assert!(lacking[0].contains("config set api_key") && lacking[1].contains("generate-secret --set"));
        assert_eq!(lacks(&sources("NANIO_ORCHESTRATOR_API_KEY=k\n")).len(), 1);
    }
}
