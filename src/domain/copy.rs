//! Copying the objects of a bucket from one site to another.

use super::bucket::BucketName;
use super::site::Site;

/// What a copier is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOrder {
    /// Where the objects are.
    pub source: Site,
    /// Where they are to be.
    pub destination: Site,
    /// The bucket, which has the same name on both sides and is there on both.
    pub bucket: BucketName,
    /// Which of its objects.
    pub what: What,
    /// Whether each object is tried once only: while writes are held, a failure that is known now is worth more than a
    /// success that comes late.
    pub once: bool,
}

/// Which objects of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All that differ in size or time. What only the destination has stays.
    Everything,
    /// The same, and what only the destination has is deleted.
    Mirror,
    /// Exactly these, also if the destination seems to have them. One that the source does not have is passed over.
    Keys(Vec<String>),
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects copied.
    pub objects_done: u64,
    /// Objects to copy, as far as they are known: it grows while the bucket is listed.
    pub objects_total: u64,
    /// Bytes copied.
    pub bytes_done: u64,
    /// Bytes to copy, as far as they are known.
    pub bytes_total: u64,
    /// Objects deleted at the destination.
    pub deleted: u64,
    /// Bytes a second.
    pub speed: u64,
    /// Seconds until the end, if they can be told.
    pub eta: Option<u64>,
}

impl Progress {
    /// This, after `earlier` was done already.
    #[must_use]
    pub fn after(self, earlier: &Progress) -> Self {
        Self {
            objects_done: self.objects_done.saturating_add(earlier.objects_done),
            objects_total: self.objects_total.saturating_add(earlier.objects_total),
            bytes_done: self.bytes_done.saturating_add(earlier.bytes_done),
            bytes_total: self.bytes_total.saturating_add(earlier.bytes_total),
            deleted: self.deleted.saturating_add(earlier.deleted),
            ..self
        }
    }
}

/// A copy that is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Objects copied.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects deleted at the destination.
    pub deleted: u64,
}

impl From<Progress> for Copied {
    fn from(progress: Progress) -> Self {
        Self { objects: progress.objects_done, bytes: progress.bytes_done, deleted: progress.deleted }
    }
}

/// Why a key cannot be given to a copier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// `dir/`: the marker of a folder, which has no content and can be created by itself.
    #[error("it ends with a slash: it is the marker of a folder")]
    Folder,
    /// `/a` or `a//b`.
    #[error("it begins with a slash, or has two in a row")]
    EmptySegment,
    /// `./a`, `a/../b` and the like.
    #[error("a part of it between slashes is . or ..")]
    DotSegment,
    /// Keys are told one a line.
    #[error("it has a line break in it")]
    LineBreak,
    /// No name of a file may hold it.
    #[error("it has a zero byte in it")]
    Nul,
}

/// Whether a copier can be trusted with a key. rclone skips those that it cannot handle, and says that all is well.
///
/// # Errors
/// It cannot, with the reason.
pub fn carriable(key: &str) -> Result<(), WhyNot> {
    if key.contains('\0') {
        return Err(WhyNot::Nul);
    }
    // A carriage return at the end would go with the end of the line.
    if key.contains('\n') || key.ends_with('\r') {
        return Err(WhyNot::LineBreak);
    }
    let (path, folder) = match key.strip_suffix('/') {
        Some(path) => (path, true),
        None => (key, false),
    };
    for segment in path.split('/') {
        match segment {
            "" => return Err(WhyNot::EmptySegment),
            "." | ".." => return Err(WhyNot::DotSegment),
            _ => {}
        }
    }
    if folder { Err(WhyNot::Folder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_copier_would_skip_are_told_with_the_reason() {
        for (key, why) in [
            ("", WhyNot::EmptySegment),
            ("/", WhyNot::EmptySegment),
            ("/a", WhyNot::EmptySegment),
            ("a//b", WhyNot::EmptySegment),
            ("a//", WhyNot::EmptySegment),
            (".", WhyNot::DotSegment),
            ("./a", WhyNot::DotSegment),
            ("a/../b", WhyNot::DotSegment),
            ("a/..", WhyNot::DotSegment),
            ("a/./", WhyNot::DotSegment),
            ("a/", WhyNot::Folder),
            ("a/b/", WhyNot::Folder),
            ("a\nb", WhyNot::LineBreak),
            ("a\r", WhyNot::LineBreak),
            ("a\0b", WhyNot::Nul),
        ] {
            assert_eq!(carriable(key), Err(why), "{key:?}");
        }
    }

    #[test]
    fn every_other_key_is_carried() {
        for key in
            ["a", "a/b", "...", ".a", "a./b", "a b", " ", "+", "a%2Fb", "\\", "ü", "‛x", "␊", "．/x", "a\rb", "\u{1}"]
        {
            assert_eq!(carriable(key), Ok(()), "{key:?}");
        }
    }

    #[test]
    fn progress_of_several_parts_adds_up() {
        let part = Progress { objects_done: 1, objects_total: 2, bytes_done: 3, bytes_total: 4, ..Progress::default() };
        let sum = Progress { speed: 7, eta: Some(1), ..part }.after(&part);
        let expected = Progress { objects_done: 2, objects_total: 4, bytes_done: 6, bytes_total: 8, ..sum };
        assert_eq!((sum, sum.speed, sum.eta), (expected, 7, Some(1)));
    }
}
