//! Where the secrets of a gateway are: in its directory, or in a credential that systemd has handed to this process.

use std::path::{Path, PathBuf};

use super::file::{self, Stamp};
use super::{FILE_NAME, SecretsError};

/// Name of the credential that takes the file's place.
pub const CREDENTIAL_NAME: &str = "keyturner.secrets";

/// What a gateway with a credential leaves in its directory, for commands that systemd hands nothing to.
const NOTE_NAME: &str = "secrets.credential";
const NOTE: &[u8] = b"The secrets of this gateway are in the systemd credential keyturner.secrets.\n";

/// Where to look for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    dir: PathBuf,
    credentials: Option<PathBuf>,
}

impl<P: AsRef<Path>> From<P> for Place {
    fn from(dir: P) -> Self {
        Self::new(dir.as_ref(), None)
    }
}

impl Place {
    /// A directory, and the directory of credentials that systemd has named, if it has.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, credentials: Option<PathBuf>) -> Self {
        Self { dir: dir.into(), credentials }
    }

    /// The gateway's own directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves a note in the directory if the secrets are in a credential, and takes it away if they are not.
    ///
    /// # Errors
    /// [`SecretsError::Io`].
    pub fn note(&self) -> Result<(), SecretsError> {
        match self.credential()? {
            Some(_) => {
                file::create_dir(&self.dir)?;
                file::replace(&self.dir, NOTE_NAME, NOTE).map(|_| ())
            }
            None => file::remove(&self.dir.join(NOTE_NAME)),
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    /// The credential, if there is one.
    pub(super) fn credential(&self) -> Result<Option<(PathBuf, Stamp)>, SecretsError> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let path = credentials.join(CREDENTIAL_NAME);
        Ok(file::stamp(&path)?.map(|stamp| (path, stamp)))
    }

    /// Whether the secrets are known to be in a credential, whoever may have it.
    pub(super) fn has_note(&self) -> Result<bool, SecretsError> {
        Ok(file::stamp(&self.dir.join(NOTE_NAME))?.is_some())
    }
}
