//! What can go wrong with a lock on purpose.

/// One thing that shall go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The link drops once the next ACCEPTED is delivered; the motor runs on.
    DropAfterAccepted,
    /// The next write is lost inside the lock: not carried out, not answered.
    IgnoreNextWrite,
    /// The next write is carried out, but nothing is answered to it.
    MuteNextAnswer,
    /// The next ACCEPTED comes twice.
    DuplicateAccepted,
    /// The next action ends with COMPLETE without an ACCEPTED before.
    CompleteWithoutAccepted,
    /// The next log entry is not written.
    SwallowLogEntry,
    /// The next movement ends with a blocked motor.
    MotorBlocked,
    /// Beacon bit 0 stays set, or no longer does.
    StuckBeacon(bool),
    /// Log data is filled up to 5 bytes, or no longer is.
    LogPadding(bool),
    /// The next list of people or codes comes without its first entry, though it was announced.
    ShortList,
    /// The next page of the log brings its first entry twice.
    RepeatEntry,
    /// The configuration counter moves with every state that is read, or no longer does.
    RestlessCounter(bool),
    /// The configuration counter moves with nothing, or moves again.
    FrozenCounter(bool),
}

/// What goes wrong next; everything is used up by happening once, but for those that are switched on and off.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// See [`Fault::DropAfterAccepted`].
    pub drop_after_accepted: bool,
    /// See [`Fault::IgnoreNextWrite`].
    pub ignore_next_write: bool,
    /// See [`Fault::MuteNextAnswer`].
    pub mute_next_answer: bool,
    /// See [`Fault::DuplicateAccepted`].
    pub duplicate_accepted: bool,
    /// See [`Fault::CompleteWithoutAccepted`].
    pub complete_without_accepted: bool,
    /// See [`Fault::SwallowLogEntry`].
    pub swallow_log_entry: bool,
    /// See [`Fault::MotorBlocked`].
    pub motor_blocked: bool,
    /// See [`Fault::StuckBeacon`].
    pub stuck_beacon: bool,
    /// See [`Fault::LogPadding`].
    pub log_padding: bool,
    /// See [`Fault::ShortList`].
    pub short_list: bool,
    /// See [`Fault::RepeatEntry`].
    pub repeat_entry: bool,
    /// See [`Fault::RestlessCounter`].
    pub restless_counter: bool,
    /// See [`Fault::FrozenCounter`].
    pub frozen_counter: bool,
}

impl Faults {
    pub(super) const fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::DropAfterAccepted => self.drop_after_accepted = true,
            Fault::IgnoreNextWrite => self.ignore_next_write = true,
            Fault::MuteNextAnswer => self.mute_next_answer = true,
            Fault::DuplicateAccepted => self.duplicate_accepted = true,
            Fault::CompleteWithoutAccepted => self.complete_without_accepted = true,
            Fault::SwallowLogEntry => self.swallow_log_entry = true,
            Fault::MotorBlocked => self.motor_blocked = true,
            Fault::StuckBeacon(on) => self.stuck_beacon = on,
            Fault::LogPadding(on) => self.log_padding = on,
            Fault::ShortList => self.short_list = true,
            Fault::RepeatEntry => self.repeat_entry = true,
            Fault::RestlessCounter(on) => self.restless_counter = on,
            Fault::FrozenCounter(on) => self.frozen_counter = on,
        }
    }
}

/// Reads a one-time fault and uses it up.
pub(super) const fn take(fault: &mut bool) -> bool {
    core::mem::replace(fault, false)
}
