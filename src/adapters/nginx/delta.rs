//! What a tested change would do to the text of nginx's files.

use std::fs;
use std::io;
use std::path::Path;

use super::intent::Moves;
use super::tree::{Tree, fault, is_sidecar};
use crate::domain::revision::FileDelta;
use crate::ports::gateway::GatewayError;

impl Tree {
    /// What the moves would do. Sidecars are left out: they may hold encrypted keys, and say what the rows say.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn deltas(&self, moves: &Moves) -> Result<Vec<FileDelta>, GatewayError> {
        let mut deltas = Vec::new();
        let all = moves.put.iter().map(|path| (path, true)).chain(moves.remove.iter().map(|path| (path, false)));
        for (path, comes) in all.filter(|(path, _)| !is_sidecar(path)) {
            let before = text(&self.root().join(path))?;
            let after = if comes { text(&self.staging().join(path))? } else { None };
            deltas.push(FileDelta::between(self.shown(path), before.as_deref(), after.as_deref()));
        }
        Ok(deltas)
    }
}

fn text(path: &Path) -> Result<Option<String>, GatewayError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => {
            let bytes = bytes.map_err(|error| fault("read", path, &error))?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}
