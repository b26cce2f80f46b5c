//! Changing keypad codes: one change at a time, each sent once.
//!
//! A lock takes a code only whole, digits included. So a change first looks the code up in the lock's own list and
//! sends back what is not to change. What has left and was not answered is never sent again: the same digits twice are
//! refused, but a code that somebody changed meanwhile would be changed back.

use std::time::Duration;

use super::daily::Session;
use super::due::Read;
use super::exchange::{LIST_PAGE, NONCE_TRIES};
use super::io::{LogAccess, Output};
use super::timers::Timer;
use crate::protocol::ErrorCode;
use crate::protocol::codes::{CodeCommand, SealedDigits};
use crate::protocol::log::CodeId;
use crate::protocol::users::{KeypadCode, TimeLimit};

/// Whoever wants a code changed gets an answer within this time.
const CHANGE_WITHIN: Duration = Duration::from_secs(20);

/// What shall become of a keypad code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeChange {
    /// A new one.
    Add {
        /// Its name, up to 20 bytes.
        name: String,
        /// Its digits.
        digits: SealedDigits,
        /// Valid when; `None` for always.
        time_limit: Option<TimeLimit>,
    },
    /// Another name, other digits, on or off, another limit; `None` leaves it as it is.
    Update {
        /// Which.
        code_id: CodeId,
        /// Its new name.
        name: Option<String>,
        /// Its new digits.
        digits: Option<SealedDigits>,
        /// Whether it may open.
        enabled: Option<bool>,
        /// When it is valid.
        time_limit: Option<Option<TimeLimit>>,
    },
    /// Taken away.
    Remove(CodeId),
}

/// Why a code was not changed, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeNotChanged {
    /// Without a PIN that the lock takes nothing can be changed.
    NoPin(LogAccess),
    /// There is no code with this number.
    NoSuchCode,
    /// The lock said no.
    Refused(ErrorCode),
    /// Another change is under way.
    Busy,
    /// Nothing was sent in time.
    Unreachable,
    /// It was sent, and no answer came: the list of codes tells.
    Unknown,
}

/// A change that is wanted.
#[derive(Debug)]
pub(super) struct CodeWish {
    change: CodeChange,
    /// The command, once all of it is known.
    command: Option<CodeCommand>,
    /// Where the page of the list begins that is read next.
    offset: u16,
    /// How many codes this page brought.
    brought: u16,
    tries: u8,
    has_left: bool,
}

impl CodeWish {
    fn new(change: CodeChange) -> Self {
        let command = match &change {
            CodeChange::Add { name, digits, time_limit } => {
                Some(CodeCommand::Add { name: name.clone(), digits: digits.clone(), time_limit: *time_limit })
            }
            CodeChange::Remove(code_id) => Some(CodeCommand::Remove(*code_id)),
            CodeChange::Update { .. } => None,
        };
        Self { change, command, offset: 0, brought: 0, tries: NONCE_TRIES, has_left: false }
    }

    pub(super) const fn command(&self) -> Option<&CodeCommand> {
        self.command.as_ref()
    }

    pub(super) const fn offset(&self) -> u16 {
        self.offset
    }

    /// A code of the list; true if the page has room for it.
    pub(super) fn listed(&mut self, code: &KeypadCode, own_digits: SealedDigits) -> bool {
        self.brought = self.brought.saturating_add(1);
        if let CodeChange::Update { code_id, name, digits, enabled, time_limit } = &self.change
            && *code_id == code.code_id
        {
            self.command = Some(CodeCommand::Update {
                code_id: *code_id,
                digits: digits.clone().unwrap_or(own_digits),
                name: name.clone().unwrap_or_else(|| code.name.clone()),
                enabled: enabled.unwrap_or(code.enabled),
                time_limit: time_limit.unwrap_or(code.time_limit),
            });
        }
        self.brought <= LIST_PAGE
    }
}

impl Session {
    pub(super) fn on_change_code(&mut self, change: CodeChange, now: Duration) {
        let refusal = if self.has_stopped() {
            Some(CodeNotChanged::Unreachable)
        } else if self.code_wish.is_some() {
            Some(CodeNotChanged::Busy)
        } else if !self.pin.is_open() {
            Some(CodeNotChanged::NoPin(self.log_access))
        } else {
            None
        };
        if let Some(why) = refusal {
            return self.outputs.push_back(Output::CodeChanged(Err(why)));
        }
        self.code_wish = Some(CodeWish::new(change));
        self.timers.set(Timer::CodeDeadline, now.saturating_add(CHANGE_WITHIN));
        // Somebody waits.
        self.timers.stop(Timer::Reconnect);
    }

    /// The page of the list has ended in which the code was looked for.
    pub(super) fn on_codes_searched(&mut self) {
        let Some(wish) = &mut self.code_wish else { return };
        if wish.command.is_some() {
            return;
        }
        if wish.brought < LIST_PAGE {
            return self.finish_code(Err(CodeNotChanged::NoSuchCode));
        }
        wish.offset = wish.offset.saturating_add(wish.brought);
        wish.brought = 0;
    }

    /// The search broke off and begins its page anew.
    pub(super) const fn search_again(&mut self) {
        if let Some(wish) = &mut self.code_wish {
            wish.brought = 0;
        }
    }

    /// The command leaves, for the first and only time since the lock last said that it did nothing.
    pub(super) const fn code_leaves(&mut self) {
        if let Some(wish) = &mut self.code_wish {
            wish.has_left = true;
        }
    }

    /// No answer will come any more on this link.
    pub(super) fn on_code_abandoned(&mut self) {
        if self.code_wish.as_ref().is_some_and(|wish| wish.has_left) {
            self.finish_code(Err(CodeNotChanged::Unknown));
        }
    }

    /// The lock refused the change, or the list, or the nonce for either.
    pub(super) fn on_code_refused(&mut self, code: ErrorCode) {
        if let Some(wish) = self.code_wish.as_mut().filter(|wish| code == ErrorCode::BadNonce && wish.tries > 1) {
            // It did nothing, and with a new challenge the same may go well.
            wish.tries -= 1;
            wish.has_left = false;
            wish.brought = 0;
            return;
        }
        let why = match code {
            ErrorCode::BadPin | ErrorCode::TooManyPinAttempts => CodeNotChanged::NoPin(self.log_access),
            code => CodeNotChanged::Refused(code),
        };
        self.finish_code(Err(why));
    }

    pub(super) fn on_code_deadline(&mut self) {
        let has_left = self.code_wish.as_ref().is_some_and(|wish| wish.has_left);
        self.finish_code(Err(if has_left { CodeNotChanged::Unknown } else { CodeNotChanged::Unreachable }));
    }

    /// `None` as the number where the change gives none.
    pub(super) fn finish_code(&mut self, result: Result<Option<CodeId>, CodeNotChanged>) {
        if self.code_wish.take().is_none() {
            return;
        }
        self.timers.stop(Timer::CodeDeadline);
        if matches!(result, Ok(_) | Err(CodeNotChanged::Unknown)) {
            // The list is what everybody looks at who wants to know what became of it, so it is read at once, whatever
            // the budget for names says: owners change few codes.
            self.want(Read::Codes);
            // And people too, if the configuration counter says so.
            self.want(Read::States);
        }
        self.outputs.push_back(Output::CodeChanged(result));
    }

    /// Whether the change that runs is an addition, which is answered by the new number.
    pub(super) fn is_adding_code(&self) -> bool {
        self.code_wish.as_ref().is_some_and(|wish| matches!(wish.change, CodeChange::Add { .. }))
    }
}
