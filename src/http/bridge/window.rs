//! When `/auth` hands out the token: in a window that an administrator opens, once.
//!
//! Hardware has a button for that. A request that comes before the window is
//! opened is held, as hardware holds it until the button is pressed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// So long a request is held.
const HELD_FOR: Duration = Duration::from_secs(30);
/// So many requests are held at a time: no credential is needed to send one.
const MOST_HELD: usize = 8;

/// What a client is told that asks for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It gets the token, and the window is shut.
    Granted,
    /// Nobody has opened the window in time.
    NotGranted,
    /// `/auth` is switched off.
    Off,
    /// As many are held already as may be.
    TooMany,
}

#[derive(Debug, Clone, Copy)]
struct State {
    is_enabled: bool,
    is_over: bool,
    open_until: Option<Instant>,
}

impl State {
    fn is_open(self) -> bool {
        self.open_until.is_some_and(|until| Instant::now() < until)
    }
}

/// Whether the token may be had, now or soon. To be cloned freely.
#[derive(Debug, Clone)]
pub struct AuthWindow {
    state: watch::Sender<State>,
    held: Arc<Semaphore>,
}

impl AuthWindow {
    /// A shut window. While `is_enabled`, requests are held; else they are refused at once.
    #[must_use]
    pub fn new(is_enabled: bool) -> Self {
        let state = State { is_enabled, is_over: false, open_until: None };
        Self { state: watch::Sender::new(state), held: Arc::new(Semaphore::new(MOST_HELD)) }
    }

    /// The gateway stops: nobody is held any longer, for a stop waits until every request is answered.
    pub fn end(&self) {
        self.state.send_modify(|state| state.is_over = true);
    }

    /// Opens it for so long, or until the token was handed out once. It counts also while `/auth` is switched off:
    /// whoever may open it is the owner.
    pub(in crate::http) fn open(&self, duration: Duration) {
        self.state.send_modify(|state| state.open_until = Some(Instant::now() + duration));
    }

    /// Switches `/auth` on or off. Off shuts the window, too.
    pub(super) fn enable(&self, is_enabled: bool) {
        self.state.send_modify(|state| {
            state.is_enabled = is_enabled;
            state.open_until = state.open_until.filter(|_| is_enabled);
        });
    }

    /// Whether clients may look for this bridge.
    pub(super) fn is_inviting(&self) -> bool {
        let state = *self.state.borrow();
        state.is_enabled || state.is_open()
    }

    /// What this client is told; at once if the window is open or `/auth` is off, else within 30 seconds.
    pub(super) async fn ask(&self) -> Verdict {
        if self.take() {
            return Verdict::Granted;
        }
        if !self.state.borrow().is_enabled {
            return Verdict::Off;
        }
        let Ok(_held) = self.held.try_acquire() else { return Verdict::TooMany };
        let mut changes = self.state.subscribe();
        let opened = async {
            loop {
                // Seen before the window is tried: one that opens in between wakes us.
                let state = *changes.borrow_and_update();
                if state.is_over || !state.is_enabled {
                    return Verdict::NotGranted;
                }
                if self.take() {
                    return Verdict::Granted;
                }
                // The sender lives as long as `self`.
                if changes.changed().await.is_err() {
                    return Verdict::NotGranted;
                }
            }
        };
        timeout(HELD_FOR, opened).await.unwrap_or(Verdict::NotGranted)
    }

    /// Goes through the window if it is open, and shuts it behind: two clients never get the token of one opening.
    fn take(&self) -> bool {
        self.state.send_if_modified(|state| {
            let is_open = state.is_open();
            if is_open {
                state.open_until = None;
            }
            is_open
        })
    }
}
