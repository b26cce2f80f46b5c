//! The session between lock and journal, and the process around it.

use keyturner::attribution::{Journal, JournalConfig, Output, Pending, UnknownReason};
use keyturner::protocol::LockState;
use keyturner::protocol::log::LogEntry;
use keyturner::protocol::state::KeyturnerStates;

use super::people::GATEWAY;
use super::{Check, Due, PATIENCE, START, Seen, World};

impl World {
    pub(super) fn start(&mut self) {
        let pending = self.unanswered.iter().map(|question| Pending {
            change: question.change,
            states: KeyturnerStates::decode(&question.raw).ok(),
            before: question.before,
        });
        self.journal = Some(Journal::new(JournalConfig {
            is_opener: false,
            own_auth_id: GATEWAY,
            cursor: self.cursor,
            has_begun_anew: self.cursor == 0 && self.committed_epoch > 0,
            states: self.states,
            pending: pending.collect(),
            directory: self.keys.stored(self.read_up_to_time),
            patience: PATIENCE,
        }));
        self.read_up_to = self.cursor;
        self.fed = self.states;
        self.is_first = true;
        // Whoever begins reads everything once.
        self.count = None;
        self.wants_directory = true;
        self.expected.clear();
    }

    pub(super) fn kill(&mut self) {
        // Whose lock 'n' go runs is not stored, nor where the bolt was before its motor ran.
        let is_moving = self.states.is_some_and(|states| states.lock_state.is_transitional());
        self.tally.moot += u64::from(self.has_left) + u64::from(is_moving);
        // Nor that the log has nothing older, while nothing of it is stored.
        self.tally.moot += 2 * u64::from(self.cursor == 0 && self.states.is_some());
        let was_up = self.is_up || self.due.values().any(|due| matches!(due, Due::Up));
        self.down();
        self.start();
        self.say(|| "    restarted".to_owned());
        if was_up {
            self.soon(200, 4_000, Due::Up);
        }
    }

    pub(super) fn down(&mut self) {
        // That the motor went on at once must be seen, to know that it was on its way.
        self.tally.moot += u64::from(self.firmware.unlatches_over_unlocked && self.now < self.moving_until);
        self.is_up = false;
        self.due.clear();
    }

    pub(super) fn do_due(&mut self, due: Due) -> Check {
        match due {
            Due::Up => {
                self.is_up = true;
                self.feed()?;
                self.soon(50, 300, Due::Check);
                if self.wants_directory {
                    // Before the log, unless the link is bad.
                    let late = if self.dice.chance(80) { 50 } else { 3_000 };
                    self.soon(20, late, Due::Directory);
                }
                Ok(())
            }
            _ if !self.is_up => Ok(()),
            Due::States => self.feed(),
            Due::Beacon => {
                self.feed()?;
                self.soon(20, 100, Due::Read);
                Ok(())
            }
            Due::Check => {
                let newest = self.log.last().map(|entry| entry.index);
                let blocked = (!self.is_logging).then_some(UnknownReason::LoggingOff);
                let now = self.now();
                self.journal.as_mut().unwrap().handle_log_access(blocked, now);
                self.drain()?;
                if newest.unwrap_or(0) < self.read_up_to {
                    self.say(|| "    the log was cleared".to_owned());
                    self.read_up_to = 0;
                    self.journal.as_mut().unwrap().handle_log_reset(newest);
                    self.drain()?;
                }
                self.later_due(20, Due::Read);
                Ok(())
            }
            Due::Read => {
                let page: Vec<LogEntry> = self
                    .log
                    .iter()
                    .filter(|entry| entry.index > self.read_up_to)
                    .take(self.firmware.page)
                    .cloned()
                    .collect();
                let end = page.len() < self.firmware.page;
                self.read_up_to = page.last().map_or(self.read_up_to, |entry| entry.index);
                let indexes: Vec<u32> = page.iter().map(|entry| entry.index).collect();
                self.say(|| format!("    page {indexes:?}{}", if end { ", end" } else { "" }));
                if !end {
                    self.soon(20, 150, Due::Read);
                }
                let now = self.now();
                self.journal.as_mut().unwrap().handle_log(page, end, now);
                self.drain()
            }
            Due::Directory => {
                self.wants_directory = false;
                self.say(|| "    reads people and codes".to_owned());
                let (now, directory) = (self.now(), self.keys.listed());
                self.keys.store(START + (self.now / 1000) as i64);
                if self.dice.chance(2) {
                    // Stored, and not yet used.
                    self.kill();
                    return Ok(());
                }
                self.journal.as_mut().unwrap().handle_directory(directory, now);
                self.drain()
            }
        }
    }

    pub(super) fn feed(&mut self) -> Check {
        let states = self.now_states();
        // Through the bytes, as it comes.
        let states = KeyturnerStates::decode(&states.encode()).unwrap();
        self.say(|| format!("    sees {} by {}", states.lock_state, states.trigger));
        if self.count.replace(states.config_update_count).is_some_and(|count| count != states.config_update_count) {
            self.wants_directory = true;
            let late = if self.dice.chance(70) { 100 } else { 2_000 };
            self.soon(20, late, Due::Directory);
        }
        let seen = |is_question, live| Seen { states, owner: self.owner.clone(), live, is_question };
        // A motor that runs when we come, runs now.
        let live = !self.is_first || states.lock_state.is_transitional();
        match self.fed {
            None => {
                // Whose lock 'n' go runs when we come for the first time, the log's first entries do not prove.
                let first = seen(false, states.lock_state.is_transitional());
                // Nor from where a motor came that runs already.
                let is_moving = states.lock_state.is_transitional();
                self.tally.moot += u64::from(is_moving)
                    + u64::from(states.lock_state == LockState::UnlockedLockNGo || self.relock > 0);
                self.expected.push_back(first);
            }
            Some(fed) if fed.lock_state != states.lock_state => {
                self.expected.push_back(seen(!states.lock_state.is_transitional(), live));
            }
            Some(fed) if fed.door_sensor != states.door_sensor => self.expected.push_back(seen(false, live)),
            Some(_) => {}
        }
        self.fed = Some(states);
        self.is_first = false;
        let now = self.now();
        self.journal.as_mut().unwrap().handle_states(states, now);
        self.drain()
    }

    pub(super) fn drain(&mut self) -> Check {
        while let Some(output) = self.journal.as_mut().unwrap().poll() {
            match output {
                Output::Commit(draft) => {
                    self.commit(&draft)?;
                    if let Some(left) = &mut self.kill_after {
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            self.kill_after = None;
                            self.kill();
                            return Ok(());
                        }
                    }
                }
                Output::ReadLog => self.later_due(250, Due::Read),
                Output::CheckLog => self.soon(20, 100, Due::Check),
                Output::ReadState => self.soon(20, 300, Due::States),
                Output::ReadDirectory => {
                    self.wants_directory = true;
                    self.soon(50, 1_500, Due::Directory);
                }
            }
        }
        Ok(())
    }
}
