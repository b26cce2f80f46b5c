//! The file: whose it is, and how it is replaced.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SecretsError;
use crate::owner::{ROOT, effective_user, give_to_owner_of_dir};

/// A store of hundreds of locks is far smaller; more is a mistake or an attack.
const MAX_LEN: u64 = 1024 * 1024;

/// The bytes of the file, wiped when they are dropped.
type Content = Zeroizing<Vec<u8>>;

/// Tells one version of the file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), modified: (metadata.mtime(), metadata.mtime_nsec()), length: metadata.len() }
    }
}

/// Which version of the file is there; `None` if there is none.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, SecretsError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io(path, "look at it")(source)),
    }
}

/// The content, if the file is ours alone; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<(Content, Stamp)>, SecretsError> {
    // Nobody but the owner.
    read_kept(path, is_ours, 0o077)
}

/// The same for a file that systemd has put there for us: root's, with an access list for our user. Of such a list the
/// mode shows what it allows at most as the group's rights.
pub(super) fn read_credential(path: &Path) -> Result<Option<(Content, Stamp)>, SecretsError> {
    read_kept(path, |owner, us| owner == ROOT || owner == us, 0o037)
}

fn read_kept(
    path: &Path,
    is_kept_by: impl Fn(u32, u32) -> bool,
    refused: u32,
) -> Result<Option<(Content, Stamp)>, SecretsError> {
    // Links are refused: the rename of the next save would replace the link,
    // not the file. Without O_NONBLOCK a pipe of that name would block us.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(SecretsError::NotAFile { path: path.to_owned() });
        }
        Err(source) => return Err(io(path, "open it")(source)),
    };
    // Asked of the open file, so that it cannot be exchanged after the check.
    let metadata = file.metadata().map_err(io(path, "look at it"))?;
    if !metadata.is_file() {
        return Err(SecretsError::NotAFile { path: path.to_owned() });
    }
    let us = effective_user().map_err(io(path, "find out which user this is"))?;
    if !is_kept_by(metadata.uid(), us) {
        return Err(SecretsError::Owner { path: path.to_owned(), owner: metadata.uid(), us });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & refused != 0 {
        return Err(SecretsError::Readable { path: path.to_owned(), mode });
    }
    if metadata.len() > MAX_LEN {
        let problem = format!("it has {} bytes, which is more than {MAX_LEN}", metadata.len());
        return Err(SecretsError::Content { path: path.to_owned(), problem });
    }
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_LEN).read_to_end(&mut bytes).map_err(io(path, "read it"))?;
    Ok(Some((bytes, Stamp::of(&metadata))))
}

/// Makes the directory, for us alone.
pub(super) fn create_dir(dir: &Path) -> Result<(), SecretsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir, "create the directory"))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), SecretsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path, "remove it")(error)),
        _ => Ok(()),
    }
}

/// Replaces the file as a whole: after a crash there is the old one or the new one.
pub(super) fn replace(dir: &Path, name: &str, content: &[u8]) -> Result<Stamp, SecretsError> {
    let path = dir.join(name);
    let temporary = dir.join(format!(".{name}.new"));
    let result = write_new(&temporary, content).and_then(|stamp| {
        fs::rename(&temporary, &path).map_err(io(&path, "replace it"))?;
        Ok(stamp)
    });
    match result {
        Ok(stamp) => {
            // The new name is on disk only once the directory is.
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir, "write the directory to disk"))?;
            Ok(stamp)
        }
        Err(error) => {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<Stamp, SecretsError> {
    match fs::remove_file(path) {
        // Left over from a crash.
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(io(path, "remove what is left of an earlier attempt")(source)),
    }
    // Private from its first moment, and never somebody else's file.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io(path, "create it"))?;
    give_to_owner_of_dir(path, &file).map_err(io(path, "give it to the owner of its directory"))?;
    file.write_all(content).map_err(io(path, "write it"))?;
    file.sync_all().map_err(io(path, "write it to disk"))?;
    Ok(Stamp::of(&file.metadata().map_err(io(path, "look at it"))?))
}

/// Root may look at anybody's file anyway; it is how an owner pairs for the service's user.
const fn is_ours(owner: u32, us: u32) -> bool {
    owner == us || us == ROOT
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> SecretsError {
    let path = PathBuf::from(path);
    move |source| SecretsError::Io { path, action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_is_not_ours_unless_we_are_root() {
        assert!(is_ours(1000, 1000));
        assert!(!is_ours(1000, 1001));
        assert!(!is_ours(ROOT, 1001));
        assert!(is_ours(1000, ROOT));
    }
}
