//! Who waits for an answer of an actor, and gets one, whatever happens.

use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::Actor;
use super::handle::{GatewayError, Request};
use super::repeat::Lately;
use crate::clock::UnixMillis;
use crate::live::Live;
use crate::protocol::crypto::Pin;
use crate::protocol::state::KeyturnerStates;
use crate::session::{Input, PinTries};
use crate::store::{IntentState, StoreError};

/// A reader of the state gets an answer within this time.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// So many may wait for the state, and one reading answers them all: as many as the HTTP server has connections.
const MAX_READERS: usize = 256;
/// So many endings are kept while the event log cannot be written.
const MAX_UNWRITTEN: usize = 64;

pub(super) struct ReadWaiter {
    pub(super) until: Duration,
    reply: oneshot::Sender<Result<KeyturnerStates, GatewayError>>,
}

/// How an intent ended, to be written down.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) intent_id: i64,
    pub(super) state: IntentState,
    pub(super) detail: String,
    /// The client may ask again under its key, since nothing has left.
    pub(super) frees_key: bool,
    pub(super) at: UnixMillis,
}

/// What outlives an actor that starts again.
#[derive(Debug)]
pub(super) struct Memory {
    /// The PIN that the owner set while the gateway ran; it counts instead of the one it started with.
    pub(super) new_pin: Option<Option<Pin>>,
    /// Tries with the PIN that could not be written: whoever starts again must know of them, or a lock is guessed at.
    pub(super) unwritten_tries: Option<PinTries>,
    /// The day since 1970 that connections are counted for.
    pub(super) day: i64,
    /// Who is told when this lock is served no longer.
    pub(super) forgetting: Option<oneshot::Sender<Result<(), GatewayError>>>,
    /// Endings that could not be written.
    pub(super) unwritten: Vec<Ending>,
    /// What was just done, and for whom.
    pub(super) lately: Lately,
    /// The last attempt to connect has failed.
    pub(super) is_out_of_reach: bool,
}

impl Memory {
    /// Of a gateway that starts, where the same is a repetition for so long.
    pub(super) fn new(repeat_window: Live<Duration>) -> Self {
        Self {
            new_pin: None,
            unwritten_tries: None,
            day: 0,
            forgetting: None,
            unwritten: Vec::new(),
            lately: Lately::new(repeat_window),
            is_out_of_reach: false,
        }
    }
}

impl Actor<'_> {
    pub(super) async fn on_request(&mut self, request: Request) -> Result<(), StoreError> {
        let now = self.now();
        match request {
            Request::ReadState { reply } => {
                if self.readers.len() >= MAX_READERS {
                    reply.send(Err(GatewayError::QueueFull)).ok();
                    return Ok(());
                }
                self.readers.push(ReadWaiter { until: now + READ_WITHIN, reply });
                self.session.handle(Input::ReadState, now);
            }
            Request::Forget { reply } => self.wiring.memory.forgetting = Some(reply),
            Request::SetClock { reply } => self.on_set_clock(reply, now),
            Request::ChangeCode(asked) => self.on_change_code(asked).await,
            Request::SetPin { pin, reply } => {
                let result = self.on_set_pin(pin).await;
                reply.send(result).ok();
            }
            Request::Act(asked) => self.on_act(asked).await?,
        }
        Ok(())
    }

    pub(super) fn keep_ending(&mut self, ending: Ending) {
        let unwritten = &mut self.wiring.memory.unwritten;
        if unwritten.len() < MAX_UNWRITTEN {
            unwritten.push(ending);
        }
        // Otherwise it stays open in the event log, and the next start closes it as expired.
    }

    /// Writes down how intents ended, oldest first.
    pub(super) async fn write_endings(&mut self) -> Result<(), StoreError> {
        while let Some(ending) = self.wiring.memory.unwritten.first() {
            let Ending { intent_id, state, detail, frees_key, at } = ending;
            if *frees_key {
                // First: an open intent whose key is free has never left either, if this is as far as it comes.
                self.tools.store.release_key(*intent_id).await?;
            }
            match self.tools.store.finish_intent(*intent_id, *state, detail, *at).await {
                // Written before, though the answer was lost.
                Ok(()) | Err(StoreError::IntentNotOpen(_)) => {}
                Err(error) => return Err(error),
            }
            self.wiring.memory.unwritten.remove(0);
        }
        Ok(())
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
