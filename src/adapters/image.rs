//! A machine's files: those of this one, or those that are put together in a directory to become another one's.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a machine's `/` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    root: PathBuf,
}

impl Image {
    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// The machine whose files are below `root`.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn at(root: &Path) -> std::io::Result<Self> {
        Ok(Self { root: fs::canonicalize(root)? })
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where its `/` is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file of the machine is for us.
    #[must_use]
    pub fn on_disk(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What a file that we see is called on the machine.
    #[must_use]
    pub fn name_of(&self, on_disk: &Path) -> PathBuf {
        on_disk.strip_prefix(&self.root).map_or_else(|_| on_disk.to_owned(), |rest| Path::new("/").join(rest))
    }

    /// The path without links; as it is, if nothing is there.
    #[must_use]
    pub fn canonical(&self, path: &Path) -> PathBuf {
        fs::canonicalize(self.on_disk(path)).map_or_else(|_| path.to_owned(), |real| self.name_of(&real))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_image_is_below_its_root_and_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("etc/real")).unwrap();
        std::os::unix::fs::symlink("real", directory.path().join("etc/link")).unwrap();
        let image = Image::at(directory.path()).unwrap();
        let place = image.on_disk(Path::new("/etc/link/file"));
        assert!(place.ends_with("etc/link/file") && place.starts_with(image.root()), "{}", place.display());
        assert_eq!(image.name_of(&place), Path::new("/etc/link/file"));
        assert_eq!(image.canonical(Path::new("/etc/link")), Path::new("/etc/real"));
        assert_eq!(image.canonical(Path::new("/etc/none")), Path::new("/etc/none"));
        assert_eq!(Image::here().on_disk(Path::new("/etc")), Path::new("/etc"));
        assert!(Image::here().is_here() && !image.is_here());
    }
}
