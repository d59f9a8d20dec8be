//! `release`: gives held writes back to the source, when nobody is there to decide about them.

use std::path::Path;

use super::place::Place;
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::time::Timestamp;
use crate::ports::gate::GateError;

/// What became of held tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// Their writes flow to the source.
    pub released: Vec<Token>,
    /// Their writes are still held, since a copier was at work a moment ago.
    pub kept: Vec<Token>,
}

/// Thaws every held token of a gate directory, and tells which. It needs nothing but the directory: until a commit
/// the source has every write that a client was told of, so this is a roll-back that is always right. A token that is
/// committed meanwhile stays so, since both rename the same file.
///
/// A back-fill's token stays held while what its copier has sent may still arrive: it could win over a newer write. The
/// orchestrator, once it runs, lets all writes pass but those of the copied keys.
///
/// # Errors
/// The first token that could not be thawed; the others are.
pub fn release(directory: &Path, now: Timestamp) -> Result<Released, GateError> {
    let place = Place::new(directory.to_owned(), true);
    let (mut released, mut kept, mut failed) = (Vec::new(), Vec::new(), None);
    for token in place.tokens()? {
        let thawed = place.state(&token).and_then(|state| match state {
            TokenState::Held if place.may_arrive(&token, now) => {
                kept.push(token.clone());
                Ok(false)
            }
            TokenState::Held => place.thaw(&token).map(|()| true),
            _ => Ok(false),
        });
        match thawed {
            Ok(true) => released.push(token),
            Ok(false) => {}
            // Committed between the look and the step: there is nothing to release.
            Err(GateError::State(_)) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Released { released, kept }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::adapters::clock::SystemClock;
    use crate::ports::clock::Clock as _;

    fn now() -> Timestamp {
        SystemClock.now()
    }

    #[test]
    fn only_held_tokens_are_released_and_one_that_cannot_be_told_stops_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let name = |digit: &str, kind: &str| directory.path().join(format!("{}.{kind}", digit.repeat(Token::LENGTH)));
        for (digit, kinds) in [
            ("1", &["src", "held"][..]),
            ("2", &["held", "journal"]),
            ("3", &["switched", "open"]),
            ("4", &["switched"]),
            ("5", &["src"]),
        ] {
            for kind in kinds {
                fs::write(name(digit, kind), "").unwrap();
            }
        }
        fs::write(directory.path().join("gate.sock"), "").unwrap();
        let told = release(directory.path(), now()).unwrap_err().to_string();
        assert!(told.contains(&"1".repeat(Token::LENGTH)) && told.contains("contradict"), "{told}");
        assert!(name("2", "src").exists() && !name("2", "held").exists());
        fs::remove_file(name("1", "src")).unwrap();
        let Released { released, kept } = release(directory.path(), now()).unwrap();
        assert_eq!((released, kept), (vec![Token::parse(&"1".repeat(Token::LENGTH)).unwrap()], vec![]));
        assert!(name("3", "switched").exists() && name("4", "switched").exists() && name("5", "src").exists());
        assert_eq!(release(directory.path(), now()).unwrap(), Released::default());
        assert_eq!(release(&directory.path().join("none"), now()).unwrap(), Released::default());
    }

    #[test]
    fn a_back_fill_whose_copier_may_have_sent_something_is_held_until_that_has_arrived() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().to_owned(), true);
        let token = Token::parse(&"6".repeat(Token::LENGTH)).unwrap();
        place.make(&token).unwrap();
        place.note_copy(&token, &["k".to_owned()]).unwrap();
        place.freeze(&token).unwrap();
        let kept = Released { kept: vec![token.clone()], ..Released::default() };
        assert_eq!(release(directory.path(), now()).unwrap(), kept);
        assert_eq!(place.state(&token).unwrap(), TokenState::Held);
        let noted = fs::File::open(directory.path().join(format!("{token}.copy"))).unwrap();
        noted.set_modified(std::time::UNIX_EPOCH).unwrap();
        let released = Released { released: vec![token.clone()], ..Released::default() };
        assert_eq!(release(directory.path(), now()).unwrap(), released);
        assert_eq!(place.state(&token).unwrap(), TokenState::Source);
    }
}
