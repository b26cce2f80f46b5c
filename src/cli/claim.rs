//! One at a time: whoever talks to the locks of a directory holds its claim.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use anyhow::{Context, bail};

use crate::owner::give_to_owner_of_dir;

/// The claim ends with the process, however it ends.
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

/// Who wants the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// `keyturner run`.
    ByGateway,
    /// A command that talks to a lock: the answers to two programs on one link cannot be told apart.
    ByCommand,
}

impl Claim {
    /// Takes it, or says who has it and what to do.
    pub(super) fn take(data: &Path, held: Held) -> anyhow::Result<Self> {
        let path = data.join("keyturner.lock");
        let file = open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) if held == Held::ByGateway => {
                bail!("another `keyturner` uses {}; stop it first", data.display())
            }
            Err(TryLockError::WouldBlock) => bail!(
                "a gateway runs with {} and talks to its locks; stop it (`systemctl stop keyturner`), run this, and start \
                 it again: then it knows what has changed",
                data.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// Root may be the first to make it, and the service has to open it all the same.
fn open(path: &Path) -> std::io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => give_to_owner_of_dir(path, &file).map(|()| file),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path),
        Err(error) => Err(error),
    }
}
