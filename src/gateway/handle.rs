//! What the rest of the daemon may ask of the gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::acting::Asked;
use super::codes::AskedCode;
use super::health::{ClockHealth, LockHealth, RadioHealth};
use crate::clock::UnixMillis;
use crate::protocol::beacon::{Family, NukiId};
use crate::protocol::crypto::Pin;
use crate::protocol::log::CodeId;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{ErrorCode, LockAction};
pub use crate::session::{CodeChange, NotDone};
use crate::store::IdempotencyKey;

/// What is known of a lock, from memory: no radio is used to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct LockSnapshot {
    /// Its number.
    pub nuki_id: NukiId,
    /// Name given by the owner; the advertised one until the configuration was read.
    pub name: String,
    /// 0 Smart Lock 1 and 2, 2 Opener, 3 Smart Door, 4 Smart Lock 3 and 4, 5 the Ultra family. The Bridge API ends at 4.
    pub device_type: u8,
    /// `3.9.5`; `None` until the configuration was read.
    pub firmware_version: Option<String>,
    /// The last state and when it was read; `None` until then.
    pub state: Option<(KeyturnerStates, UnixMillis)>,
    /// Whether a keypad is paired, as far as known.
    pub has_keypad: bool,
    /// Whether the owner has told the lock to pull the latch when it unlocks (a knob outside); `None` until the
    /// configuration was read.
    pub auto_unlatch: Option<bool>,
    /// When the bell of an Opener rang last; `None` for a lock, and until it rings since the start.
    pub last_ring: Option<UnixMillis>,
    /// Signal strength of the last advertisement, dBm.
    pub rssi: Option<i16>,
    /// When the last advertisement came.
    pub last_seen: Option<UnixMillis>,
}

/// A Nuki device heard on the air, paired or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanResult {
    /// Its number.
    pub nuki_id: NukiId,
    /// Lock or Opener.
    pub family: Family,
    /// Signal strength, dBm.
    pub rssi: Option<i16>,
    /// When it was heard last.
    pub last_seen: UnixMillis,
}

/// How an action that a client asked for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionOutcome {
    /// The lock accepted it (only with [`WaitFor::Accepted`]).
    Accepted,
    /// The lock said complete, or state and log prove it.
    Done,
    /// The lock refused or failed, or state and log prove that it did not happen.
    NotDone(NotDone),
    /// A request with the same key was answered so before.
    NotDoneBefore,
    /// It left the gateway, and whether it happened cannot be told.
    Unknown,
}

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// That the lock accepted it.
    Accepted,
    /// That the lock is done.
    Completed,
}

/// Who asks for an action.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Name of the client's token.
    pub name: &'a str,
    /// By which key the client knows this request. Another request with the same key is the same one.
    pub key: Option<IdempotencyKey>,
}

impl<'a> From<&'a str> for Asker<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, key: None }
    }
}

/// Why the gateway cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// No lock with this number is paired.
    #[error("no lock {0:08X} is paired")]
    UnknownLock(NukiId),
    /// The lock could not be reached in time.
    #[error("the lock cannot be reached: {0}")]
    Unreachable(String),
    /// Too many requests wait already.
    #[error("too many requests are waiting for this lock")]
    QueueFull,
    /// The intent could not be stored, so nothing was sent.
    #[error("the event log cannot be written, so nothing was sent: {0}")]
    Storage(String),
    /// Without a PIN that the lock takes, nothing about it can be set.
    #[error("{0}; set the security PIN with `keyturner pin`")]
    NoPin(&'static str),
    /// The lock said no.
    #[error("the lock refused: {0}")]
    Refused(ErrorCode),
    /// There is no keypad code with this number.
    #[error("the lock has no keypad code with this number")]
    NoSuchCode,
    /// No keypad is paired with the lock, as far as its configuration says.
    #[error("no keypad is paired with this lock")]
    NoKeypad,
    /// Another change of a code is under way at this lock.
    #[error("another keypad code of this lock is being changed")]
    CodeBusy,
    /// So many codes were changed lately that the next change has to wait.
    #[error("too many keypad codes of this lock were changed; the next change may be asked for in {} s", .0.as_secs())]
    TooManyCodeChanges(Duration),
    /// It was sent, and no answer came.
    #[error("it was sent, and the lock's answer was lost: look at the list of codes before asking again")]
    Uncertain,
    /// The client's token does not allow it. What stands before the gateway says so, never the gateway.
    #[error("the token does not allow this")]
    NotAllowed,
    /// The client names its request by a key that it has used for something else.
    #[error("the key of this request was used for something else")]
    KeyUsed,
    /// To remember one more key of this client, another one would have to be forgotten early.
    #[error("too many keys of this client are remembered; the next one is free in {} s", .0.as_secs())]
    TooManyKeys(Duration),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Request {
    /// Answers that nothing was begun.
    pub(super) fn refuse(self, error: GatewayError) {
        match self {
            Self::ReadState { reply } => reply.send(Err(error)).ok(),
            // Whoever asked may have hung up.
            Self::Act(asked) => asked.reply.send(Err(error)).map_err(drop).ok(),
            Self::SetClock { reply } => reply.send(Err(error)).ok(),
            Self::ChangeCode(asked) => asked.reply.send(Err(error)).map_err(drop).ok(),
            Self::SetPin { reply, .. } => reply.send(Err(error)).ok(),
            Self::Forget { reply } => reply.send(Err(error)).ok(),
        };
    }
}

/// A request to one lock's actor.
#[derive(Debug)]
pub(super) enum Request {
    ReadState { reply: oneshot::Sender<Result<KeyturnerStates, GatewayError>> },
    SetClock { reply: oneshot::Sender<Result<ClockHealth, GatewayError>> },
    ChangeCode(AskedCode),
    Forget { reply: oneshot::Sender<Result<(), GatewayError>> },
    SetPin { pin: Option<Pin>, reply: oneshot::Sender<Result<(), GatewayError>> },
    Act(Asked),
}

/// State shared between actors and handles; every lock on it is held for a copy only.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) locks: BTreeMap<NukiId, Arc<LockSnapshot>>,
    pub(super) health: BTreeMap<NukiId, LockHealth>,
    pub(super) heard: BTreeMap<NukiId, ScanResult>,
    /// `None` until it has begun.
    pub(super) radio: Option<RadioHealth>,
}

/// The gateway, to be cloned freely.
#[derive(Debug, Clone, Default)]
pub struct GatewayHandle {
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) actors: Arc<BTreeMap<NukiId, mpsc::Sender<Request>>>,
}

impl GatewayHandle {
    /// Every paired lock, by number.
    #[must_use]
    pub fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        self.lock_shared().locks.values().cloned().collect()
    }

    /// One paired lock.
    #[must_use]
    pub fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>> {
        self.lock_shared().locks.get(&nuki_id).cloned()
    }

    /// Every Nuki device heard on the air.
    #[must_use]
    pub fn scan_results(&self) -> Vec<ScanResult> {
        self.lock_shared().heard.values().cloned().collect()
    }

    /// How the radio listens; `None` until it has begun.
    #[must_use]
    pub fn radio(&self) -> Option<RadioHealth> {
        self.lock_shared().radio.clone()
    }

    /// Reads the state from the lock itself.
    ///
    /// # Errors
    /// [`GatewayError`] when the lock is unknown or cannot be reached.
    pub async fn read_state(&self, nuki_id: NukiId) -> Result<KeyturnerStates, GatewayError> {
        self.ask(nuki_id, |reply| Request::ReadState { reply }).await?.unwrap_or(Err(GatewayError::Stopping))
    }

    /// Has the lock do something, once at most. The intent is on disk before the command leaves. The same asked for
    /// again at once by the same client is no other intent (`docs/adr/0025`).
    ///
    /// # Errors
    /// [`GatewayError`] when nothing was sent.
    pub async fn act(
        &self,
        nuki_id: NukiId,
        action: LockAction,
        asker: impl Into<Asker<'_>>,
        wait: WaitFor,
    ) -> Result<ActionOutcome, GatewayError> {
        let (Asker { name, key }, asked_at) = (asker.into(), Instant::now());
        let requester = name.to_owned();
        let asked = |reply| Request::Act(Asked { action, requester, key, asked_at, wait, reply });
        let answer = self.ask(nuki_id, asked).await?;
        // Without an answer nobody can promise that nothing was sent, and a caller who believes that asks again.
        answer.unwrap_or(Ok(ActionOutcome::Unknown))
    }

    /// Sets the lock's clock to the host's, and gives what it shows afterwards. A lock that runs on local time keeps to
    /// it. Only for an owner who asks: it is a change of the lock's settings.
    ///
    /// # Errors
    /// [`GatewayError`] when the lock is unknown, cannot be reached, or does not take the PIN.
    pub async fn set_clock(&self, nuki_id: NukiId) -> Result<ClockHealth, GatewayError> {
        self.ask(nuki_id, |reply| Request::SetClock { reply }).await?.unwrap_or(Err(GatewayError::Stopping))
    }

    /// Changes a keypad code, once at most, and gives the number of a new one. Only for an owner who asks. The same
    /// asked for again under the same key is answered as before, and not done again.
    ///
    /// # Errors
    /// [`GatewayError`] when the lock is unknown, cannot be reached, has no keypad or no such code, refuses, or does
    /// not take the PIN, or when too much is asked of it; [`GatewayError::Uncertain`] when it may have been done.
    pub async fn change_code(
        &self,
        nuki_id: NukiId,
        change: CodeChange,
        asker: impl Into<Asker<'_>>,
    ) -> Result<Option<CodeId>, GatewayError> {
        let Asker { name, key } = asker.into();
        let requester = name.to_owned();
        let asked = |reply| Request::ChangeCode(AskedCode { change, requester, key, reply });
        let answer = self.ask(nuki_id, asked).await?;
        answer.unwrap_or(Err(GatewayError::Uncertain))
    }

    /// Hands over the PIN that the owner has set. Tries with it count as they stand in the event log.
    ///
    /// # Errors
    /// [`GatewayError`] when the lock is unknown.
    pub async fn set_pin(&self, nuki_id: NukiId, pin: Option<Pin>) -> Result<(), GatewayError> {
        self.ask(nuki_id, |reply| Request::SetPin { pin, reply }).await?.unwrap_or(Err(GatewayError::Stopping))
    }

    /// Serves a lock no longer: whoever waits for it is answered, its link is ended, it is in no list any more. What
    /// it did stays in the event log.
    ///
    /// # Errors
    /// [`GatewayError`] when the lock is unknown, or busy with more than it can answer.
    pub async fn forget(&self, nuki_id: NukiId) -> Result<(), GatewayError> {
        self.ask(nuki_id, |reply| Request::Forget { reply }).await?.unwrap_or(Err(GatewayError::Stopping))
    }

    /// `None` if whoever should have answered is gone.
    async fn ask<T>(
        &self,
        nuki_id: NukiId,
        request: impl FnOnce(oneshot::Sender<Result<T, GatewayError>>) -> Request,
    ) -> Result<Option<Result<T, GatewayError>>, GatewayError> {
        let actor = self.actors.get(&nuki_id).ok_or(GatewayError::UnknownLock(nuki_id))?;
        let (reply, answer) = oneshot::channel();
        actor.try_send(request(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => GatewayError::QueueFull,
            mpsc::error::TrySendError::Closed(_) if self.lock(nuki_id).is_none() => GatewayError::UnknownLock(nuki_id),
            mpsc::error::TrySendError::Closed(_) => GatewayError::Stopping,
        })?;
        Ok(answer.await.ok())
    }

    pub(super) fn lock_shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        // A panic while holding it cannot leave a half-written map: only whole values are replaced.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops a lock from everything that is answered from memory; on the air it is a stranger from now on.
pub(super) fn forget(shared: &Mutex<Shared>, nuki_id: NukiId) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.locks.remove(&nuki_id);
    shared.health.remove(&nuki_id);
}
