//! What arrives on the encrypted characteristic: the checks, in the lock's order, and lock actions.

use crate::protocol::crypto::Pin;
use crate::protocol::frame::{self, AuthId, FrameError, Message};
use crate::protocol::gatt::Characteristic;
use crate::protocol::request::{FLAG_AUTO_UNLOCK, FLAG_FORCE, SUFFIX_LEN};
use crate::protocol::{Command, ErrorCode, IdType, LockAction, OpenerAction, StatusCode, Trigger};

use super::SimLock;
use super::bolt::{Cause, Job, ReplyTo, is_motor_action};
use super::device::Device;
use super::fault::take;
use super::io::{LinkId, Moment};
use super::limits::permits;
use super::motion::Beginning;
use super::opener::switches_continuous_mode;
use super::setters::text;

/// Bytes of a challenge nonce at the end of a command.
const NONCE_LEN: usize = 32;

/// What a command must carry behind its own payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    Nonce,
    NonceAndPin,
}

/// Proof and permitted lengths without it (none listed: any); `None` for a command this lock does not know.
const fn requirement(device: Device, command: Command) -> Option<(Proof, &'static [usize])> {
    Some(match command {
        Command::RequestData => (Proof::Nothing, &[]),
        Command::LockAction => (Proof::Nonce, &[6, 6 + SUFFIX_LEN]),
        Command::SimpleLockAction if !device.is_opener() => (Proof::Nonce, &[1, 1 + SUFFIX_LEN]),
        Command::RequestConfig | Command::RequestAdvancedConfig => (Proof::Nonce, &[0]),
        Command::VerifySecurityPin => (Proof::NonceAndPin, &[0]),
        Command::RequestLogEntries => (Proof::NonceAndPin, &[8]),
        Command::RequestAuthorizationEntries if device.has_filter() => (Proof::NonceAndPin, &[4, 5]),
        Command::RequestAuthorizationEntries => (Proof::NonceAndPin, &[4]),
        Command::RequestKeypadCodes => (Proof::NonceAndPin, &[4]),
        Command::EnableLogging => (Proof::NonceAndPin, &[1]),
        Command::UpdateTime => (Proof::NonceAndPin, &[7]),
        Command::SetSecurityPin => match device.generation().pin_len() {
            4 => (Proof::NonceAndPin, &[4]),
            _ => (Proof::NonceAndPin, &[2]),
        },
        Command::SetConfig => match device {
            // The older ones have no zone.
            Device::SmartLock1 => (Proof::NonceAndPin, &[53]),
            Device::Opener => (Proof::NonceAndPin, &[54]),
            _ => (Proof::NonceAndPin, &[55]),
        },
        Command::ContinuousModeAction if device.is_opener() => (Proof::NonceAndPin, &[2]),
        Command::RemoveAuthorizationEntry => (Proof::NonceAndPin, &[4]),
        Command::UpdateAuthorizationEntry => (Proof::NonceAndPin, &[58]),
        Command::AddKeypadCode => (Proof::NonceAndPin, &[44]),
        Command::UpdateKeypadCode => (Proof::NonceAndPin, &[47]),
        Command::RemoveKeypadCode => (Proof::NonceAndPin, &[2]),
        _ => return None,
    })
}

/// Who sent a command, and over which link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    pub(super) link: LinkId,
    pub(super) auth_id: AuthId,
    pub(super) is_bridge: bool,
}

impl SimLock {
    pub(super) fn written(&mut self, link: LinkId, characteristic: Characteristic, value: &[u8], now: Moment) {
        let Some(port) = self.links.get_mut(&link) else { return };
        port.touch(now);
        if take(&mut self.faults.ignore_next_write) {
            return;
        }
        self.is_mute = take(&mut self.faults.mute_next_answer);
        match characteristic {
            Characteristic::PairingGdio => self.on_pairing_write(link, value, now),
            Characteristic::KeyturnerUsdio => self.on_usdio_write(link, value, now),
            // It exists for refusals only; nothing is understood there.
            Characteristic::KeyturnerGdio => {
                self.send_plain_error(link, Characteristic::KeyturnerGdio, ErrorCode::UnknownError, 0);
            }
        }
        self.is_mute = false;
    }

    fn on_usdio_write(&mut self, link: LinkId, value: &[u8], now: Moment) {
        let opened = frame::decode_header(value).and_then(|header| {
            let user = self.users.get(header.auth_id).ok_or(FrameError::Undecryptable)?;
            let is_bridge = user.entry.id_type == IdType::Bridge;
            let sender = Sender { link, auth_id: header.auth_id, is_bridge };
            match frame::decode_encrypted(&user.key, value) {
                Err(FrameError::BadCrc { .. }) => Ok((sender, None)),
                other => other.map(|(_, message)| (sender, Some(message))),
            }
        });
        let (sender, message) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let code = match error {
                    FrameError::TooShort { .. } | FrameError::BadLength { .. } => ErrorCode::BadLength,
                    _ => ErrorCode::NotAuthorized,
                };
                self.send_plain_error(link, Characteristic::KeyturnerGdio, code, 0);
                return;
            }
        };
        if let Some(port) = self.links.get_mut(&link) {
            port.auth = Some(sender.auth_id);
        }
        let Some(message) = message else {
            self.send_error(link, sender.auth_id, ErrorCode::BadCrc, Command::Unknown(0));
            return;
        };
        if let Err(code) = self.checked(sender, &message, now) {
            self.send_error(link, sender.auth_id, code, message.command);
        }
    }

    /// Enabled, time window, command and length, nonce, PIN, then parameters and the action itself.
    fn checked(&mut self, sender: Sender, message: &Message, now: Moment) -> Result<(), ErrorCode> {
        let clock = self.device_time(now);
        let user = self.users.get_mut(sender.auth_id).ok_or(ErrorCode::NotAuthorized)?;
        if !user.entry.enabled {
            return Err(ErrorCode::Disabled);
        }
        if !permits(user.entry.time_limit.as_ref(), clock) {
            return Err(ErrorCode::TimeNotAllowed);
        }
        let (proof, lengths) = requirement(self.config.device, message.command).ok_or(ErrorCode::UnknownError)?;
        let mut body = message.payload.as_slice();
        let mut pin = None;
        if proof == Proof::NonceAndPin {
            let at = body.len().checked_sub(self.config.device.generation().pin_len()).ok_or(ErrorCode::BadLength)?;
            let (rest, bytes) = body.split_at_checked(at).ok_or(ErrorCode::BadLength)?;
            pin = Some(Pin::new(bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))));
            body = rest;
        }
        let mut claimed = None;
        if proof != Proof::Nothing {
            let (rest, nonce) = body.split_last_chunk::<NONCE_LEN>().ok_or(ErrorCode::BadLength)?;
            claimed = Some(nonce);
            body = rest;
        }
        if !lengths.is_empty() && !lengths.contains(&body.len()) {
            return Err(ErrorCode::BadLength);
        }
        if let Some(claimed) = claimed {
            // Right or wrong, it is used up.
            let nonce = user.nonce.take();
            if nonce.is_none_or(|(_, nonce)| nonce != *claimed) {
                return Err(ErrorCode::BadNonce);
            }
        }
        if let Some(pin) = pin {
            self.pin.check(pin, now.mono)?;
        }
        self.carry_out(sender, message.command, body, now)
    }

    fn carry_out(&mut self, sender: Sender, command: Command, body: &[u8], now: Moment) -> Result<(), ErrorCode> {
        match command {
            Command::RequestData => self.answer_request(sender, body, now),
            Command::LockAction => {
                let (action, rest) = body.split_first().ok_or(ErrorCode::BadLength)?;
                let (app_id, rest) = rest.split_first_chunk().ok_or(ErrorCode::BadLength)?;
                let (flags, suffix) = rest.split_first().ok_or(ErrorCode::BadLength)?;
                let request = Asked { command, app_id: u32::from_le_bytes(*app_id), flags: *flags, suffix };
                let action = LockAction::from_code(*action);
                if self.config.device.is_opener() && !sender.is_bridge && switches_continuous_mode(action) {
                    // Whoever is no bridge switches it with the PIN, by a command of its own.
                    return Err(ErrorCode::BadParameter);
                }
                self.lock_action(sender, action, request, now)
            }
            Command::ContinuousModeAction => {
                let is_on = body.first().is_some_and(|flag| *flag != 0);
                let action =
                    if is_on { OpenerAction::ActivateContinuousMode } else { OpenerAction::DeactivateContinuousMode };
                let app_id = self.users.get(sender.auth_id).map_or(0, |user| user.app_id);
                self.lock_action(sender, action.command(), Asked { command, app_id, flags: 0, suffix: &[] }, now)
            }
            Command::SimpleLockAction => {
                let (action, suffix) = body.split_first().ok_or(ErrorCode::BadLength)?;
                let action = LockAction::from_code(*action);
                if !matches!(action, LockAction::Lock | LockAction::Unlock) {
                    return Err(ErrorCode::BadParameter);
                }
                let app_id = self.users.get(sender.auth_id).map_or(0, |user| user.app_id);
                self.lock_action(sender, action, Asked { command, app_id, flags: 0, suffix }, now)
            }
            Command::RequestConfig => self.answer_config(sender, now),
            Command::RequestAdvancedConfig => self.answer_advanced_config(sender),
            Command::RequestLogEntries => self.answer_log(sender, body),
            Command::RequestAuthorizationEntries => self.answer_users(sender, body),
            Command::RequestKeypadCodes => self.answer_codes(sender, body),
            Command::VerifySecurityPin => {
                self.send_status(sender.link, sender.auth_id, StatusCode::Complete);
                Ok(())
            }
            _ => self.set(sender, command, body, now),
        }
    }

    fn lock_action(
        &mut self,
        sender: Sender,
        action: LockAction,
        asked: Asked<'_>,
        now: Moment,
    ) -> Result<(), ErrorCode> {
        let action = match action {
            // One, two, three presses: this lock treats them all as "intelligent".
            LockAction::FobAction1 | LockAction::FobAction2 | LockAction::FobAction3 => self.intelligent_action(),
            other => other,
        };
        if !is_motor_action(self.config.device, action) {
            return Err(ErrorCode::BadParameter);
        }
        if asked.flags & FLAG_AUTO_UNLOCK != 0 && self.acted_lately(now) {
            return Err(ErrorCode::AutoUnlockTooRecent);
        }
        let beginning = self.beginning(action, asked.flags & FLAG_FORCE != 0);
        if matches!(beginning, Beginning::Busy) {
            return Err(ErrorCode::Busy);
        }
        let suffix = text(asked.suffix);
        let name = self.users.get(sender.auth_id).map_or("", |user| user.entry.name.as_str());
        let (Sender { link, auth_id, is_bridge }, command) = (sender, asked.command);
        let job = Job {
            action,
            trigger: Trigger::System,
            flags: asked.flags,
            cause: Cause::User { auth_id, name: format!("{name}{suffix}"), is_bridge },
            reply_to: Some(ReplyTo { link, auth_id, command }),
        };
        let executed = self.executions.entry((asked.app_id, suffix)).or_default();
        *executed = executed.saturating_add(1);
        match beginning {
            Beginning::Moves(plan) => {
                self.send_accepted(sender);
                self.start(plan, job, now);
            }
            Beginning::NothingToDo | Beginning::Busy => self.arrive_without_moving(&job, now),
        }
        Ok(())
    }

    fn send_accepted(&mut self, to: Sender) {
        if take(&mut self.faults.complete_without_accepted) {
            return;
        }
        self.send_status(to.link, to.auth_id, StatusCode::Accepted);
        if take(&mut self.faults.duplicate_accepted) {
            self.send_status(to.link, to.auth_id, StatusCode::Accepted);
        }
        if take(&mut self.faults.drop_after_accepted)
            && let Some(port) = self.links.get_mut(&to.link)
        {
            port.hang_up_after_queue();
        }
    }

    pub(super) fn acted_lately(&self, now: Moment) -> bool {
        self.bolt.last_end.is_some_and(|end| now.mono.saturating_sub(end) < self.config.auto_unlock_pause)
    }
}

/// What a lock action carries besides the action.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    command: Command,
    app_id: u32,
    flags: u8,
    suffix: &'a [u8],
}
