//! The bytes of an env file: replaced as a whole, or in place where the directory does not let us.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use crate::fault::point;

/// Why a file was not replaced.
pub(super) enum NotReplaced {
    /// A file beside it cannot be made, or cannot be given its owner: it can only be written in place.
    NotHere(io::Error),
    /// The disk failed; the old file is there.
    Failed(io::Error),
}

/// The text of a file; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file itself, if `path` is a link to it: a link must survive the replacement of what it leads to.
pub(super) fn behind_links(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Puts a new file in the place of `path`, with the old one's owner and mode. Readers see the old one or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), NotReplaced> {
    let temporary = beside(path, ".tmp");
    let made = forget(&temporary).and_then(|()| {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        adopt(&file, path)?;
        Ok(file)
    });
    let mut file = made.map_err(|error| {
        // It may be there if only its owner could not be set.
        let _ = fs::remove_file(&temporary);
        NotReplaced::NotHere(error)
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        point("settings.temporary");
        fs::rename(&temporary, path)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        NotReplaced::Failed(error)
    })?;
    point("settings.renamed");
    sync_directory(path).map_err(NotReplaced::Failed)
}

/// Gives a new file the owner and mode of the one it will replace. If there is none, it is closed to all others; but a
/// directory that is closed to others names the group that may work with what is in it.
fn adopt(file: &File, old: &Path) -> io::Result<()> {
    let new = file.metadata()?;
    let (uid, gid, mode) = match fs::metadata(old) {
        Ok(old) => (old.uid(), old.gid(), old.mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = fs::metadata(parent(old))?;
            let shared = directory.mode() & 0o007 == 0;
            if shared { (new.uid(), directory.gid(), 0o660) } else { (new.uid(), new.gid(), 0o600) }
        }
        Err(error) => return Err(error),
    };
    if (new.uid(), new.gid()) != (uid, gid) {
        fchown(file, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode & 0o7777))
}

/// Writes `new` over `old` in the file itself. At every moment the file begins with lines of `new` and goes on with
/// those of `old`; what is left over at its end is empty lines, until it is cut off.
pub(super) fn overwrite(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let put = |from: &str, text: &str| -> io::Result<()> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(bytes.len().max(from.len()), b'\n');
        let same = from.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        file.write_all_at(&bytes[same..], same as u64)?;
        point("settings.overwritten");
        file.sync_all()?;
        file.set_len(text.len() as u64)?;
        point("settings.cut");
        file.sync_all()
    };
    put(old, new).inspect_err(|_| {
        // The old text fits where it was. If even that fails, the journal has it.
        let _ = put("", old);
    })
}

/// Whether `text` is what an [`overwrite`] of `old` by `new` leaves behind when it is cut short.
pub(super) fn is_torn(text: &str, old: &str, new: &str) -> bool {
    let (text, old) = (text.as_bytes(), old.as_bytes());
    let mut new = new.as_bytes().to_vec();
    new.resize(new.len().max(old.len()), b'\n');
    let same = text.iter().zip(&new).take_while(|(a, b)| a == b).count();
    text[same..] == old[same.min(old.len())..]
}

/// Writes a file that nobody but its directory's owner can read, for good.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    DirBuilder::new().recursive(true).mode(0o700).create(parent(path))?;
    forget(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let (own, directory) = (file.metadata()?, fs::metadata(parent(path))?);
    if own.uid() != directory.uid() {
        // Root writes it, and the service must be able to read it at its next start.
        fchown(&file, Some(directory.uid()), Some(directory.gid()))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path)
}

/// Removes a file, if it is there.
pub(super) fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes lasting what happened to the name of a file.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(parent(path)) {
        Ok(directory) => directory.sync_all(),
        // One may be allowed to make files in a directory that one may not read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name beside `path`.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.env");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it() {
        let (directory, path) = file("A=1\n", 0o660);
        fs::write(beside(&path, ".tmp"), "of a crash").unwrap();
        assert!(replace(&path, "A=2\n").is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=2\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_is_closed_to_others_and_open_to_the_group_of_a_closed_directory() {
        for (mode, expected) in [(0o755, 0o600), (0o750, 0o660)] {
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            let path = directory.path().join("config.env");
            assert!(replace(&path, "A=1\n").is_ok());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, expected);
        }
    }

    #[test]
    fn a_file_beside_which_none_can_be_made_is_said_to_be_such() {
        let (_directory, path) = file("A=1\n", 0o600);
        fs::create_dir_all(beside(&path, ".tmp").join("in the way")).unwrap();
        assert!(matches!(replace(&path, "A=2\n"), Err(NotReplaced::NotHere(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\n");
    }

    #[test]
    fn what_was_edited_by_somebody_is_not_torn() {
        assert!(!is_torn("A=1\nB=3\nC=1\n", "A=1\nB=1\nC=1\n", "A=1\nB=2\nC=1\n"));
        assert!(is_torn("A=1\nB=2\nC=1\n", "A=1\nB=1\nC=1\n", "A=1\nB=2\nC=1\n"));
        assert!(is_torn("A=2\n\n", "A=1\nB", "A=2\n"));
    }

    proptest! {
        #[test]
        fn an_overwritten_file_is_the_new_text_and_each_stage_on_the_way_is_known(
            old in "[ab\n]{0,12}", new in "[ab\n]{0,12}", cut in 0_usize..24,
        ) {
            let (_directory, path) = file(&old, 0o600);
            overwrite(&path, &old, &new).unwrap();
            prop_assert_eq!(fs::read_to_string(&path).unwrap(), new.clone());
            let mut padded = new.clone().into_bytes();
            padded.resize(new.len().max(old.len()), b'\n');
            let cut = cut.min(padded.len());
            let rest = old.as_bytes().get(cut..).unwrap_or_default();
            let torn = String::from_utf8([&padded[..cut], rest].concat()).unwrap();
            prop_assert!(is_torn(&torn, &old, &new), "{:?}", torn);
        }
    }
}
