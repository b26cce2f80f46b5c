//! Keypad codes that the owner changes through the gateway.

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::actor::Actor;
use super::handle::GatewayError;
use crate::protocol::log::CodeId;
use crate::session::{CodeChange, CodeNotChanged, Input, LogAccess};

/// Who waits for a change: the number of a new code, or nothing.
pub(super) type CodeWaiter = oneshot::Sender<Result<Option<CodeId>, GatewayError>>;

impl Actor<'_> {
    pub(super) fn on_change_code(&mut self, change: CodeChange, reply: CodeWaiter, now: Duration) {
        if self.code_changer.is_some() {
            reply.send(Err(GatewayError::QueueFull)).ok();
            return;
        }
        if reply.is_closed() {
            // Whoever asked has gone and would never hear that it was done.
            return;
        }
        self.code_changer = Some(reply);
        self.session.handle(Input::ChangeCode(change), now);
        self.make_connecting_urgent();
    }

    pub(super) fn on_code_changed(&mut self, result: Result<Option<CodeId>, CodeNotChanged>) {
        let result = result.map_err(|why| match why {
            CodeNotChanged::NoPin(LogAccess::PinMissing) => GatewayError::NoPin("no PIN is known"),
            CodeNotChanged::NoPin(_) => GatewayError::NoPin("the lock refused the PIN"),
            CodeNotChanged::NoSuchCode => GatewayError::NoSuchCode,
            CodeNotChanged::Refused(code) => GatewayError::Refused(code),
            CodeNotChanged::Busy => GatewayError::QueueFull,
            CodeNotChanged::Unreachable => GatewayError::Unreachable("it did not take the change in time".to_owned()),
            CodeNotChanged::Unknown => GatewayError::Uncertain,
        });
        match &result {
            Ok(code_id) => info!(lock = %self.lock.label(), code_id, "a keypad code was changed, as the owner asked"),
            Err(error) => warn!(lock = %self.lock.label(), %error, "a keypad code was not changed"),
        }
        if let Some(waiter) = self.code_changer.take() {
            // Whoever asked may have hung up.
            waiter.send(result).ok();
        }
    }

    pub(super) fn refuse_code_changer(&mut self, error: GatewayError) {
        if let Some(waiter) = self.code_changer.take() {
            waiter.send(Err(error)).ok();
        }
    }
}
