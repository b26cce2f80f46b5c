//! Whose files are: what root writes into a service's directory must stay usable for the service.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

/// The number of root.
pub(crate) const ROOT: u32 = 0;

/// Gives a new file to the owner of its directory, where we are root and may.
///
/// # Errors
/// What the system says.
pub(crate) fn give_to_owner_of_dir(path: &Path, file: &File) -> std::io::Result<()> {
    let Some(dir) = path.parent().filter(|_| effective_user().is_ok_and(|us| us == ROOT)) else { return Ok(()) };
    let dir = fs::metadata(dir)?;
    fchown(file, Some(dir.uid()), Some(dir.gid()))
}

/// The user whose rights we have. From /proc, because the system call needs unsafe code.
///
/// # Errors
/// What the system says.
pub(crate) fn effective_user() -> std::io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| std::io::Error::other("/proc/self/status does not say"))
}
