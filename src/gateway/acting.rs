//! Actions that clients ask for: written down, handed to the session, answered; a repetition joins what it repeats.

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, error, info};

use super::actor::Actor;
use super::asked::Ending;
use super::handle::{ActionOutcome, GatewayError, WaitFor};
use crate::protocol::LockAction;
use crate::session::{ActionRequest, Input, NotDone, Outcome};
use crate::store::{Begun, IdempotencyKey, IntentState, KeyedIntent, NewIntent, StoreError};

/// So many actions may be open at one lock; more would only wait for their deadline.
const MAX_ACTIONS: usize = 8;
/// So many may wait for the end of one action: as many as the HTTP server has connections.
const MAX_JOINED: usize = 256;

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<ActionOutcome, GatewayError>>;

/// An action as a client asks for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) action: LockAction,
    pub(super) requester: String,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) asked_at: Instant,
    pub(super) wait: WaitFor,
    pub(super) reply: Reply,
}

/// An open action, and who waits for it.
pub(super) struct ActionWaiter {
    pub(super) action: LockAction,
    requester: String,
    has_key: bool,
    is_accepted: bool,
    replies: Vec<(WaitFor, Reply)>,
}

impl ActionWaiter {
    fn join(&mut self, wait: WaitFor, reply: Reply) {
        if wait == WaitFor::Accepted && self.is_accepted {
            // Here and below: whoever asked may have hung up.
            reply.send(Ok(ActionOutcome::Accepted)).ok();
        } else if self.replies.len() >= MAX_JOINED {
            // Not "busy": the door may move, so whoever asks is not to ask again.
            reply.send(Ok(ActionOutcome::Unknown)).ok();
        } else {
            self.replies.push((wait, reply));
        }
    }

    fn accepted(&mut self) {
        self.is_accepted = true;
        for (_, reply) in self.replies.extract_if(.., |(wait, _)| *wait == WaitFor::Accepted) {
            reply.send(Ok(ActionOutcome::Accepted)).ok();
        }
    }

    fn answer(self, outcome: Outcome) {
        for (_, reply) in self.replies {
            reply.send(Ok(answer(outcome))).ok();
        }
    }
}

impl Actor<'_> {
    /// The radio gets ready while the intent goes to the disk (`docs/adr/0060`).
    pub(super) async fn on_act(&mut self, asked: Asked) -> Result<(), StoreError> {
        let Some(asked) = self.sift(asked).await else { return Ok(()) };
        self.session.handle(Input::ExpectAction, self.now());
        if let Err(error) = self.settle().await {
            refuse(asked, GatewayError::Storage(error.to_string()));
            return Err(error);
        }
        self.radio.make_connecting_urgent();
        self.begin(asked).await;
        Ok(())
    }

    /// What has to be begun; everything else is answered, or joins what is under way.
    async fn sift(&mut self, asked: Asked) -> Option<Asked> {
        let Asked { action, ref requester, .. } = asked;
        if asked.reply.is_closed() {
            debug!(lock = %self.lock.label(), %action, requester, "whoever asked has gone, so nothing is done");
            return None;
        }
        match asked.key {
            Some(key) => match self.tools.store.keyed_intent(requester, &key, self.tools.clock.wall()).await {
                Ok(Some(known)) => {
                    self.answer_known(&known, asked);
                    return None;
                }
                Ok(None) => {}
                Err(error) => {
                    refuse(asked, GatewayError::Storage(error.to_string()));
                    return None;
                }
            },
            None => {
                let is_same = |open: &&mut ActionWaiter| open.action == action && open.requester == *requester;
                if let Some(open) = self.actions.values_mut().rev().find(is_same) {
                    info!(lock = %self.lock.label(), %action, requester, "asked for again while it is under way: joined");
                    open.join(asked.wait, asked.reply);
                    return None;
                }
                let now = self.now();
                if let Some(outcome) = self.wiring.memory.lately.find(requester, action, now) {
                    info!(lock = %self.lock.label(), %action, requester, "asked for again at once: answered as before");
                    asked.reply.send(Ok(answer(outcome))).ok();
                    return None;
                }
            }
        }
        if self.actions.len() >= MAX_ACTIONS {
            refuse(asked, GatewayError::QueueFull);
            return None;
        }
        Some(asked)
    }

    /// The intent is on disk before the command leaves.
    async fn begin(&mut self, asked: Asked) {
        let (lock, at) = (self.lock.nuki_id, self.tools.clock.wall());
        let intent = NewIntent { nuki_id: lock, action: asked.action, requester: asked.requester.clone(), at };
        let store = &self.tools.store;
        let writing = async {
            match &asked.key {
                Some(key) => store.begin_keyed_intent(&intent, key).await,
                None => store.begin_intent(&intent).await.map(Begun::New),
            }
        };
        let begun = self.radio.beside(writing).await;
        let intent_id = match begun {
            Ok(Begun::New(intent_id)) => intent_id,
            // Another lock's actor was faster.
            Ok(Begun::Before(known)) => return self.answer_known(&known, asked),
            Ok(Begun::TooMany(wait)) => return refuse(asked, GatewayError::TooManyKeys(wait)),
            Err(error) => {
                error!(lock = %self.lock.label(), %error, "an intent could not be stored, so the action was not sent");
                return refuse(asked, GatewayError::Storage(error.to_string()));
            }
        };
        let Asked { action, requester, key, asked_at, wait, reply } = asked;
        self.wiring.memory.lately.begins(action);
        let (has_key, replies) = (key.is_some(), vec![(wait, reply)]);
        self.actions.insert(intent_id, ActionWaiter { action, requester, has_key, is_accepted: false, replies });
        let now = self.now();
        // Time in the queue and time on the disk count: nobody expects the door to open later.
        let asked_at = now.saturating_sub(asked_at.elapsed());
        self.session.handle(Input::Act(ActionRequest { intent_id, action, asked_at }), now);
    }

    /// The client has used its key before: it is told what became of that.
    fn answer_known(&mut self, known: &KeyedIntent, asked: Asked) {
        if (known.nuki_id, known.action) != (self.lock.nuki_id, asked.action) {
            return refuse(asked, GatewayError::KeyUsed);
        }
        if let Some(open) = self.actions.get_mut(&known.id) {
            return open.join(asked.wait, asked.reply);
        }
        let unwritten = self.wiring.memory.unwritten.iter().find(|ending| ending.intent_id == known.id);
        let outcome = match unwritten.map(|ending| ending.state).or(known.state) {
            Some(IntentState::Done) => ActionOutcome::Done,
            Some(IntentState::NotDone) => ActionOutcome::NotDoneBefore,
            Some(IntentState::Unknown | IntentState::Expired) | None => ActionOutcome::Unknown,
        };
        asked.reply.send(Ok(outcome)).ok();
    }

    pub(super) fn on_accepted(&mut self, intent_id: i64) {
        if let Some(waiter) = self.actions.get_mut(&intent_id) {
            waiter.accepted();
        }
    }

    pub(super) async fn on_finished(&mut self, intent_id: i64, outcome: Outcome) {
        let Some(waiter) = self.actions.remove(&intent_id) else { return };
        self.tools.metrics.action(self.lock.nuki_id, outcome);
        let detail = self.keep_outcome(intent_id, &waiter, outcome);
        if let Err(error) = self.write_endings().await {
            // The answer is true all the same; the ending is written when the event log can be.
            error!(lock = %self.lock.label(), %error, intent_id, "the end of an intent could not be stored");
        }
        if outcome != Outcome::Done {
            info!(lock = %self.lock.label(), intent_id, detail, "action not done");
            self.journal.handle_intent_failed(intent_id, waiter.action, detail);
        }
        waiter.answer(outcome);
    }

    /// Answers everybody without the event log, because it is what failed.
    pub(super) fn answer_all(&mut self, finished: &[(i64, Outcome)]) {
        for (intent_id, outcome) in finished {
            let Some(waiter) = self.actions.remove(intent_id) else { continue };
            self.keep_outcome(*intent_id, &waiter, *outcome);
            waiter.answer(*outcome);
        }
    }

    /// Remembers how an action ended, and gives the words for it.
    fn keep_outcome(&mut self, intent_id: i64, waiter: &ActionWaiter, outcome: Outcome) -> String {
        let (state, detail) = ending(outcome);
        let frees_key = waiter.has_key && outcome == Outcome::NotDone(NotDone::NotSent);
        let at = self.tools.clock.wall();
        self.keep_ending(Ending { intent_id, state, detail: detail.clone(), frees_key, at });
        let now = self.now();
        self.wiring.memory.lately.ends(&waiter.requester, waiter.action, outcome, now);
        detail
    }
}

fn refuse(asked: Asked, error: GatewayError) {
    asked.reply.send(Err(error)).map_err(drop).ok();
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
