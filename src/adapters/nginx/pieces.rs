//! A text in pieces: what the texts of two states of a file have in common is made and kept once.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// How many bytes are compared at once.
const AT_ONCE: usize = 64 * 1024;

/// A text in pieces. Where it is cut means nothing.
#[derive(Debug, Clone, Default)]
pub struct Pieces(Vec<Arc<str>>);

impl Pieces {
    /// How many bytes the whole has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// Lower-hex SHA-256 of the whole.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for piece in &self.0 {
            hash.update(piece.as_bytes());
        }
        format!("{:x}", hash.finalize())
    }

    /// Whether what `other` holds is surely another text. Bytes are read only up to the first difference.
    ///
    /// # Errors
    /// What `other` says.
    pub fn differs_from(&self, mut other: impl Read) -> io::Result<bool> {
        let mut buffer = vec![0; AT_ONCE];
        for part in self.0.iter().flat_map(|piece| piece.as_bytes().chunks(AT_ONCE)) {
            let theirs = &mut buffer[..part.len()];
            match other.read_exact(theirs) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                read => read?,
            }
            if theirs != part {
                return Ok(true);
            }
        }
        Ok(other.read(&mut buffer[..1])? > 0)
    }

    /// Writes the whole.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        // An empty piece would look like a writer that takes nothing more.
        let pieces = self.0.iter().filter(|piece| !piece.is_empty());
        let mut slices: Vec<IoSlice<'_>> = pieces.map(|piece| IoSlice::new(piece.as_bytes())).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match out.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl FromIterator<Arc<str>> for Pieces {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(pieces: I) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl From<String> for Pieces {
    fn from(text: String) -> Self {
        Self(vec![text.into()])
    }
}

impl fmt::Display for Pieces {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| out.write_str(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sha256;
    use super::*;

    /// Takes a few bytes at a time, and is interrupted in between.
    struct Slow {
        taken: Vec<u8>,
        interrupted: bool,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let some = bytes.len().min(3);
            self.taken.extend(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pieces_are_written_and_hashed_as_the_one_text_that_they_are() {
        let pieces: Pieces = ["", "one ", "", "two", " three\n", ""].into_iter().map(Arc::from).collect();
        let whole = "one two three\n";
        assert_eq!(pieces.to_string(), whole);
        assert_eq!(pieces.sha256(), sha256(whole.as_bytes()));
        let mut slow = Slow { taken: Vec::new(), interrupted: false };
        pieces.write_to(&mut slow).unwrap();
        assert_eq!(slow.taken, whole.as_bytes());
        assert_eq!(Pieces::from(whole.to_owned()).sha256(), pieces.sha256());
    }

    #[test]
    fn a_text_differs_from_any_other_and_not_from_itself() {
        let pieces: Pieces = ["one ", "", "two"].into_iter().map(Arc::from).collect();
        assert!(!pieces.differs_from("one two".as_bytes()).unwrap());
        for other in ["", "one ", "one tw", "one twO", "One two", "one two "] {
            assert!(pieces.differs_from(other.as_bytes()).unwrap(), "{other:?}");
        }
        let long = "x".repeat(3 * AT_ONCE + 1);
        assert!(!Pieces::from(long.clone()).differs_from(long.as_bytes()).unwrap());
        assert!(Pieces::from(long.clone()).differs_from(&long.as_bytes()[1..]).unwrap());
    }

    #[test]
    fn a_writer_that_takes_nothing_more_is_an_error() {
        let mut full = [0; 2];
        let error = Pieces::from("three".to_owned()).write_to(&mut full.as_mut_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
