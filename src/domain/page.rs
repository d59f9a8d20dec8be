//! Parts of lists. A list is cut by what its entries are ordered by, never by counting, so that a page costs
//! the same wherever it begins, and so that entries that come and go meanwhile move no other into or out of it.

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<Id, Key> {
    /// At most so many entries.
    pub limit: u64,
    /// Those after this entry; from the start if there is none.
    pub after: Option<Seen<Id, Key>>,
}

/// The last entry that a reader has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<Id, Key> {
    /// Its identity.
    pub id: Id,
    /// What it stood in the list by when it was seen. With it, reading goes on at the same place even if the
    /// entry has moved or gone since.
    pub key: Option<Key>,
}

impl<Id, Key> Seen<Id, Key> {
    /// The key; if it was not given, that of the entry as `look_up` finds it now.
    ///
    /// # Errors
    /// Those of `look_up`.
    pub fn key_or<E>(self, look_up: impl FnOnce(Id) -> Result<Key, E>) -> Result<Key, E> {
        self.key.map_or_else(|| look_up(self.id), Ok)
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub entries: Vec<T>,
    /// Whether more follow.
    pub more: bool,
}

impl<T> Page<T> {
    /// How many entries must be read for [`Page::cut`] to see whether more follow.
    #[must_use]
    pub fn reach(limit: u64) -> u64 {
        limit.saturating_add(1)
    }

    /// The page of at most `limit` entries, out of as many as [`Page::reach`] says.
    #[must_use]
    pub fn cut(mut entries: Vec<T>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        Self { entries, more }
    }

    /// The same part of the list, with something else in place of each entry.
    #[must_use]
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page { entries: self.entries.into_iter().map(each).collect(), more: self.more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_whether_more_follow() {
        assert_eq!(Page::<u8>::reach(2), 3);
        assert_eq!(Page::cut(vec![1, 2, 3], 2), Page { entries: vec![1, 2], more: true });
        assert_eq!(Page::cut(vec![1, 2], 2), Page { entries: vec![1, 2], more: false });
    }
}
