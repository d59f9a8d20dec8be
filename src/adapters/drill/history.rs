//! What a read of a key may have seen, and what it proves: the whole judgement, and nothing else.
//!
//! Each key has one writer, which begins a write only when the one before it was answered. So the writes of a key are
//! in order, and a read that lasted from one moment to another may have seen:
//!
//! * the last write that was acknowledged before it began, and none before that one;
//! * any write that was begun, but not yet acknowledged, while it lasted.
//!
//! What one read has seen, no later read may un-see: the end of the first read counts as an acknowledgement of what it
//! saw. Body and metadata are two views, each with an order of its own, since a storage node may change one a moment
//! after the other while a write is under way.
//!
//! A write that was never acknowledged may have happened, and may still happen. Its key gets no other write.

use super::content::Tag;

/// A place in the order of everything that the clients begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// An object as a write leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The write that its bytes are of.
    pub content: Tag,
    /// How many they are.
    pub size: usize,
    /// The write that its metadata are of.
    pub note: Tag,
}

/// What a read saw.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// There is no such object.
    Absent,
    /// Its size and metadata.
    Head {
        /// The size that was told.
        size: usize,
        /// The write that the metadata are of, as far as they say.
        note: Option<Tag>,
    },
    /// Its bytes and metadata.
    Body {
        /// From where on.
        offset: usize,
        /// The bytes.
        bytes: &'a [u8],
        /// Whether they are all there are.
        whole: bool,
        /// As in [`Seen::Head`].
        note: Option<Tag>,
    },
    /// A listing has it, with this size.
    Listed {
        /// The size that was told.
        size: usize,
    },
    /// A listing that should have it does not.
    Unlisted,
}

/// A read.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// Before anything of it was sent.
    pub from: Moment,
    /// After all of the answer was there.
    pub until: Moment,
    /// What it saw.
    pub seen: Seen<'a>,
    /// Whether it came after everything: then an old version is no late sight, but all that is left.
    pub last: bool,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// An acknowledged object is not there, or at the end an older one is.
    Lost,
    /// An older object than the last acknowledged one was read.
    Stale,
    /// A deleted object is there.
    Resurrected,
    /// A listing lacks an object.
    Missing,
    /// A listing has an object that is not there.
    Extra,
    /// The bytes are those of no write of the key.
    WrongBody,
    /// The metadata are not those of the object.
    WrongMetadata,
}

/// What a read proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It saw what it may see.
    Right,
    /// It saw parts of two writes, of which one was under way. Storage nodes do that; no gateway could help it.
    Torn,
    /// It saw what it must not see.
    Wrong(Violation),
}

/// Which of the two orders a read is judged by.
#[derive(Clone, Copy)]
enum View {
    Body,
    Note,
}

#[derive(Debug)]
struct Write {
    begun: Moment,
    acknowledged: Option<Moment>,
    /// When the first read ended that saw its body, and its metadata.
    seen: [Option<Moment>; 2],
    /// What it leaves; `None`: it deletes.
    state: Option<Object>,
}

/// The writes of one key, in order.
#[derive(Debug)]
pub struct History {
    writes: Vec<Write>,
}

impl Default for History {
    /// A key that was never written.
    fn default() -> Self {
        let start = Moment(0);
        Self { writes: vec![Write { begun: start, acknowledged: Some(start), seen: [None; 2], state: None }] }
    }
}

impl History {
    /// The number that the next write will have.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        u32::try_from(self.writes.len()).unwrap_or(u32::MAX)
    }

    /// What the key holds: `None` while that is not known, since the last write was not acknowledged.
    #[must_use]
    pub fn settled(&self) -> Option<Option<Object>> {
        self.writes.last().filter(|write| write.acknowledged.is_some()).map(|write| write.state)
    }

    /// A write begins: an object, or none for a deletion.
    pub fn begin(&mut self, state: Option<Object>, at: Moment) {
        self.writes.push(Write { begun: at, acknowledged: None, seen: [None; 2], state });
    }

    /// The last write was acknowledged.
    pub fn acknowledge(&mut self, at: Moment) {
        if let Some(write) = self.writes.last_mut() {
            write.acknowledged = Some(at);
        }
    }

    /// Whether a write was under way while a read lasted.
    #[must_use]
    pub fn was_moving(&self, from: Moment, until: Moment) -> bool {
        self.writes.iter().any(|write| write.begun < until && write.acknowledged.is_none_or(|at| at > from))
    }

    /// Whether a read that begins now may find an object without a byte.
    #[must_use]
    pub fn may_be_empty(&self) -> bool {
        let known = self.writes.iter().rposition(|write| write.acknowledged.is_some()).unwrap_or(0);
        self.writes[known..].iter().any(|write| write.state.is_some_and(|object| object.size == 0))
    }

    /// Judges a read, and remembers what it proves.
    pub fn judge(&mut self, read: &Read<'_>) -> Verdict {
        match read.seen {
            Seen::Absent => self.judge_absence(read, Violation::Lost),
            Seen::Unlisted => self.judge_absence(read, Violation::Missing),
            Seen::Listed { size } => self.judge_listed(read, size),
            Seen::Head { size, note } => self.judge_head(read, size, note),
            Seen::Body { offset, bytes, whole, note } => self.judge_body(read, offset, bytes, whole, note),
        }
    }

    fn judge_absence(&mut self, read: &Read<'_>, violation: Violation) -> Verdict {
        if !self.see(View::Body, read, |state| state.is_none()) {
            return Verdict::Wrong(violation);
        }
        // An object that is not there has no metadata either; but these may have been seen to be newer already.
        self.see(View::Note, read, |state| state.is_none());
        Verdict::Right
    }

    fn judge_listed(&mut self, read: &Read<'_>, size: usize) -> Verdict {
        if !self.may_exist(read) {
            return Verdict::Wrong(Violation::Extra);
        }
        let right = |state: Option<&Object>| state.is_some_and(|object| object.size == size);
        match self.see(View::Note, read, right) || self.was_moving(read.from, read.until) {
            true => Verdict::Right,
            false if self.was_before(View::Note, read, right) => self.outdated(View::Note, read),
            false => Verdict::Wrong(Violation::WrongMetadata),
        }
    }

    fn judge_head(&mut self, read: &Read<'_>, size: usize, note: Option<Tag>) -> Verdict {
        if !self.may_exist(read) {
            return Verdict::Wrong(Violation::Resurrected);
        }
        self.see(View::Body, read, |state| state.is_some());
        let right = |state: Option<&Object>| state.is_some_and(|o| o.size == size && Some(o.note) == note);
        if self.see(View::Note, read, right) {
            return Verdict::Right;
        }
        if note.is_none() && self.was_moving(read.from, read.until) {
            return Verdict::Torn;
        }
        match self.was_before(View::Note, read, right) {
            true => self.outdated(View::Note, read),
            false => Verdict::Wrong(Violation::WrongMetadata),
        }
    }

    fn judge_body(&mut self, read: &Read<'_>, offset: usize, bytes: &[u8], whole: bool, note: Option<Tag>) -> Verdict {
        let moving = self.was_moving(read.from, read.until);
        let right = |state: Option<&Object>| {
            state.is_some_and(|object| {
                let length_fits = if whole { object.size == bytes.len() } else { object.size >= offset + bytes.len() };
                length_fits && object.content.fits(offset, bytes)
            })
        };
        if !self.see(View::Body, read, right) {
            let cut =
                |state: Option<&Object>| state.is_some_and(|o| o.size > bytes.len() && o.content.fits(offset, bytes));
            if moving && self.possible(View::Body, read).any(|write| cut(write.state.as_ref())) {
                return Verdict::Torn;
            }
            return match self.was_before(View::Body, read, right) {
                true => self.outdated(View::Body, read),
                false => Verdict::Wrong(Violation::WrongBody),
            };
        }
        if self.see(View::Note, read, |state| state.is_some_and(|object| Some(object.note) == note)) {
            Verdict::Right
        } else if note.is_none() && moving {
            Verdict::Torn
        } else {
            Verdict::Wrong(Violation::WrongMetadata)
        }
    }

    /// The first write that a read may have seen: nothing before it.
    fn floor(&self, view: View, read: &Read<'_>) -> usize {
        let before = |at: Option<Moment>| at.is_some_and(|at| at < read.from);
        let known = |write: &Write| before(write.acknowledged) || before(write.seen[view as usize]);
        self.writes.iter().rposition(known).unwrap_or(0)
    }

    fn possible(&self, view: View, read: &Read<'_>) -> impl Iterator<Item = &Write> {
        self.writes[self.floor(view, read)..].iter().take_while(|write| write.begun < read.until)
    }

    fn may_exist(&self, read: &Read<'_>) -> bool {
        self.possible(View::Body, read).any(|write| write.state.is_some())
    }

    /// Whether the read saw something that it may see. The first such write is then known to have happened.
    fn see(&mut self, view: View, read: &Read<'_>, right: impl Fn(Option<&Object>) -> bool) -> bool {
        let floor = self.floor(view, read);
        let Some(index) = self.possible(view, read).position(|write| right(write.state.as_ref())) else { return false };
        let seen = &mut self.writes[floor + index].seen[view as usize];
        *seen = Some(seen.map_or(read.until, |at| at.min(read.until)));
        true
    }

    /// Whether the read saw something that it may not see any more.
    fn was_before(&self, view: View, read: &Read<'_>, right: impl Fn(Option<&Object>) -> bool) -> bool {
        self.writes[..self.floor(view, read)].iter().any(|write| right(write.state.as_ref()))
    }

    /// What it is to see an older object.
    fn outdated(&self, view: View, read: &Read<'_>) -> Verdict {
        Verdict::Wrong(match self.writes[self.floor(view, read)].state {
            None => Violation::Resurrected,
            Some(_) if read.last => Violation::Lost,
            Some(_) => Violation::Stale,
        })
    }
}

#[cfg(test)]
mod tests;
