//! The secret store: one file, `secrets.json`, that only its owner may read, or a systemd credential that nobody writes
//! (docs/adr/0028).
//!
//! Who has it can open the doors. So the file is refused when anyone else can
//! read it, it is replaced as a whole or not at all, and nothing of it is ever
//! printed: neither by `Debug` nor in an error message. Keys become text here
//! and nowhere else; the other rooms see them as the protocol's own types.
//!
//! A field that this version does not know is refused, with its line and
//! column. Keeping it blindly is no kinder: a newer version's lock, stored
//! again by an older one without half of its meaning, would be a lock lost.

mod client;
mod file;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod place;
mod webhook;

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::protocol::IdType;
use crate::protocol::beacon::NukiId;
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::gatt::Generation;
use crate::transport::Address;
pub use client::{ClientKey, ClientToken, FIRST_TOKEN, MAX_TOKENS, NotAdded, is_client_name};
use file::Stamp;
pub use place::{CREDENTIAL_NAME, Place};
pub use webhook::{BadWebhookUrl, WebhookSecret, WebhookUrl};

/// Name of the file in the daemon's directory.
pub const FILE_NAME: &str = "secrets.json";

/// Characters of a bridge token; clients accept no more than 20.
const TOKEN_LEN: usize = 20;

/// Ids that every client of the Bridge API can hold: positive in 32 bits, and 8 hex digits.
const ID_RANGE: std::ops::RangeInclusive<u32> = 0x1000_0000..=0x7FFF_FFFF;

/// The token of the Bridge API. Printing it prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token that the owner chose; `None` unless it has 1 to 20 characters, all of them letters or digits.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=TOKEN_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the check of a request and for the secret store only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn random() -> Result<Self, SecretsError> {
        random_text(TOKEN_LEN).map(Self)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Who we are as a bridge. Made once, then stable: clients know us by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeIdentity {
    /// What clients authenticate with.
    pub token: Token,
    /// `ids.hardwareId` of `/info`.
    pub hardware_id: u32,
    /// `ids.serverId` of `/info`.
    pub server_id: u32,
}

/// What pairing with one lock has left us with.
#[derive(Clone, PartialEq, Eq)]
pub struct LockSecret {
    /// Number of the lock.
    pub nuki_id: NukiId,
    /// Where it is on the air.
    pub address: Address,
    /// Its name when it was paired.
    pub name: String,
    /// The number it gave us.
    pub auth_id: u32,
    /// What it knows us by.
    pub shared_key: SharedKey,
    /// Its UUID, as sent when pairing ended.
    pub uuid: [u8; 16],
    /// The administrator's PIN, if we were told.
    pub pin: Option<Pin>,
    /// How it is spoken to.
    pub generation: Generation,
    /// What we are to it: bridge or app.
    pub id_type: IdType,
}

impl fmt::Debug for LockSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockSecret")
            .field("nuki_id", &format_args!("{:08X}", self.nuki_id))
            .field("address", &format_args!("{}", self.address))
            .field("name", &self.name)
            .field("auth_id", &self.auth_id)
            .field("pin", &self.pin)
            .field("generation", &self.generation)
            .field("id_type", &self.id_type)
            .finish_non_exhaustive()
    }
}

/// Which version of the secret store there is; another one means that somebody has written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Option<Stamp>);

/// Everything in the secret store.
pub struct Secrets {
    /// Who we are as a bridge.
    pub bridge: BridgeIdentity,
    /// Our number towards locks; random for each installation, so that their logs tell gateways apart.
    pub app_id: u32,
    locks: Vec<LockSecret>,
    webhooks: Vec<WebhookSecret>,
    tokens: Vec<ClientToken>,
    place: Place,
    source: Source,
}

/// Where secrets were read.
enum Source {
    /// The file, as we last saw it.
    File(Option<Stamp>),
    /// The credential at this path.
    Credential(PathBuf),
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("path", &self.path())
            .field("bridge", &self.bridge)
            .field("app_id", &self.app_id)
            .field("locks", &self.locks)
            .field("webhooks", &self.webhooks)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads the secrets; makes `secrets.json`, and its directory, where there are none.
    ///
    /// # Errors
    /// [`SecretsError`] that names the file and what to do.
    pub fn load_or_create(place: impl Into<Place>) -> Result<Self, SecretsError> {
        let place = place.into();
        if let Some(secrets) = Self::load(place.clone())? {
            return Ok(secrets);
        }
        file::create_dir(place.dir())?;
        let mut secrets = Self {
            bridge: BridgeIdentity { token: Token::random()?, hardware_id: random_id()?, server_id: random_id()? },
            app_id: random_u32()?,
            locks: Vec::new(),
            webhooks: Vec::new(),
            tokens: Vec::new(),
            place,
            source: Source::File(None),
        };
        secrets.save()?;
        Ok(secrets)
    }

    /// Reads the secrets: the credential, else `secrets.json`; `None` if there is neither.
    ///
    /// # Errors
    /// [`SecretsError`] that names the file and what to do. Both at once are an error: one of them is outdated, and keys
    /// would lie in clear that somebody meant to seal. None is one too where a gateway was seen with a credential.
    pub fn load(place: impl Into<Place>) -> Result<Option<Self>, SecretsError> {
        let place = place.into();
        let path = place.file();
        let (path, bytes, source) = match place.credential()? {
            Some((credential, _)) => {
                if file::stamp(&path)?.is_some() {
                    return Err(SecretsError::Twice { path, credential });
                }
                let Some((bytes, _)) = file::read_credential(&credential)? else { return Ok(None) };
                (credential.clone(), bytes, Source::Credential(credential))
            }
            None => match file::read(&path)? {
                Some((bytes, stamp)) => (path, bytes, Source::File(Some(stamp))),
                None if place.has_note()? => return Err(SecretsError::Elsewhere { path }),
                None => return Ok(None),
            },
        };
        let format::Content { bridge, app_id, locks, webhooks, tokens } =
            format::parse(&bytes).map_err(|problem| SecretsError::Content { path, problem })?;
        Ok(Some(Self { bridge, app_id, locks, webhooks, tokens, place, source }))
    }

    /// Which version of the secrets there is now, without reading them.
    ///
    /// # Errors
    /// [`SecretsError::Io`].
    pub fn version(place: impl Into<Place>) -> Result<Version, SecretsError> {
        let place = place.into();
        match place.credential()? {
            Some((_, stamp)) => Ok(Version(Some(stamp))),
            None => file::stamp(&place.file()).map(Version),
        }
    }

    /// Whether [`save`](Self::save) can do its work at all; to be asked before something is done that must be kept.
    ///
    /// # Errors
    /// [`SecretsError::ReadOnly`].
    pub fn check_writable(&self) -> Result<(), SecretsError> {
        match &self.source {
            Source::File(_) => Ok(()),
            Source::Credential(path) => Err(SecretsError::ReadOnly { path: path.clone() }),
        }
    }

    /// Writes everything: afterwards the file is either the new one, on disk, or the old one.
    ///
    /// # Errors
    /// [`SecretsError`]; in particular when another process has written the
    /// file since, whose new lock would otherwise be lost, and when it is a
    /// credential.
    pub fn save(&mut self) -> Result<(), SecretsError> {
        let path = self.path();
        let Source::File(seen) = &mut self.source else { return Err(SecretsError::ReadOnly { path }) };
        if file::stamp(&path)? != *seen {
            return Err(SecretsError::ChangedMeanwhile { path });
        }
        let text = format::render(&self.bridge, self.app_id, &self.locks, &self.webhooks, &self.tokens)
            .map_err(|problem| SecretsError::Content { path: path.clone(), problem })?;
        *seen = Some(file::replace(self.place.dir(), FILE_NAME, text.as_bytes())?);
        Ok(())
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.source {
            Source::File(_) => self.place.file(),
            Source::Credential(path) => path.clone(),
        }
    }

    /// Every lock, in the order in which they were added.
    #[must_use]
    pub fn locks(&self) -> &[LockSecret] {
        &self.locks
    }

    /// One lock.
    #[must_use]
    pub fn lock(&self, nuki_id: NukiId) -> Option<&LockSecret> {
        self.locks.iter().find(|lock| lock.nuki_id == nuki_id)
    }

    /// Adds a lock, or replaces what was known of it. Not stored before [`save`](Self::save).
    pub fn put_lock(&mut self, secret: LockSecret) {
        match self.locks.iter_mut().find(|lock| lock.nuki_id == secret.nuki_id) {
            Some(lock) => *lock = secret,
            None => self.locks.push(secret),
        }
    }

    /// Forgets a lock. Not stored before [`save`](Self::save).
    pub fn remove_lock(&mut self, nuki_id: NukiId) -> Option<LockSecret> {
        let index = self.locks.iter().position(|lock| lock.nuki_id == nuki_id)?;
        Some(self.locks.remove(index))
    }
}

/// Why the secret store cannot be used. No variant holds anything secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Reading or writing failed.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error(
        "{}: others may read this file (mode {mode:04o}); it opens doors. Run `chmod 600 {0}`, \
         and if others had access to this machine, pair the locks anew",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Someone else's file.
    #[error(
        "{}: this file belongs to user {owner}, but this is user {us}. \
         Run as that user, or `chown {us} {0}`",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user we run as.
        us: u32,
    },
    /// A directory, a link, a device.
    #[error("{}: this is not an ordinary file; put the file itself there, not a link to it", path.display())]
    NotAFile {
        /// What should be the file.
        path: PathBuf,
    },
    /// The content makes no sense.
    #[error("{}: {problem}. Correct it, or restore the file from a backup; it was not changed", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, column, and what is wrong there; never a value.
        problem: String,
    },
    /// Written by another process since it was read.
    #[error("{}: another process has changed this file meanwhile; stop the daemon, or try again", path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// A credential is systemd's.
    #[error(
        "{}: systemd has handed this file over, and nobody can write it. To change secrets, decrypt the credential \
         into secrets.json, change that, and encrypt it anew (docs/secrets.md)",
        path.display()
    )]
    ReadOnly {
        /// The credential.
        path: PathBuf,
    },
    /// Both a file and a credential.
    #[error(
        "{}: this file is there, and so is the credential {}; remove the one that is outdated (docs/secrets.md)",
        path.display(), credential.display()
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// The credential.
        credential: PathBuf,
    },
    /// They are in a credential that this process was not given.
    #[error(
        "{}: there is no such file, because the secrets of this gateway are in the systemd credential {CREDENTIAL_NAME}; \
         run this with `systemd-run --pipe --property=LoadCredentialEncrypted={CREDENTIAL_NAME} ...` (docs/secrets.md)",
        path.display()
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

fn fill(bytes: &mut [u8]) -> Result<(), SecretsError> {
    getrandom::fill(bytes).map_err(SecretsError::Random)
}

/// So many letters and digits, all of them equally likely.
fn random_text(length: usize) -> Result<Zeroizing<String>, SecretsError> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut bytes = Zeroizing::new([0u8; 32]);
    while text.len() < length {
        fill(&mut *bytes)?;
        // A quarter of 256 makes 64 numbers; the two without a character are
        // skipped, so that all characters are equally likely.
        let picked = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte >> 2)));
        let room = length - text.len();
        text.extend(picked.take(room).map(|byte| char::from(*byte)));
    }
    Ok(text)
}

fn random_u32() -> Result<u32, SecretsError> {
    let mut bytes = [0; 4];
    fill(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn random_id() -> Result<u32, SecretsError> {
    loop {
        // Seven of eight are in range.
        let id = random_u32()? & *ID_RANGE.end();
        if ID_RANGE.contains(&id) {
            return Ok(id);
        }
    }
}
