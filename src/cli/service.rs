//! What systemd is told: when the gateway is ready, how it is, that it lives, that it stops.
//!
//! Without systemd nothing is told and nothing is missed.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{error, info, warn};

use crate::gateway::{GatewayHandle, RadioHealth};
use crate::pulse::Pulses;

/// The adapter was tried by then, or its absence is no news to wait for.
const RADIO_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked whether the radio was tried. It is answered from memory.
const RADIO_LOOK: Duration = Duration::from_millis(10);
/// How often it is told how the gateway is, where no watchdog wants to be fed more often.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Where the gateway's words go.
type Say = fn(&[NotifyState<'_>]);

/// The service's side of the gateway.
pub(super) struct Service<S = Say> {
    gateway: GatewayHandle,
    pulses: Pulses,
    /// systemd wants to be told within this time, again and again.
    watchdog: Option<Duration>,
    say: S,
}

impl Service {
    /// With systemd, or whoever else set `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub(super) fn new(gateway: GatewayHandle, pulses: Pulses) -> Self {
        Self { gateway, pulses, watchdog: sd_notify::watchdog_enabled(), say }
    }
}

impl<S: Fn(&[NotifyState<'_>])> Service<S> {
    /// Tells for ever. To be called when the event log is migrated and HTTP is answered.
    pub(super) async fn tell(&self) -> Infallible {
        self.ready().await;
        self.keep_telling().await
    }

    /// Waits until the adapter was tried, and says how
    /// that went: a gateway without a radio is ready too, for its history can be asked.
    async fn ready(&self) {
        let tried = async {
            loop {
                if let Some(radio) = self.gateway.radio() {
                    return radio;
                }
                sleep(RADIO_LOOK).await;
            }
        };
        match timeout(RADIO_WITHIN, tried).await {
            Ok(RadioHealth { problem: None, adapter, .. }) => {
                info!(adapter = adapter.as_deref().unwrap_or("the only one"), "the radio listens");
            }
            // The radio says so itself.
            Ok(_) => {}
            Err(_) => warn!("it is not known yet whether there is a Bluetooth adapter; it is still tried"),
        }
        (self.say)(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
    }

    /// Tells how the gateway is, and feeds the watchdog as long as every loop turns. The watchdog's time is
    /// systemd's: `WatchdogSec=`.
    async fn keep_telling(&self) -> Infallible {
        let mut ticks = interval(self.watchdog.map_or(TELL_EVERY, |limit| limit / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let status = self.status();
            let Some(silent) = self.pulses.silent() else {
                let mut states = vec![NotifyState::Status(&status)];
                states.extend(self.watchdog.map(|_| NotifyState::Watchdog));
                (self.say)(&states);
                continue;
            };
            error!(
                r#loop = silent.name,
                seconds = silent.since.as_secs(),
                "a loop hangs; systemd is to start this anew, and please report it"
            );
            if self.watchdog.is_some() {
                (self.say)(&[NotifyState::Status(&status), NotifyState::WatchdogTrigger]);
            }
        }
    }

    /// One line for `systemctl status`.
    fn status(&self) -> String {
        let locks = match self.gateway.locks().len() {
            0 => "no lock is paired".to_owned(),
            1 => "1 lock".to_owned(),
            many => format!("{many} locks"),
        };
        let radio = match self.gateway.radio() {
            None => "the radio is being started".to_owned(),
            Some(RadioHealth { problem: None, adapter, .. }) => {
                format!("listening on {}", adapter.as_deref().unwrap_or("the radio"))
            }
            Some(RadioHealth { problem: Some(problem), .. }) => format!("nothing can be heard: {problem}"),
        };
        format!("{locks}, {radio}")
    }
}

/// The configuration is being read anew. systemd wants the time with it (`Type=notify-reload`).
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "systemd cannot be told"),
    }
}

/// It was read, or stays as it was.
pub(super) fn reloaded() {
    say(&[NotifyState::Ready]);
}

/// The gateway stops, in order.
pub(super) fn stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be told");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::pulse::ALIVE_WITHIN;

    /// Everything that was said in `time` of a service whose one loop does `turns`.
    async fn said(watchdog: Option<Duration>, turns: impl AsyncFn(crate::pulse::Pulse), time: Duration) -> Vec<String> {
        let (pulses, words) = (Pulses::default(), Mutex::new(Vec::new()));
        let say = |states: &[NotifyState<'_>]| words.lock().unwrap().push(format!("{states:?}"));
        let pulse = pulses.begin("radio");
        let service = Service { gateway: GatewayHandle::default(), pulses, watchdog, say };
        tokio::select! {
            never = service.tell() => match never {},
            () = async { turns(pulse).await; std::future::pending().await } => {}
            () = sleep(time) => {}
        }
        words.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_twice_in_its_time_while_every_loop_turns() {
        let turns = async |pulse: crate::pulse::Pulse| pulse.while_waiting(std::future::pending()).await;
        let said = said(Some(Duration::from_secs(30)), turns, Duration::from_hours(1)).await;
        let (ready, fed) = said.split_first().unwrap();
        assert!(ready.contains("Ready") && ready.contains("no lock is paired"), "{ready}");
        assert!((239..=241).contains(&fed.len()) && fed.iter().all(|word| word.contains("Watchdog")), "{fed:?}");
        assert!(!fed.iter().any(|word| word.contains("WatchdogTrigger")), "{fed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_makes_the_watchdog_bite_at_once() {
        let turns = async |pulse: crate::pulse::Pulse| {
            pulse.while_waiting(sleep(Duration::from_mins(10))).await;
            std::future::pending::<()>().await;
        };
        let watchdog = Duration::from_secs(30);
        let said = said(Some(watchdog), turns, Duration::from_mins(10) + ALIVE_WITHIN + watchdog).await;
        let bites = said.iter().position(|word| word.contains("WatchdogTrigger")).unwrap();
        assert!(bites as u64 * 15 <= 600 + ALIVE_WITHIN.as_secs() + 30, "after {bites} ticks");
        assert!(said[bites..].iter().all(|word| word.contains("WatchdogTrigger")), "it is not fed again: {said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_watchdog_only_the_state_is_told() {
        let said = said(None, async |pulse| drop(pulse), Duration::from_mins(5)).await;
        assert!(
            said.len() > 5 && said.iter().all(|word| word.contains("Status") && !word.contains("Watchdog")),
            "{said:?}"
        );
    }
}
