//! Who waits for an answer of an actor, and gets one, whatever happens.

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{debug, error, info};

use super::actor::Actor;
use super::handle::{ActionOutcome, GatewayError, Request, WaitFor};
use crate::clock::UnixMillis;
use crate::protocol::LockAction;
use crate::protocol::crypto::Pin;
use crate::protocol::state::KeyturnerStates;
use crate::session::{ActionRequest, Input, NotDone, Outcome};
use crate::store::{IntentState, NewIntent, StoreError};

/// A reader of the state gets an answer within this time.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// So many actions may be open at one lock; more would only wait for their deadline.
const MAX_ACTIONS: usize = 8;
/// So many may wait for the state.
const MAX_READERS: usize = 64;
/// So many endings are kept while the event log cannot be written.
const MAX_UNWRITTEN: usize = 64;

pub(super) struct ActionWaiter {
    action: LockAction,
    wait: WaitFor,
    reply: Option<oneshot::Sender<Result<ActionOutcome, GatewayError>>>,
}

pub(super) struct ReadWaiter {
    pub(super) until: Duration,
    reply: oneshot::Sender<Result<KeyturnerStates, GatewayError>>,
}

/// How an intent ended, to be written down.
#[derive(Debug)]
pub(super) struct Ending {
    intent_id: i64,
    state: IntentState,
    detail: String,
    at: UnixMillis,
}

/// What outlives an actor that starts again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The PIN that the owner set while the gateway ran; it counts instead of the one it started with.
    pub(super) new_pin: Option<Option<Pin>>,
    /// The day since 1970 that connections are counted for.
    pub(super) day: i64,
    /// Who is told when this lock is served no longer.
    pub(super) forgetting: Option<oneshot::Sender<Result<(), GatewayError>>>,
    /// Endings that could not be written.
    pub(super) unwritten: Vec<Ending>,
}

impl Actor<'_> {
    pub(super) async fn on_request(&mut self, request: Request) {
        let now = self.now();
        match request {
            Request::ReadState { reply } => {
                if self.readers.len() >= MAX_READERS {
                    reply.send(Err(GatewayError::QueueFull)).ok();
                    return;
                }
                self.readers.push(ReadWaiter { until: now + READ_WITHIN, reply });
                self.session.handle(Input::ReadState, now);
            }
            Request::Forget { reply } => self.wiring.memory.forgetting = Some(reply),
            Request::SetClock { reply } => self.on_set_clock(reply, now),
            Request::ChangeCode { change, reply } => self.on_change_code(change, reply, now),
            Request::SetPin { pin, reply } => {
                let result = self.on_set_pin(pin).await;
                reply.send(result).ok();
            }
            Request::Act { action, requester, asked_at, wait, reply } => {
                if reply.is_closed() {
                    debug!(lock = %self.lock.label(), %action, requester, "whoever asked has gone, so nothing is done");
                    return;
                }
                if self.actions.len() >= MAX_ACTIONS {
                    reply.send(Err(GatewayError::QueueFull)).ok();
                    return;
                }
                let intent = NewIntent { nuki_id: self.lock.nuki_id, action, requester, at: self.tools.clock.wall() };
                match self.tools.store.begin_intent(&intent).await {
                    Ok(intent_id) => {
                        self.actions.insert(intent_id, ActionWaiter { action, wait, reply: Some(reply) });
                        let now = self.now();
                        // Time in the queue and time on the disk count: nobody expects the door to open later.
                        let asked_at = now.saturating_sub(asked_at.elapsed());
                        self.session.handle(Input::Act(ActionRequest { intent_id, action, asked_at }), now);
                        self.make_connecting_urgent();
                    }
                    Err(error) => {
                        error!(lock = %self.lock.label(), %error, "an intent could not be stored, so nothing was sent");
                        reply.send(Err(GatewayError::Storage(error.to_string()))).ok();
                    }
                }
            }
        }
    }

    pub(super) fn on_accepted(&mut self, intent_id: i64) {
        if let Some(waiter) = self.actions.get_mut(&intent_id)
            && waiter.wait == WaitFor::Accepted
            && let Some(reply) = waiter.reply.take()
        {
            reply.send(Ok(ActionOutcome::Accepted)).ok();
        }
    }

    pub(super) async fn on_finished(&mut self, intent_id: i64, outcome: Outcome) {
        let Some(waiter) = self.actions.remove(&intent_id) else { return };
        let (state, detail) = ending(outcome);
        self.keep_ending(Ending { intent_id, state, detail: detail.clone(), at: self.tools.clock.wall() });
        if let Err(error) = self.write_endings().await {
            // The answer is true all the same; the ending is written when the event log can be.
            error!(lock = %self.lock.label(), %error, intent_id, "the end of an intent could not be stored");
        }
        if outcome != Outcome::Done {
            info!(lock = %self.lock.label(), intent_id, detail, "action not done");
            self.journal.handle_intent_failed(intent_id, waiter.action, detail);
        }
        if let Some(reply) = waiter.reply {
            // Whoever asked may have hung up.
            reply.send(Ok(answer(outcome))).ok();
        }
    }

    fn keep_ending(&mut self, ending: Ending) {
        let unwritten = &mut self.wiring.memory.unwritten;
        if unwritten.len() < MAX_UNWRITTEN {
            unwritten.push(ending);
        }
        // Otherwise it stays open in the event log, and the next start closes it as expired.
    }

    /// Writes down how intents ended, oldest first.
    pub(super) async fn write_endings(&mut self) -> Result<(), StoreError> {
        while let Some(ending) = self.wiring.memory.unwritten.first() {
            let Ending { intent_id, state, detail, at } = ending;
            match self.tools.store.finish_intent(*intent_id, *state, detail, *at).await {
                // Written before, though the answer was lost.
                Ok(()) | Err(StoreError::IntentNotOpen(_)) => {}
                Err(error) => return Err(error),
            }
            self.wiring.memory.unwritten.remove(0);
        }
        Ok(())
    }

    /// Answers everybody without the event log, because it is what failed.
    pub(super) fn answer_all(&mut self, finished: &[(i64, Outcome)]) {
        for (intent_id, outcome) in finished {
            let Some(waiter) = self.actions.remove(intent_id) else { continue };
            let (state, detail) = ending(*outcome);
            self.keep_ending(Ending { intent_id: *intent_id, state, detail, at: self.tools.clock.wall() });
            if let Some(reply) = waiter.reply {
                reply.send(Ok(answer(*outcome))).ok();
            }
        }
    }

    pub(super) fn answer_readers(&mut self, states: KeyturnerStates) {
        for reader in self.readers.drain(..) {
            // Whoever asked may have hung up.
            reader.reply.send(Ok(states)).ok();
        }
    }

    pub(super) fn refuse_readers(&mut self, error: &GatewayError) {
        for reader in self.readers.drain(..) {
            reader.reply.send(Err(error.clone())).ok();
        }
    }

    pub(super) fn expire_readers(&mut self, now: Duration) {
        let (late, waiting) = self.readers.drain(..).partition(|reader: &ReadWaiter| reader.until <= now);
        self.readers = waiting;
        for reader in late {
            let why = format!("it did not answer within {} s", READ_WITHIN.as_secs());
            reader.reply.send(Err(GatewayError::Unreachable(why))).ok();
        }
    }
}

fn ending(outcome: Outcome) -> (IntentState, String) {
    match outcome {
        Outcome::Done => (IntentState::Done, String::new()),
        Outcome::NotDone(NotDone::Refused(code)) => (IntentState::NotDone, format!("refused by the lock: {code}")),
        Outcome::NotDone(NotDone::Failed(status)) => (IntentState::NotDone, format!("failed: {status}")),
        Outcome::NotDone(NotDone::NotSent) => {
            (IntentState::NotDone, "never sent: the lock could not be reached in time".to_owned())
        }
        Outcome::NotDone(NotDone::ProvenByLog) => {
            (IntentState::NotDone, "the link broke, and the lock's state and log show nothing of it".to_owned())
        }
        Outcome::Unknown => (IntentState::Unknown, "sent, and whether it happened cannot be told".to_owned()),
    }
}

const fn answer(outcome: Outcome) -> ActionOutcome {
    match outcome {
        Outcome::Done => ActionOutcome::Done,
        Outcome::NotDone(why) => ActionOutcome::NotDone(why),
        Outcome::Unknown => ActionOutcome::Unknown,
    }
}
