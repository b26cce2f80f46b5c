//! The handle of tests and the demo: people at a door, and trouble on its radio.

use std::sync::Arc;

use super::Address;
use super::place::Place;
use crate::simlock::{Fault, Input, Moment, Person, Refusal, SimLock};

/// When the link to a lock breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropAt {
    /// The n-th write from now does not arrive.
    BeforeWrite(u32),
    /// The n-th write from now arrives, its response does not.
    AfterWrites(u32),
    /// The n-th indication from now arrives, its confirmation does not.
    AfterIndications(u32),
}

impl DropAt {
    pub(super) const fn writes_before(self) -> Option<u32> {
        if let Self::BeforeWrite(n) = self { Some(n) } else { None }
    }

    pub(super) const fn writes_after(self) -> Option<u32> {
        if let Self::AfterWrites(n) = self { Some(n) } else { None }
    }

    pub(super) const fn indications(self) -> Option<u32> {
        if let Self::AfterIndications(n) = self { Some(n) } else { None }
    }
}

/// One simulated lock and its surroundings.
#[derive(Debug, Clone)]
pub struct SimDoor {
    place: Arc<Place>,
}

impl SimDoor {
    pub(super) const fn new(place: Arc<Place>) -> Self {
        Self { place }
    }

    /// The lock's number.
    #[must_use]
    pub fn nuki_id(&self) -> u32 {
        self.place.nuki_id
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> Address {
        self.place.address
    }

    /// Somebody acts at the door.
    ///
    /// # Errors
    /// Why they got nothing.
    pub fn person(&self, person: Person) -> Result<(), Refusal> {
        self.input(Input::Person(person));
        self.inspect(SimLock::refusal).map_or(Ok(()), Err)
    }

    /// Looks at the lock as it is now.
    pub fn inspect<R>(&self, look: impl FnOnce(&SimLock) -> R) -> R {
        self.place.inspect(look)
    }

    /// Feeds any input of the lock itself.
    pub fn input(&self, input: Input) {
        self.place.feed(input);
    }

    /// Switches pairing mode, as holding the button does.
    pub fn pairing_mode(&self, on: bool) {
        self.input(Input::PairingMode(on));
    }

    /// Lets something go wrong inside the lock.
    pub fn fault(&self, fault: Fault) {
        self.input(Input::Fault(fault));
    }

    /// The moment on the lock's clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.place.air.moment()
    }

    /// Breaks all links to this lock now.
    pub fn drop_links(&self) {
        self.place.close_all();
    }

    /// Breaks the link at a point to come; `AfterWrites` and the others count over all links.
    pub fn drop_at(&self, at: DropAt) {
        self.place.plan_drop(at);
    }

    /// Breaks the link when the n-th write from now has arrived at the lock.
    pub fn drop_after_writes(&self, n: u32) {
        self.drop_at(DropAt::AfterWrites(n));
    }

    /// Carries the lock out of reach, or back. Open links break by their supervision timeout, which a task
    /// waits for: call it inside a tokio runtime.
    pub fn set_in_range(&self, is_in_range: bool) {
        self.place.set_range(is_in_range);
        if is_in_range {
            return;
        }
        let place = Arc::clone(&self.place);
        tokio::spawn(async move {
            tokio::time::sleep(place.air.settings().supervision_timeout).await;
            if !place.is_in_range() {
                place.close_all();
            }
        });
    }

    /// Sets the signal strength of its advertisements, dBm.
    pub fn set_rssi(&self, rssi: i16) {
        self.place.set_rssi(rssi);
    }
}
