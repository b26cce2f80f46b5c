//! Keypad codes that the owner changes through the gateway: written down, handed to the session, answered; the same
//! request under the same key joins it.

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::actor::Actor;
use super::handle::GatewayError;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use crate::protocol::users::TimeLimit;
use crate::session::{CodeChange, CodeNotChanged, Input, LogAccess};
use crate::store::{BegunCodeChange, CodeChangeEnd, CodeChangeKind, IdempotencyKey, NewCodeChange};

/// So many may wait for the end of one change: as many as the HTTP server has connections.
const MAX_JOINED: usize = 256;

/// Who waits for a change: the number of a new code, or nothing.
pub(super) type CodeWaiter = oneshot::Sender<Result<Option<CodeId>, GatewayError>>;

/// A change as a client asks for it.
#[derive(Debug)]
pub(super) struct AskedCode {
    pub(super) change: CodeChange,
    pub(super) requester: String,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) reply: CodeWaiter,
}

/// The change that is under way, and who waits for it.
pub(super) struct CodeChanger {
    id: i64,
    requester: String,
    key: Option<(IdempotencyKey, [u8; 32])>,
    replies: Vec<CodeWaiter>,
}

impl Actor<'_> {
    pub(super) async fn on_change_code(&mut self, asked: AskedCode) {
        let AskedCode { change, requester, key, reply } = asked;
        if reply.is_closed() {
            // Whoever asked has gone and would never hear that it was done.
            return;
        }
        let key = key.map(|key| (key, key.salted(&wish(self.lock.nuki_id, &change))));
        if let Some(open) = &mut self.code_changer {
            let is_same = key.is_some() && open.key == key && open.requester == requester;
            if !is_same {
                reply.send(Err(GatewayError::CodeBusy)).ok();
            } else if open.replies.len() >= MAX_JOINED {
                // Not "busy": it may be done, so whoever asks is not to ask again.
                reply.send(Err(GatewayError::Uncertain)).ok();
            } else {
                open.replies.push(reply);
            }
            return;
        }
        let snapshot = self.snapshot();
        // Before its configuration was read nobody knows.
        if !snapshot.has_keypad && snapshot.firmware_version.is_some() {
            reply.send(Err(GatewayError::NoKeypad)).ok();
            return;
        }
        let (nuki_id, at) = (self.lock.nuki_id, self.tools.clock.wall());
        let new = NewCodeChange { nuki_id, kind: kind(&change), requester: requester.clone(), key, at };
        let answer = match self.tools.store.begin_code_change(&new).await {
            Ok(BegunCodeChange::New(id)) => {
                self.code_changer = Some(CodeChanger { id, requester, key, replies: vec![reply] });
                self.session.handle(Input::ChangeCode(change), self.now());
                return self.radio.make_connecting_urgent();
            }
            Ok(BegunCodeChange::Before(end)) => answer(end),
            Ok(BegunCodeChange::KeyUsed) => Err(GatewayError::KeyUsed),
            Ok(BegunCodeChange::TooMany(wait)) => Err(GatewayError::TooManyCodeChanges(wait)),
            Err(error) => {
                error!(lock = %self.lock.label(), %error, "a change of a code could not be stored, so nothing was sent");
                Err(GatewayError::Storage(error.to_string()))
            }
        };
        reply.send(answer).ok();
    }

    pub(super) async fn on_code_changed(&mut self, result: Result<Option<CodeId>, CodeNotChanged>) {
        let Some(changer) = self.code_changer.take() else { return };
        let (lock, requester) = (self.lock.label(), changer.requester.as_str());
        if let Err(error) = self.tools.store.finish_code_change(changer.id, end(result), self.tools.clock.wall()).await
        {
            // The answer is true all the same. The row stays open, which is unknown to whoever asks again.
            error!(%lock, %error, "the end of a change of a code could not be stored");
        }
        let result = result.map_err(not_changed);
        match &result {
            Ok(code_id) => info!(%lock, code_id, requester, "a keypad code was changed, as the owner asked"),
            Err(error) => warn!(%lock, requester, %error, "a keypad code was not changed"),
        }
        for reply in changer.replies {
            // Whoever asked may have hung up.
            reply.send(result.clone()).ok();
        }
    }

    /// The store failed or the gateway stops. What has left may have been done all the same.
    pub(super) fn give_up_code_change(&mut self) {
        for reply in self.code_changer.take().into_iter().flat_map(|changer| changer.replies) {
            reply.send(Err(GatewayError::Uncertain)).ok();
        }
    }
}

const fn kind(change: &CodeChange) -> CodeChangeKind {
    match change {
        CodeChange::Add { .. } => CodeChangeKind::Add,
        CodeChange::Update { code_id, .. } => CodeChangeKind::Update(*code_id),
        CodeChange::Remove(code_id) => CodeChangeKind::Remove(*code_id),
    }
}

const fn end(result: Result<Option<CodeId>, CodeNotChanged>) -> CodeChangeEnd {
    match result {
        Ok(code_id) => CodeChangeEnd::Done(code_id),
        Err(CodeNotChanged::Refused(code)) => CodeChangeEnd::Refused(Some(code)),
        Err(CodeNotChanged::NoSuchCode) => CodeChangeEnd::Refused(None),
        Err(CodeNotChanged::NoPin(_) | CodeNotChanged::Busy | CodeNotChanged::Unreachable) => CodeChangeEnd::NotSent,
        Err(CodeNotChanged::Unknown) => CodeChangeEnd::Unknown,
    }
}

/// What was answered before under the same key. One that never left has freed its key, so it is never asked for.
const fn answer(end: CodeChangeEnd) -> Result<Option<CodeId>, GatewayError> {
    match end {
        CodeChangeEnd::Done(code_id) => Ok(code_id),
        CodeChangeEnd::Refused(Some(code)) => Err(GatewayError::Refused(code)),
        CodeChangeEnd::Refused(None) => Err(GatewayError::NoSuchCode),
        CodeChangeEnd::NotSent | CodeChangeEnd::Unknown => Err(GatewayError::Uncertain),
    }
}

fn not_changed(why: CodeNotChanged) -> GatewayError {
    match why {
        CodeNotChanged::NoPin(LogAccess::PinMissing) => GatewayError::NoPin("no PIN is known"),
        CodeNotChanged::NoPin(_) => GatewayError::NoPin("the lock refused the PIN"),
        CodeNotChanged::NoSuchCode => GatewayError::NoSuchCode,
        CodeNotChanged::Refused(code) => GatewayError::Refused(code),
        CodeNotChanged::Busy => GatewayError::CodeBusy,
        CodeNotChanged::Unreachable => GatewayError::Unreachable("it did not take the change in time".to_owned()),
        CodeNotChanged::Unknown => GatewayError::Uncertain,
    }
}

/// What is asked for, as bytes that tell every two wishes apart; of digits only whether there are any.
fn wish(nuki_id: NukiId, change: &CodeChange) -> Vec<u8> {
    let limit = |limit: Option<TimeLimit>| limit.map_or_else(Vec::new, |limit| limit.encode());
    let parts = match change {
        CodeChange::Add { name, digits: _, time_limit } => {
            vec![vec![0], name.as_bytes().to_vec(), limit(*time_limit)]
        }
        CodeChange::Update { code_id, name, digits, enabled, time_limit } => vec![
            vec![1],
            code_id.to_le_bytes().to_vec(),
            name.as_deref().map_or_else(Vec::new, |name| [b"=", name.as_bytes()].concat()),
            vec![u8::from(digits.is_some())],
            enabled.map_or_else(Vec::new, |enabled| vec![u8::from(enabled)]),
            time_limit.map_or_else(Vec::new, |new| [vec![1], limit(new)].concat()),
        ],
        CodeChange::Remove(code_id) => vec![vec![2], code_id.to_le_bytes().to_vec()],
    };
    let mut bytes = nuki_id.to_le_bytes().to_vec();
    for part in parts {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(&part);
    }
    bytes
}
