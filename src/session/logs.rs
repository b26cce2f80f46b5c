//! Reading the log: entry by entry behind the cursor, and noticing that it is another one.
//!
//! A log that was cleared shows a lower newest index, unless it has grown past
//! the cursor again before anybody looked. So after a start or an absence, after
//! a minute in which the lock could not be reached, at each visit that nothing
//! asked for, behind a beacon that told of something where the log had nothing
//! new, and as long as the cursor is low, the next page begins one entry lower:
//! the lock shows the entry at the cursor once more, and if that is another one
//! than was stored, or nothing is there at all, the log is another.
//! While the gateway is there, a log that stays silent about a bolt that moved is asked for its newest index.
//! This costs one entry more in a page that is read anyway. If the entry is not
//! there any more, the log was overwritten, or cleared and overwritten, which
//! nothing can tell apart: either way entries are missing, and the journal says
//! how many.

use std::time::Duration;

use super::daily::Session;
use super::due::Read;
use super::exchange::{Exchange, Job, LOG_PAGE};
use super::io::{Anchor, LogAccess, Output};
use super::silence::Verdict;
use super::timers::Timer;
use crate::protocol::log::{LogEntry, LogEntryCount, LogIndex};

/// A log that said nothing about a bolt that moved is read once more this late.
const SILENT_PAUSE: Duration = Duration::from_secs(1);
/// Something was wanted of the lock for so long and it could not be reached: long enough to clear its log and fill it again.
const UNREACHED: Duration = Duration::from_secs(60);
/// A lock says that it is there every few seconds. Who did not hear it for so long was away.
const UNHEARD: Duration = Duration::from_secs(10 * 60);
/// A log that was cleared may have grown past a cursor this low before anybody who is there has looked: a motion makes up
/// to three entries, and codes are refused one a second.
const SOON_OVERTAKEN: LogIndex = 3;
/// A cursor this near to the end of the numbers may be followed by 1 without the log having been cleared.
const NEAR_THE_END: LogIndex = LogIndex::MAX - 1_000_000;
/// Behind a cursor below this, a number near the end is one of the numbering before.
const NEAR_THE_BEGINNING: LogIndex = 1_000_000;
/// No lock is known to keep more.
const MAX_BACK: usize = 10_000;

/// Whether the numbers of the log have begun anew behind the highest one. Nobody knows what a lock does then; this
/// reads every entry once whether "behind" means a higher number or a later place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrap {
    /// No.
    No,
    /// The newest number is low and ours was near the end: what is left of the old numbering is read first.
    Suspected,
    /// Entries of both numberings may stand in the log, so it is read from its top down.
    Known,
}

impl Session {
    /// The lock is heard: is it after an absence?
    pub(super) fn note_heard(&mut self, now: Duration) {
        if let Some(last) = self.last_heard.replace(now)
            && now.saturating_sub(last) >= UNHEARD
        {
            self.unreached_since.get_or_insert(last);
        }
    }

    /// A link is up: is it after an absence, and is it time to ask how long the lists are?
    pub(super) fn come_back(&mut self, now: Duration) {
        self.doubts_log |= self.unreached_since.is_some_and(|since| now.saturating_sub(since) >= UNREACHED);
        self.count_lists(now);
    }

    pub(super) fn log_job(&self) -> Job {
        if self.wrap == Wrap::Known {
            return Job::LogBack {
                entries: Vec::new(),
                top: None,
                page_start: 0,
                has_ended: false,
                came: 0,
                announced: None,
            };
        }
        let doubts = self.doubts_log || self.cursor <= SOON_OVERTAKEN;
        // While old numbers are looked for behind the cursor, that there are none is no news.
        let may_ask = doubts && self.wrap == Wrap::No && self.cursor > 0;
        let anchor = self.anchor.filter(|anchor| may_ask && anchor.index == self.cursor);
        Job::Log {
            start: self.cursor,
            entries: Vec::new(),
            anchor,
            is_void: false,
            announced: None,
            has_anchor: false,
            handed_on: 0,
        }
    }

    pub(super) fn on_log_count(&mut self, count: LogEntryCount) {
        match self.exchange.as_mut().map(|exchange| &mut exchange.job) {
            Some(Job::NewestLogIndex { announced, .. } | Job::Log { announced, .. }) => *announced = Some(count.count),
            // A later page has fewer to come.
            Some(Job::LogBack { announced, .. }) => {
                announced.get_or_insert(count.count);
            }
            _ => {}
        }
        let access = if count.logging_enabled { LogAccess::Readable } else { LogAccess::LoggingOff };
        self.set_log_access(access);
    }

    /// True if it is new: ascending and behind the cursor is what was asked for; anything else would be stored twice.
    pub(super) fn on_log_entry(&mut self, entry: LogEntry, now: Duration) -> bool {
        let Some(Exchange { job: Job::Log { start, entries, anchor, is_void, has_anchor, .. }, .. }) =
            &mut self.exchange
        else {
            return false;
        };
        if entry.index == *start
            && let Some(known) = anchor.take()
        {
            *has_anchor = true;
            if !known.is(&entry) {
                // What follows in this page belongs to the other log as well, and its beginning stands in front of it.
                *is_void = true;
                let newest = self.newest.map_or(entry.index, |newest| newest.max(entry.index));
                self.restart_log(Some(newest));
            }
            return true;
        }
        if entry.index > NEAR_THE_END && (1..NEAR_THE_BEGINNING).contains(start) {
            *is_void = true;
            self.wrap = Wrap::Known;
            return true;
        }
        let position = entries.last().map_or(*start, |last| last.index);
        if *is_void || entry.index <= position || entries.len() >= usize::from(LOG_PAGE) {
            // Of a page that is void nothing is kept, but its end is waited for.
            return *is_void;
        }
        let verdict = self.action.as_mut().and_then(|action| action.verdict(&entry, self.auth_id));
        entries.push(entry);
        if let Some(outcome) = verdict {
            self.finish_action(outcome, now);
        }
        self.hand_on_at_count();
        true
    }

    /// The page has as many entries as this lock announced, each the next one behind the cursor: the last of them is the
    /// newest there is, and nobody has to wait for the end mark to know it (`docs/adr/0052`).
    fn hand_on_at_count(&mut self) {
        if !self.counts_right || self.counts_too_many || self.wrap != Wrap::No {
            return;
        }
        let Some(Exchange {
            job: Job::Log { start, entries, anchor, is_void, announced, has_anchor, handed_on }, ..
        }) = &mut self.exchange
        else {
            return;
        };
        let is_plain = !*is_void && anchor.is_none() && !*has_anchor && *handed_on == 0;
        let count = entries.len();
        let is_whole = *announced == u16::try_from(count).ok() && unbroken(*start, entries) == count;
        if !is_plain || !is_whole || count >= usize::from(LOG_PAGE) {
            return;
        }
        *handed_on = count;
        *start = entries.last().map_or(*start, |last| last.index);
        let entries = core::mem::take(entries);
        self.short_page = None;
        self.hand_on(entries, true);
    }

    /// A page has ended after so many entries: was its count right? Of a page that is full, or empty, that is not known.
    pub(super) fn compare_count(&mut self, announced: Option<u16>, came: usize) {
        if let Some(announced) = announced.filter(|count| *count <= LOG_PAGE) {
            let announced = usize::from(announced);
            self.counts_right = came == announced && (came > 0 || self.counts_right);
        }
    }

    /// From here on the entries are the receiver's, so the cursor moves.
    pub(super) fn hand_on(&mut self, entries: Vec<LogEntry>, end: bool) {
        if let Some(last) = entries.last() {
            self.cursor = last.index;
            self.anchor = Some(Anchor::from(last));
            self.heard_of(last.index);
            self.beacons.news();
            self.beacons.was_right();
            self.backoff.reset();
        }
        // Whatever was read since has shown the anchor, or that it is gone.
        self.doubts_log = false;
        self.unreached_since = None;
        self.outputs.push_back(Output::Log { entries, end });
    }

    pub(super) fn on_newest(&mut self, newest: Option<LogIndex>, announced: Option<u16>) {
        // Reading a whole log again is a lot of work for a mistake: an empty one has to say that it is empty.
        let is_cleared = match newest {
            Some(newest) => newest < self.cursor,
            None => self.cursor > 0 && announced == Some(0) && self.log_access == LogAccess::Readable,
        };
        if is_cleared && self.cursor > NEAR_THE_END && newest.is_some() {
            self.wrap = Wrap::Suspected;
            return self.want(Read::Log);
        }
        if is_cleared {
            self.restart_log(newest);
        } else if let Some(newest) = newest {
            self.heard_of(newest);
        }
        if newest.is_some_and(|newest| newest > self.cursor) {
            self.want(Read::Log);
        } else if !self.due.is_due(Read::Log) {
            self.outputs.push_back(Output::Log { entries: Vec::new(), end: true });
        }
    }

    /// A page that was to begin with the entry at the cursor has neither that nor anything behind it. The newest entry of a log
    /// is the last one to be overwritten, so this is another log.
    pub(super) fn on_empty_log(&mut self) {
        self.want(Read::Newest);
    }

    /// A page from the cursor upwards has ended.
    pub(super) fn on_log_page(&mut self, entries: Vec<LogEntry>, missing: usize, now: Duration) {
        if missing > 0 && !self.counts_too_many {
            return self.on_short_page(entries, now);
        }
        self.short_page = None;
        let is_last = entries.len() < usize::from(LOG_PAGE);
        let has_more = !is_last || self.wrap == Wrap::Suspected;
        if is_last && self.wrap == Wrap::Suspected {
            self.wrap = Wrap::Known;
        }
        if has_more {
            self.want(Read::Log);
        }
        let verdict = if has_more { Verdict::Well } else { self.silence.page_ended(entries.len()) };
        // A refused code moves no bolt, and yet should stand there.
        let is_untold = entries.is_empty() && self.beacons.is_unproven();
        self.hand_on(entries, !has_more);
        self.doubts_log |= is_untold;
        match verdict {
            Verdict::Well => {}
            Verdict::Early => self.timers.set(Timer::LogAgain, now.saturating_add(SILENT_PAUSE)),
            Verdict::Suspicious => {
                // A shorter log shows a lower number, one that is as long again another entry at the cursor.
                self.doubts_log = true;
                self.want(Read::Newest);
                self.want(Read::Log);
            }
        }
        if !has_more {
            self.log_searched(now);
        }
    }

    /// Fewer entries came than the lock announced: one is lost on the way, or its count means something else. The page is
    /// asked for once more; if that brings no more, the count is not believed any longer.
    fn on_short_page(&mut self, mut entries: Vec<LogEntry>, now: Duration) {
        let start = self.cursor;
        if self.short_page.take() == Some((start, entries.len())) {
            self.counts_too_many = true;
            return self.on_log_page(entries, 0, now);
        }
        self.short_page = Some((start, entries.len()));
        // Behind the first hole nothing can be stored: what is missing would come too late.
        entries.truncate(unbroken(start, &entries));
        if !entries.is_empty() {
            self.hand_on(entries, false);
        }
        self.want(Read::Log);
    }

    /// True if it belongs to the page. New is what falls from the top of the log down to the cursor, or to where the numbers
    /// rise because the numbering before begins; what stands behind that comes all the same, and is waited for.
    pub(super) fn on_log_entry_back(&mut self, entry: LogEntry) -> bool {
        let cursor = self.cursor;
        let Some(Exchange { job: Job::LogBack { entries, top, has_ended, came, .. }, .. }) = &mut self.exchange else {
            return false;
        };
        if *came >= LOG_PAGE {
            return false;
        }
        *came += 1;
        let floor = if *top.get_or_insert(entry.index) < cursor { 0 } else { cursor };
        *has_ended |= entry.index <= floor || entries.last().is_some_and(|last| entry.index >= last.index);
        if !*has_ended {
            entries.push(entry);
        }
        true
    }

    /// A page from the top down has ended.
    pub(super) fn on_log_back(
        &mut self,
        entries: Vec<LogEntry>,
        top: Option<LogIndex>,
        announced: Option<u16>,
        page_start: usize,
        now: Duration,
    ) {
        let is_full = entries.len() - page_start >= usize::from(LOG_PAGE) && entries.len() < MAX_BACK;
        if is_full {
            let page_start = entries.len();
            return self.begin(Job::LogBack { entries, top, page_start, has_ended: false, came: 0, announced }, now);
        }
        // A log has as many entries as its newest number at most, unless older numbers stand in it.
        if announced.zip(top).is_some_and(|(count, top)| LogIndex::from(count) <= top) {
            self.wrap = Wrap::No;
        }
        if let Some(newest) = entries.first().map(|entry| entry.index).filter(|newest| *newest < self.cursor) {
            self.restart_log(Some(newest));
        }
        self.hand_on(entries.into_iter().rev().collect(), true);
        self.log_searched(now);
    }

    fn restart_log(&mut self, newest: Option<LogIndex>) {
        self.cursor = 0;
        self.anchor = None;
        self.newest = newest;
        self.outputs.push_back(Output::LogReset { newest });
    }

    fn heard_of(&mut self, index: LogIndex) {
        if self.newest.is_none_or(|newest| index > newest) {
            self.newest = Some(index);
            self.outputs.push_back(Output::NewestIndex(index));
        }
    }
}

/// How many of the entries follow `start` without a hole; none where the log begins nobody knows.
fn unbroken(start: LogIndex, entries: &[LogEntry]) -> usize {
    entries.iter().zip(1..).take_while(|(entry, n)| start > 0 && entry.index == start.saturating_add(*n)).count()
}
