//! Whose the files below a directory are.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::adapters::privileged::CANDIDATE_PID;

/// The numbers of a user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The user's.
    pub user: u32,
    /// The group's.
    pub group: u32,
}

/// What is root's below a directory of the service's: left by a program that root ran, the service could not write it.
/// Links are named and not followed; what nginx leaves there as root is its own.
///
/// # Errors
/// The directory cannot be read.
pub fn files_of_others(directory: &Path, ids: Ids) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        let told = |error: std::io::Error| format!("could not look at {}: {error}", next.display());
        for entry in fs::read_dir(&next).map_err(told)? {
            let path = entry.map_err(told)?.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let by_nginx = path.file_name().is_some_and(|name| name == CANDIDATE_PID);
            if metadata.uid() == 0 && ids.user != 0 && !by_nginx {
                found.push(path.clone());
            }
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
