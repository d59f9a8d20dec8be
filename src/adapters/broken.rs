//! Ways to move a bucket that are wrong on purpose: the checker must find every one of them out.
//!
//! Without the feature `fault-points`, which only the tests turn on, nothing is wrong here, and nothing is here. With it,
//! `NANIO_ORCHESTRATOR_FAULT_PROTOCOL` names what is left out of `docs/migration.md`:
//!
//! | word | what is wrong |
//! |---|---|
//! | `no-freeze` | writes go on to the source until the commit; whoever asks is told that they were held |
//! | `early-token` | nginx looks at the token before it writes the start line, and lets time pass in between |
//! | `no-deletes` | deletions are not carried over |
//! | `dropped-lines` | half of the journal is not read |

#[cfg(not(feature = "fault-points"))]
pub use whole::{gate, server_text};

#[cfg(feature = "fault-points")]
pub use wrong::{gate, server_text};

#[cfg(not(feature = "fault-points"))]
mod whole {
    use std::sync::Arc;

    use crate::ports::gate::Gate;

    /// The gate as it is.
    pub fn gate(gate: Arc<dyn Gate>) -> Arc<dyn Gate> {
        gate
    }

    /// The text as it is.
    #[inline(always)]
    pub fn server_text(text: String) -> String {
        text
    }
}

#[cfg(feature = "fault-points")]
mod wrong {
    use std::collections::{HashMap, HashSet};
    use std::sync::{Arc, LazyLock, Mutex, PoisonError};

    use async_trait::async_trait;

    use crate::domain::migration::journal::{JournalEntry, JournalLine};
    use crate::domain::migration::token::{CANARY, Token, TokenState, is_canary};
    use crate::ports::gate::{Admission, Capacity, Gate, GateError, JournalPart, Listener, Worker};

    static PROTOCOL: LazyLock<String> =
        LazyLock::new(|| std::env::var("NANIO_ORCHESTRATOR_FAULT_PROTOCOL").unwrap_or_default());

    fn is(word: &str) -> bool {
        *PROTOCOL == word
    }

    /// The gate, or one that is wrong.
    pub fn gate(gate: Arc<dyn Gate>) -> Arc<dyn Gate> {
        if PROTOCOL.is_empty() { gate } else { Arc::new(WrongGate { gate, seen: Mutex::default() }) }
    }

    struct WrongGate {
        gate: Arc<dyn Gate>,
        /// The requests that each journal has told of.
        seen: Mutex<HashMap<Token, HashSet<String>>>,
    }

    /// Whether a line is read.
    fn is_told(line: &JournalLine) -> bool {
        let deletes = line.method == "DELETE" || line.method == "POST" && line.uri.ends_with("?delete=");
        let dropped = is("dropped-lines") && line.rid.ends_with(|digit: char| digit < '8');
        is_canary(&line.uri) || !(is("no-deletes") && deletes || dropped)
    }

    #[async_trait]
    impl Gate for WrongGate {
        async fn create(&self) -> Result<Token, GateError> {
            self.gate.create().await
        }

        async fn state(&self, token: &Token) -> Result<TokenState, GateError> {
            self.gate.state(token).await
        }

        async fn freeze(&self, token: &Token) -> Result<(), GateError> {
            if is("no-freeze") { Ok(()) } else { self.gate.freeze(token).await }
        }

        async fn thaw(&self, token: &Token) -> Result<(), GateError> {
            self.gate.thaw(token).await
        }

        async fn commit(&self, token: &Token) -> Result<(), GateError> {
            self.gate.freeze(token).await?;
            self.gate.commit(token).await
        }

        async fn open(&self, token: &Token) -> Result<(), GateError> {
            self.gate.open(token).await
        }

        async fn reopen(&self, token: &Token) -> Result<(), GateError> {
            self.gate.reopen(token).await
        }

        async fn note_copy(&self, token: &Token, keys: &[String]) -> Result<(), GateError> {
            self.gate.note_copy(token, keys).await
        }

        async fn noted_copy(&self, token: &Token) -> Result<Option<Vec<String>>, GateError> {
            self.gate.noted_copy(token).await
        }

        async fn copy_ended(&self, token: &Token) -> Result<(), GateError> {
            self.gate.copy_ended(token).await
        }

        async fn capacity(&self) -> Result<Capacity, GateError> {
            self.gate.capacity().await
        }

        async fn remove(&self, token: &Token) -> Result<(), GateError> {
            self.gate.remove(token).await
        }

        async fn discard(&self, token: &Token) -> Result<bool, GateError> {
            self.gate.discard(token).await
        }

        async fn tokens(&self) -> Result<Vec<Token>, GateError> {
            self.gate.tokens().await
        }

        async fn journal(&self, token: &Token, from: u64) -> Result<JournalPart, GateError> {
            let mut part = self.gate.journal(token, from).await?;
            part.lines.retain(|entry| !matches!(entry, JournalEntry::Line(line) if !is_told(line)));
            let requests = part.lines.iter().filter_map(|entry| match entry {
                JournalEntry::Line(line) => Some(line.rid.clone()),
                _ => None,
            });
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(token.clone()).or_default().extend(requests);
            Ok(part)
        }

        async fn sound(&self, token: &Token) -> Result<(), GateError> {
            self.gate.sound(token).await
        }

        async fn renew(&self, token: &Token) -> Result<(), GateError> {
            self.gate.renew(token).await
        }

        async fn workers(&self) -> Result<Vec<Worker>, GateError> {
            self.gate.workers().await
        }

        async fn knock(&self, listener: &Listener, path: &str) -> Result<u16, GateError> {
            self.gate.knock(listener, path).await
        }

        fn admit(&self, token: &Token, admission: Admission) {
            self.gate.admit(token, admission);
        }

        fn forget(&self, token: &Token) {
            self.gate.forget(token);
        }

        fn arrived(&self, token: &Token) -> HashSet<String> {
            if !is("no-freeze") {
                return self.gate.arrived(token);
            }
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned().unwrap_or_default()
        }
    }

    /// The text of a server block, or one that is wrong.
    pub fn server_text(text: String) -> String {
        let token =
            text.split_once("try_files /").and_then(|(_, rest)| rest.split_once(".src")).map(|(token, _)| token);
        match token.filter(|_| is("early-token")) {
            Some(token) => early(&text, token),
            None => text,
        }
    }

    /// The token decides before the start line is written. The writes queue up in between, as if the worker had been kept
    /// from going on for a moment; all but canaries, which would notice.
    fn early(text: &str, token: &str) -> String {
        let directory =
            text.split_once("\n        root ").and_then(|(_, rest)| rest.split_once(";\n        try_files"));
        let directory = directory.map_or("", |(directory, _)| directory).trim_matches('"');
        let queue = format!(
            "\nmap $request_uri $nanio_early_key {{\n    default all;\n    \"~{CANARY}\" \"\";\n}}\nlimit_req_zone \
             $nanio_early_key zone=nanio_early:64k rate=10r/s;\n\nserver {{\n"
        );
        let look = format!(
            "    set $nanio_early /none;\n    if (-f \"{directory}/{token}.src\") {{\n        set $nanio_early \
             /gate.lock;\n    }}\n    set $nanio_v"
        );
        let start = format!("auth_request /_nanio_{token}_start;");
        text.replacen("\nserver {\n", &queue, 1)
            .replacen("    set $nanio_v", &look, 1)
            .replace(&start, &format!("limit_req zone=nanio_early burst=10000;\n        {start}"))
            .replace(&format!("try_files /{token}.src "), "try_files $nanio_early ")
    }
}
