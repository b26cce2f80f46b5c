//! A session's links: when one is made, what arrives on it, how it ends.

use std::time::Duration;

use super::action::Action;
use super::codes::CodeNotChanged;
use super::daily::{LinkState, Session};
use super::due::Read;
use super::exchange::{Exchange, Job, Stage};
use super::io::{ClockNotSet, Output, upkeep};
use super::timers::Timer;
use crate::protocol::ErrorCode;
use crate::protocol::beacon::Beacon;
use crate::protocol::frame::{Message, decode_plain};
use crate::protocol::gatt::Characteristic;
use crate::protocol::reply::Reply;

/// After the lock said that it does not know us, it is asked again this late: after the first time, the second, and
/// every later one. Nobody signs that message, so whoever sends it once must not make us deaf for long.
const REFUSED_PAUSES: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(30 * 60)];
/// Refused so often in a row, over six minutes, without one signed word between: it is believed (`docs/adr/0035`).
const REFUSED_BELIEVED: u8 = 3;
/// Somebody waits at the door: a failed connection is tried again after this, not after a back-off.
const ACTION_RETRY: Duration = Duration::from_millis(500);
/// News that the lock did not hand out in several tries are asked for again this late.
const GIVEN_UP_PAUSE: Duration = Duration::from_secs(15 * 60);

impl Session {
    pub(super) fn on_beacon(&mut self, beacon: Beacon, now: Duration) {
        self.note_heard(now);
        if self.link != LinkState::Down || self.refusals > 0 || self.has_stopped() {
            return;
        }
        if self.beacons.should_connect(beacon.state_changed, now) {
            self.want(Read::States);
            // A lock that is heard and has news is worth a try before the back-off ends.
            self.timers.stop(Timer::Reconnect);
        }
    }

    pub(super) fn begin_link(&mut self) {
        self.link = LinkState::Connecting;
        self.outputs.push_back(Output::Connect);
    }

    pub(super) fn on_connected(&mut self, now: Duration) {
        if self.has_stopped() {
            self.outputs.push_back(Output::Disconnect);
            return;
        }
        self.link = LinkState::Up;
        self.backoff.connected();
        self.channel.reset();
        self.has_spoken = false;
        self.exchange = None;
        self.ahead.link_ended();
        self.come_back(now);
        if self.action.as_ref().is_some_and(Action::is_searching) {
            self.want(Read::States);
        }
        self.timers.stop(Timer::Reconnect);
        self.timers.set(Timer::SafetyNet, now.saturating_add(upkeep(self.generation)));
    }

    pub(super) fn on_link_down(&mut self, now: Duration) {
        let was_up = self.link == LinkState::Up;
        if was_up && let Some(at) = self.states.and_then(|states| self.lock_n_go.seen(states.lock_state, now)) {
            self.read_by(at);
        }
        self.link = LinkState::Down;
        self.ahead.link_ended();
        self.log_first = false;
        self.beacons.link_ended();
        if let Some(exchange) = self.exchange.take() {
            self.abandon(exchange, now);
        }
        if let Some(action) = &mut self.action {
            action.link_lost();
        }
        for timer in [Timer::Reply, Timer::Motor, Timer::Linger] {
            self.timers.stop(timer);
        }
        if self.is_moving() {
            // Left in the middle of a motion: its end must be seen.
            self.want(Read::States);
        }
        if self.wants_link() {
            self.unreached_since.get_or_insert(now);
        }
        if self.wants_link() && !self.timers.is_set(Timer::Reconnect) {
            let wait = if self.action.is_some() || self.clock_wish.is_some() || self.code_wish.is_some() {
                ACTION_RETRY
            } else {
                self.backoff.next_wait(was_up)
            };
            self.timers.set(Timer::Reconnect, now.saturating_add(wait));
        }
    }

    /// Ends the link from our side.
    pub(super) fn leave_link(&mut self, now: Duration) {
        if self.link == LinkState::Up {
            self.outputs.push_back(Output::Disconnect);
        }
        self.on_link_down(now);
    }

    /// An exchange ends without its end mark. What it brought is kept.
    pub(super) fn abandon(&mut self, exchange: Exchange, now: Duration) {
        self.timers.stop(Timer::Reply);
        if exchange.stage == Stage::Answer && exchange.job.has_pin() {
            self.pin.lost();
        }
        match exchange.job {
            Job::FindCode => self.search_again(),
            Job::ChangeCode(_) if exchange.stage == Stage::Answer => self.on_code_abandoned(),
            _ => {}
        }
        let Some(read) = exchange.job.read() else { return self.await_pin(now) };
        if let Job::Log { entries, is_void: false, .. } = exchange.job
            && !entries.is_empty()
        {
            self.due.succeeded(Read::Log);
            self.hand_on(entries, false);
        }
        if self.due.stumbled(read) && read.is_news() {
            self.read_by(now.saturating_add(GIVEN_UP_PAUSE));
        }
        self.await_pin(now);
    }

    /// The state is read at this time even though no beacon asks for it, or before.
    fn read_by(&mut self, at: Duration) {
        let planned = self.timers.expiry(Timer::SafetyNet).unwrap_or(at);
        self.timers.set(Timer::SafetyNet, at.min(planned));
    }

    pub(super) fn on_received(&mut self, characteristic: Characteristic, bytes: &[u8], now: Duration) {
        if self.link != LinkState::Up {
            return;
        }
        match characteristic {
            Characteristic::KeyturnerUsdio => match self.channel.receive(bytes) {
                Ok(replies) => {
                    for reply in replies {
                        // An answer can end the link; what came behind it in one piece is void then.
                        if self.link == LinkState::Up {
                            self.on_reply(reply, now);
                        }
                    }
                }
                Err(error) => {
                    self.outputs.push_back(Output::Garbled(error));
                    self.leave_link(now);
                }
            },
            Characteristic::KeyturnerGdio => self.on_plain(bytes, now),
            Characteristic::PairingGdio => {}
        }
    }

    /// The plain characteristic carries one thing: that the lock cannot decrypt what we send.
    fn on_plain(&mut self, bytes: &[u8], now: Duration) {
        let Ok(message) = decode_plain(bytes) else { return };
        let Ok(Reply::Error(report)) = Reply::decode(message, false) else { return };
        if report.code != ErrorCode::NotAuthorized {
            self.outputs.push_back(Output::Refused(report));
        } else if self.has_spoken {
            // It understood us a moment ago: a frame was damaged, or somebody else says so, for nobody signs
            // this message. The next link will show.
            self.outputs.push_back(Output::Refused(report));
            self.leave_link(now);
        } else {
            let pause = REFUSED_PAUSES.get(usize::from(self.refusals)).or(REFUSED_PAUSES.last()).copied();
            let again = now.saturating_add(pause.unwrap_or_default());
            self.refusals = self.refusals.saturating_add(1);
            self.outputs.push_back(if self.refusals == REFUSED_BELIEVED {
                Output::AuthorizationLost
            } else {
                Output::Refused(report)
            });
            self.exchange = None;
            self.due.forget(|_| true);
            self.finish_all_actions(Some(report.code));
            self.finish_clock(Err(ClockNotSet::Refused(report.code)));
            self.finish_code(Err(CodeNotChanged::Refused(report.code)));
            self.leave_link(now);
            self.timers.set(Timer::Reconnect, again);
            self.timers.set(Timer::SafetyNet, again);
        }
    }

    pub(super) fn write(&mut self, message: &Message) {
        let frame = self.channel.seal(message);
        self.outputs.push_back(Output::Write(Characteristic::KeyturnerUsdio, frame));
    }
}
