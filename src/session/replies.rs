//! What a session makes of the lock's messages.

use std::time::Duration;

use super::action::BUSY_PAUSE;
use super::daily::Session;
use super::directory::Why;
use super::due::Read;
use super::exchange::{Exchange, Job, LIST_PAGE, Stage};
use super::io::Output;
use super::timers::Timer;
use crate::protocol::crypto::Pin;
use crate::protocol::reply::{ErrorReport, Reply};
use crate::protocol::request::PinCommand;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{Command, ErrorCode, StatusCode};

/// While the motor runs the lock reports by itself; after this silence it is asked.
const MOTOR_SILENCE: Duration = Duration::from_millis(1_500);

impl Session {
    pub(super) fn on_reply(&mut self, reply: Reply, now: Duration) {
        // The lock speaks our key: it is really there.
        self.has_spoken = true;
        if core::mem::take(&mut self.refusals) > 0 {
            self.want_everything(now);
        }
        match reply {
            Reply::States(states) => self.on_states(states, now),
            Reply::Challenge(nonce) => self.on_challenge(&nonce, now),
            Reply::Status(StatusCode::Accepted) => self.on_accepted(now),
            Reply::Status(StatusCode::Complete) => self.on_complete(now),
            Reply::Status(StatusCode::Unknown(_)) | Reply::Other(_) => {}
            Reply::Error(report) => self.on_error(report, now),
            Reply::Config(config) => self.on_single(&Job::Config, Output::Config(config)),
            Reply::OpenerConfig(config) => self.on_single(&Job::Config, Output::OpenerConfig(config)),
            Reply::AdvancedConfig(config) => self.on_single(&Job::AdvancedConfig, Output::AdvancedConfig(config)),
            Reply::Battery(report) => {
                self.battery_read = Some(now);
                self.on_single(&Job::Battery, Output::Battery(report));
            }
            reply => self.on_list_item(reply, now),
        }
    }

    /// The one message that ends an exchange, if it is the one that runs and its question has left.
    fn on_single(&mut self, job: &Job, output: Output) {
        let is_owed = |exchange: &Exchange| exchange.job == *job && exchange.stage == Stage::Answer;
        if self.exchange.as_ref().is_some_and(is_owed) {
            self.end_exchange();
            self.outputs.push_back(output);
        }
    }

    /// Part of a list, if it is the list that is being read.
    fn on_list_item(&mut self, reply: Reply, now: Duration) {
        if self.is_answering_pin() && !self.is_pin_believed() {
            return;
        }
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.stage == Stage::Answer) else { return };
        let is_taken = match (reply, &mut exchange.job) {
            (Reply::LogEntryCount(count), Job::NewestLogIndex { .. } | Job::Log { .. } | Job::LogBack { .. }) => {
                self.on_log_count(count);
                true
            }
            (Reply::LogEntry(entry), Job::NewestLogIndex { newest, .. }) => {
                *newest = Some(entry.index.max(newest.unwrap_or(0)));
                true
            }
            (Reply::LogEntry(entry), Job::Log { .. }) => self.on_log_entry(entry, now),
            (Reply::LogEntry(entry), Job::LogBack { .. }) => self.on_log_entry_back(entry),
            (Reply::AuthorizationEntryCount(count), Job::Count { of: Read::UserCount, announced })
            | (Reply::KeypadCodeCount(count), Job::Count { of: Read::CodeCount, announced }) => {
                *announced = Some(count);
                true
            }
            (Reply::AuthorizationEntry(_), Job::Count { of: Read::UserCount, .. })
            | (Reply::KeypadCode(..), Job::Count { of: Read::CodeCount, .. }) => true,
            (Reply::AuthorizationEntryCount(count), Job::Users(list)) => {
                list.announce(count);
                true
            }
            (Reply::AuthorizationEntry(entry), Job::Users(list)) => list.push(entry),
            (Reply::KeypadCodeCount(count), Job::Codes(list)) => {
                list.announce(count);
                true
            }
            (Reply::KeypadCode(code, _), Job::Codes(list)) => list.push(code),
            (Reply::KeypadCodeCount(_), Job::FindCode) => true,
            (Reply::KeypadCode(code, digits), Job::FindCode) => {
                self.code_wish.as_mut().is_some_and(|wish| wish.listed(&code, digits))
            }
            (Reply::KeypadCodeId(id), Job::ChangeCode(Command::AddKeypadCode)) => {
                self.end_exchange();
                return self.finish_code(Ok(Some(id.code_id)));
            }
            _ => false,
        };
        if is_taken {
            self.expect_reply(now);
        }
    }

    fn on_states(&mut self, states: KeyturnerStates, now: Duration) {
        let requested = self.is_doing(|job| matches!(job, Job::States));
        if requested {
            self.end_exchange();
            self.beacons.state_read(now);
        }
        let news = self.states.is_none_or(|known| {
            (known.nuki_state, known.lock_state, known.trigger, known.last_action, known.door_sensor)
                != (states.nuki_state, states.lock_state, states.trigger, states.last_action, states.door_sensor)
        });
        if news {
            self.beacons.news();
        }
        if self.config_count.replace(states.config_update_count).is_some_and(|n| n != states.config_update_count) {
            self.want_directory(Why::Configuration, now);
        }
        if self.states.replace(states).is_some_and(|known| known.lock_state != states.lock_state) {
            self.silence.bolt_moved();
        }
        // Our reading clears the beacon's bit, and with it whatever it announced: the log must be read behind it.
        self.log_follows |= news || requested;
        if let Some(action) = &mut self.action {
            action.observed(&states);
        }
        if !states.lock_state.is_transitional() {
            self.motor_polls = 0;
        }
        if self.is_moving() {
            self.timers.set(Timer::Motor, now.saturating_add(MOTOR_SILENCE));
        } else {
            self.timers.stop(Timer::Motor);
            if requested {
                self.log_follows = false;
                self.want(Read::Log);
            } else if news {
                // A state that came by itself leaves the bit set; only a requested one clears it. Who it was need not
                // wait for that; what is written until then is read behind it.
                self.want(Read::States);
                self.want(Read::Log);
                self.came_to_rest();
            }
        }
        self.outputs.push_back(Output::Observed(states));
        self.judge_without_log(now);
    }

    /// The lock has handed out a challenge for the exchange that runs, now or earlier.
    pub(super) fn on_challenge(&mut self, nonce: &[u8; 32], now: Duration) {
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.stage == Stage::Challenge) else {
            return;
        };
        if exchange.job == Job::Challenge {
            return self.hold_challenge(nonce);
        }
        exchange.stage = Stage::Answer;
        if exchange.job == Job::Action {
            self.expect_reply(now);
            return self.send_action(nonce, now);
        }
        // A command that carries no PIN is not changed by any.
        let pin = self.pin.pin().unwrap_or(Pin::new(0));
        let time = self.clock_wish.and_then(|wish| wish.time(now));
        let has_pin = exchange.job.has_pin();
        let wish = self.code_wish.as_ref();
        let message = match &exchange.job {
            Job::FindCode => wish.map(|wish| {
                let command = PinCommand::RequestKeypadCodes(wish.offset(), LIST_PAGE);
                command.encode(nonce, pin, self.generation)
            }),
            Job::ChangeCode(_) => {
                wish.and_then(|wish| wish.command()).map(|command| command.encode(nonce, pin, self.generation))
            }
            _ => exchange.command(nonce, pin, self.generation, time),
        };
        let is_change = matches!(exchange.job, Job::ChangeCode(_));
        match message.filter(|_| !has_pin || self.pin.is_open()) {
            Some(mut message) => {
                self.expect_reply(now);
                if has_pin && self.pin.leaves() {
                    self.outputs.push_back(Output::PinTries(self.pin.tries()));
                }
                if is_change {
                    self.code_leaves();
                }
                self.write(&message);
                // A PIN stands in it, or the digits of a code.
                message.wipe();
            }
            None => self.end_exchange(),
        }
    }

    fn on_complete(&mut self, now: Duration) {
        if self.is_answering_pin() && !self.is_pin_believed() {
            return;
        }
        let Some(Exchange { stage: Stage::Answer, job }) = &self.exchange else { return };
        match job {
            Job::Action => self.on_action_complete(now),
            Job::States | Job::Config | Job::AdvancedConfig | Job::Battery | Job::Challenge => {}
            // A new code is answered by its number; where a Status stands beside that is not certain.
            Job::ChangeCode(_) if self.is_adding_code() => {}
            Job::ChangeCode(_) => {
                self.end_exchange();
                self.finish_code(Ok(None));
            }
            Job::SetClock => {
                self.end_exchange();
                self.finish_clock(Ok(()));
            }
            _ => self.finish_list(now),
        }
    }

    fn on_error(&mut self, report: ErrorReport, now: Duration) {
        let is_about_pin = matches!(report.code, ErrorCode::BadPin | ErrorCode::TooManyPinAttempts);
        if is_about_pin {
            // Another try could lock the owner out, so this counts whatever it was about.
            self.on_pin_refused(report.code, now);
        }
        let Some(exchange) = &self.exchange else {
            self.outputs.push_back(Output::Refused(report));
            return;
        };
        if !exchange.is_about(report.command) {
            self.outputs.push_back(Output::Refused(report));
            if report.command == 0 {
                // The lock could not even read what it refuses; nothing certain follows from that on this link.
                self.leave_link(now);
            }
            return;
        }
        if exchange.job == Job::Action {
            return self.on_action_refused(report.code, now);
        }
        if self.is_answering_pin() && !is_about_pin {
            self.on_pin_answered();
        }
        let Some(exchange) = self.exchange.take() else { return };
        if exchange.job == Job::Challenge || (report.code == ErrorCode::BadNonce && self.ahead.is_in_use()) {
            self.ahead.refused();
        }
        if exchange.job == Job::SetClock {
            self.timers.stop(Timer::Reply);
            return self.on_clock_refused(report.code);
        }
        if matches!(exchange.job, Job::FindCode | Job::ChangeCode(_)) {
            self.timers.stop(Timer::Reply);
            return self.on_code_refused(report.code);
        }
        match report.code {
            ErrorCode::BadNonce => self.abandon(exchange, now),
            ErrorCode::Busy if exchange.job.read() == Some(Read::Log) => {
                self.abandon(exchange, now);
                if self.due.take(Read::Log) {
                    self.timers.set(Timer::LogAgain, now.saturating_add(BUSY_PAUSE));
                }
            }
            _ => {
                // It said no; asking again would not change that.
                self.timers.stop(Timer::Reply);
                if let Job::Log { entries, is_void: false, .. } = exchange.job
                    && !entries.is_empty()
                {
                    self.hand_on(entries, false);
                }
                if !is_about_pin {
                    self.outputs.push_back(Output::Refused(report));
                }
            }
        }
        self.judge_without_log(now);
    }
}
