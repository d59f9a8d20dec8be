//! Browser sessions: a signed cookie, and the list of those that were ended early.

use std::collections::HashMap;
use std::sync::Mutex;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::domain::time::Timestamp;
use crate::ports::store::{Store, StoreError};

/// The name of the cookie.
pub const COOKIE: &str = "nanio_session";

type HmacSha256 = Hmac<Sha256>;

/// Issues, checks and ends sessions.
///
/// A cookie is `<unix-seconds>.<random id>.<HMAC-SHA256>`, signed with a key that is derived from the
/// API key: a new API key voids every session.
pub struct Sessions {
    signing_key: Vec<u8>,
    ttl: u64,
    store: Store,
    ended: OnceCell<Mutex<HashMap<String, Timestamp>>>,
}

/// A session whose cookie is genuine and of age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    id: String,
    expires: Timestamp,
}

impl Sessions {
    /// Sessions of `ttl` seconds for those who know `api_key`.
    #[must_use]
    pub fn new(api_key: &str, ttl: u64, store: Store) -> Self {
        let signing_key = keyed(api_key.as_bytes()).chain_update(b"nanio-orchestrator session cookie").finalize();
        Self { signing_key: signing_key.into_bytes().to_vec(), ttl, store, ended: OnceCell::new() }
    }

    /// How many seconds a session lasts.
    #[must_use]
    pub fn ttl(&self) -> u64 {
        self.ttl
    }

    /// The cookie of a new session that begins `now`; `id` must be unguessable and new.
    #[must_use]
    pub fn issue(&self, now: Timestamp, id: u128) -> String {
        let claim = format!("{}.{id:032x}", now.unix());
        let signature = self.sign(&claim).finalize().into_bytes();
        format!("{claim}.{}", hex(&signature))
    }

    /// The session of a cookie, if it is ours, of age, and was not ended.
    ///
    /// # Errors
    /// The store cannot say which sessions were ended.
    pub async fn check(&self, cookie: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let Some(session) = self.genuine(cookie, now) else { return Ok(None) };
        let ended = self.ended(now).await?;
        Ok((!lock(ended).contains_key(&session.id)).then_some(session))
    }

    /// Ends a session, in the store first: it stays ended after a restart.
    ///
    /// # Errors
    /// The store could not take it; the session goes on.
    pub async fn end(&self, session: Session, now: Timestamp) -> Result<(), StoreError> {
        let ended = self.ended(now).await?;
        let Session { id, expires } = session;
        let revoked = id.clone();
        self.store.write(move |tx| tx.revoke_session(&revoked, expires)).await?;
        let mut ended = lock(ended);
        ended.retain(|_, until| *until >= now);
        ended.insert(id, expires);
        Ok(())
    }

    fn genuine(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let (claim, signature) = cookie.rsplit_once('.')?;
        self.sign(claim).verify_slice(&unhex(signature)?).ok()?;
        // From here on the text is our own.
        let (issued, id) = claim.split_once('.')?;
        let age = now.unix().checked_sub(issued.parse().ok()?)?;
        let left = i64::try_from(self.ttl).unwrap_or(i64::MAX).checked_sub(age)?;
        if age < 0 || left < 0 {
            return None;
        }
        let expires = chrono::TimeDelta::try_seconds(left).and_then(|left| now.naive().checked_add_signed(left));
        let expires = Timestamp::of_naive(expires.unwrap_or(chrono::NaiveDateTime::MAX));
        Some(Session { id: id.to_owned(), expires })
    }

    fn sign(&self, claim: &str) -> HmacSha256 {
        keyed(&self.signing_key).chain_update(claim.as_bytes())
    }

    async fn ended(&self, now: Timestamp) -> Result<&Mutex<HashMap<String, Timestamp>>, StoreError> {
        self.ended
            .get_or_try_init(|| async {
                // It also forgets those that are void by now, hence a write.
                self.store.write(move |tx| tx.revoked_sessions(now)).await.map(Mutex::new)
            })
            .await
    }
}

fn keyed(key: &[u8]) -> HmacSha256 {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a map half changed.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}
