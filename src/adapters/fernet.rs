//! [Fernet](https://github.com/fernet/spec), as 0.4.x encrypted: its tokens and keys are read, and ours are read by it.

use fernet::Fernet;

use crate::domain::credential::FernetToken;
use crate::domain::secret::Secret;
use crate::ports::cipher::{Cipher, CipherError};

/// A token's time is not a reason to refuse it: a clock that was set back must not take the keys of all pools
/// away. The library allows a minute of error, so this is the latest time that it can be told.
const END_OF_TIME: u64 = u64::MAX - 60;

/// The keys of `SECRET`. Without any it is a cipher too: one that says what is missing.
#[derive(Clone, Default)]
pub struct FernetCipher {
    /// The first encrypts.
    keys: Vec<Fernet>,
}

impl FernetCipher {
    /// The cipher of a value of `SECRET`: keys, comma-separated. A value with a part that is no key gives no key,
    /// since nobody can say which one was meant to encrypt.
    #[must_use]
    pub fn new(secret: Option<&Secret>) -> Self {
        let keys: Option<Vec<Fernet>> =
            secret.and_then(|secret| secret.reveal().split(',').map(str::trim).map(Fernet::new).collect());
        Self { keys: keys.unwrap_or_default() }
    }

    /// The secret, and which key opened the token.
    fn open(&self, token: &FernetToken) -> Result<(usize, Secret), CipherError> {
        if self.keys.is_empty() {
            return Err(CipherError::NoKey);
        }
        let opened = self.keys.iter().enumerate().find_map(|(index, key)| {
            let bytes = key.decrypt_at_time(token.as_str(), None, END_OF_TIME).ok()?;
            Some((index, Secret::new(String::from_utf8(bytes).ok()?)))
        });
        opened.ok_or(CipherError::Unreadable)
    }
}

impl Cipher for FernetCipher {
    fn encrypt(&self, secret: &Secret) -> Result<FernetToken, CipherError> {
        let key = self.keys.first().ok_or(CipherError::NoKey)?;
        FernetToken::parse(&key.encrypt(secret.reveal().as_bytes())).map_err(|_| CipherError::TooLong)
    }

    fn decrypt(&self, token: &FernetToken) -> Result<Secret, CipherError> {
        self.open(token).map(|(_, secret)| secret)
    }

    fn renew(&self, token: &FernetToken) -> Result<Option<FernetToken>, CipherError> {
        match self.open(token)? {
            (0, _) => Ok(None),
            (_, secret) => self.encrypt(&secret).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const NEW: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

    fn cipher(secret: &str) -> FernetCipher {
        FernetCipher::new(Some(&Secret::new(secret)))
    }

    /// The example of the specification: `generate.json` and `verify.json`.
    #[test]
    fn the_token_of_the_specification_is_read() {
        let token =
            "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(cipher(NEW).decrypt(&FernetToken::parse(token).unwrap()), Ok(Secret::new("hello")));
    }

    #[test]
    fn keys_that_0_4_x_stored_are_read() {
        let sidecar = include_str!("../../tests/fixtures/v0_4_1/nginx/pools/pool-old.meta.json");
        let sidecar: serde_json::Value = serde_json::from_str(sidecar).unwrap();
        let token = |name: &str| FernetToken::parse(sidecar["credentials"][name].as_str().unwrap()).unwrap();
        let made = include_str!("../../tests/fixtures/v0_4_1/make.py");
        for name in ["access_key_enc", "secret_key_enc"] {
            let read = cipher(&format!("{NEW}, {OLD}")).decrypt(&token(name)).unwrap();
            assert!(read.reveal().len() > 4 && made.contains(read.reveal()), "{name}");
            assert_eq!(cipher(NEW).decrypt(&token(name)), Err(CipherError::Unreadable));
        }
    }

    #[test]
    fn a_token_of_the_future_is_read_since_the_clock_may_be_wrong() {
        let key = Fernet::new(OLD).unwrap();
        let token = FernetToken::parse(&key.encrypt_at_time(b"early", 32_503_680_000)).unwrap();
        assert_eq!(cipher(OLD).decrypt(&token), Ok(Secret::new("early")));
    }

    #[test]
    fn the_first_key_encrypts_and_a_renewed_token_needs_the_old_one_no_more() {
        let before = cipher(OLD).encrypt(&Secret::new("s3cr3t")).unwrap();
        let both = cipher(&format!("{NEW},{OLD}"));
        let after = both.renew(&before).unwrap().unwrap();
        assert_eq!(cipher(NEW).decrypt(&after), Ok(Secret::new("s3cr3t")));
        assert_eq!(cipher(OLD).decrypt(&after), Err(CipherError::Unreadable));
        assert_eq!(both.renew(&after), Ok(None));
        assert_eq!(cipher(NEW).renew(&before), Err(CipherError::Unreadable));
    }

    #[test]
    fn a_secret_that_no_token_holds_is_refused() {
        assert_eq!(cipher(NEW).encrypt(&Secret::new("x".repeat(8000))), Err(CipherError::TooLong));
        assert!(cipher(NEW).encrypt(&Secret::new("x".repeat(4096))).is_ok());
    }

    #[test]
    fn a_damaged_token_is_unreadable_and_nothing_else() {
        let token = cipher(NEW).encrypt(&Secret::new("s3cr3t")).unwrap();
        // Its padding says nothing.
        let text = token.as_str().trim_end_matches('=');
        for at in 0..text.len() {
            for damaged in [format!("{}{}", &text[..at], &text[at + 1..]), text[..at].to_owned()] {
                let Ok(damaged) = FernetToken::parse(&damaged) else { continue };
                assert_eq!(cipher(NEW).decrypt(&damaged), Err(CipherError::Unreadable), "{damaged}");
            }
        }
    }

    #[test]
    fn f44_without_a_usable_key_the_cipher_says_what_is_missing() {
        let token = cipher(NEW).encrypt(&Secret::new("s3cr3t")).unwrap();
        for none in [None, Some(""), Some("not a key"), Some(&format!("{NEW},")[..]), Some(&NEW[..40])] {
            let cipher = FernetCipher::new(none.map(Secret::new).as_ref());
            assert_eq!(cipher.encrypt(&Secret::new("x")), Err(CipherError::NoKey), "{none:?}");
            assert_eq!(cipher.decrypt(&token), Err(CipherError::NoKey), "{none:?}");
            assert_eq!(cipher.renew(&token), Err(CipherError::NoKey), "{none:?}");
        }
        assert!(CipherError::NoKey.to_string().contains("nanio-orchestrator config generate-secret --set"));
    }
}
