//! What is known, across restarts, of uploads that were completed on the source after the switch: whether the object
//! must still be carried over, and what the source said, so that who asks again gets the same answer.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::place::{Place, fault};
use crate::domain::migration::token::Token;
use crate::ports::gate::GateError;

/// The kind of a token's file that holds this.
pub(super) const RELAY: &str = "relay";

/// How far one upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The source is being asked to complete it; whether it did is not known.
    Asked,
    /// The source did, and said this. The destination may not have the object.
    Completed(String),
    /// The source said this, and the destination has the object.
    Carried(String),
    /// The source said no.
    Refused,
}

#[derive(Serialize, Deserialize)]
struct Line {
    upload: String,
    stage: Stage,
}

/// The log of a token.
pub(super) struct RelayLog {
    path: PathBuf,
}

impl RelayLog {
    pub fn of(place: &Place, token: &Token) -> Self {
        Self { path: place.file(token, RELAY) }
    }

    /// How far an upload is; `None`: nobody has asked to complete it.
    pub fn stage(&self, upload: &str) -> Result<Option<Stage>, GateError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("read", &self.path, &error)),
        };
        // A line that a crash has cut short was never acted upon.
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        Ok(lines.rev().find(|line| line.upload == upload).map(|line| line.stage))
    }

    /// Notes a stage, lasting when it returns.
    pub fn note(&self, upload: &str, stage: Stage) -> Result<(), GateError> {
        let json = serde_json::to_string(&Line { upload: upload.to_owned(), stage })
            .map_err(|error| GateError::Fault(format!("a completed upload cannot be written down: {error}")))?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            // The line break comes first: behind a line that was cut short, this one would be lost with it.
            file.write_all(format!("\n{json}\n").as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| fault("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_word_about_an_upload_counts() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().to_owned(), true);
        let token = Token::parse(&"b".repeat(Token::LENGTH)).unwrap();
        let log = || RelayLog::of(&place, &token);
        assert_eq!(log().stage("u").unwrap(), None);
        log().note("u", Stage::Asked).unwrap();
        log().note("v", Stage::Refused).unwrap();
        OpenOptions::new().append(true).open(&log().path).unwrap().write_all(b"{\"upload\":\"u\",\"sta").unwrap();
        assert_eq!(log().stage("u").unwrap(), Some(Stage::Asked));
        log().note("u", Stage::Completed("<x>\n</x>".to_owned())).unwrap();
        assert_eq!(log().stage("u").unwrap(), Some(Stage::Completed("<x>\n</x>".to_owned())));
        assert_eq!(log().stage("v").unwrap(), Some(Stage::Refused));
    }
}
