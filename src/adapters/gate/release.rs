//! `release`: gives held writes back to the source, when nobody is there to decide about them.

use std::path::Path;

use super::place::Place;
use crate::domain::migration::token::{Token, TokenState};
use crate::ports::gate::GateError;

/// Thaws every held token of a gate directory, and tells which. It needs nothing but the directory: until a commit
/// the source has every write that a client was told of, so this is a roll-back that is always right. A token that is
/// committed meanwhile stays so, since both rename the same file.
///
/// # Errors
/// The first token that could not be thawed; the others are.
pub fn release(directory: &Path) -> Result<Vec<Token>, GateError> {
    let place = Place::new(directory.to_owned(), true);
    let (mut released, mut failed) = (Vec::new(), None);
    for token in place.tokens()? {
        let thawed = place.state(&token).and_then(|state| match state {
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
        None => Ok(released),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        let told = release(directory.path()).unwrap_err().to_string();
        assert!(told.contains(&"1".repeat(Token::LENGTH)) && told.contains("contradict"), "{told}");
        assert!(name("2", "src").exists() && !name("2", "held").exists());
        fs::remove_file(name("1", "src")).unwrap();
        let released = release(directory.path()).unwrap();
        assert_eq!(released, [Token::parse(&"1".repeat(Token::LENGTH)).unwrap()]);
        assert!(name("3", "switched").exists() && name("4", "switched").exists() && name("5", "src").exists());
        assert_eq!(release(directory.path()).unwrap(), []);
        assert_eq!(release(&directory.path().join("none")).unwrap(), []);
    }
}
