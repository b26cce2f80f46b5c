//! What BlueZ, its adapter and its bus can do to a gateway that runs for years: it is back by itself, soon, and did nothing
//! twice. The real BlueZ transport on a fake `org.bluez`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use keyturner::clock::Clock;
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::{ActionOutcome, Gateway, Tools, WaitFor};
use keyturner::http::bridge::wire::callback_body;
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{IdType, LockAction};
use keyturner::store::{HistoryFilter, Store};
use keyturner::transport::bluez::{BluezOptions, BluezTransport};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use crate::support::fake_bluez::{NUKI_ID, PIN, Rig, on_fake_bluez, until};
use crate::support::house::paired_over;
use crate::support::journal::Journal;

/// Longer than anything here takes by far; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bound of every recovery here; on a busy machine some come near half of it.
const BACK_WITHIN: Duration = Duration::from_secs(30);

struct Service {
    gateway: Gateway,
    store: Store,
    rig: Rig,
    /// Actions that were asked for.
    asked: u64,
    _files: TempDir,
}

impl Service {
    async fn start(rig: Rig) -> Self {
        Self::on(rig, &[]).await
    }

    /// With these adapters, the preferred one first.
    async fn on(rig: Rig, adapters: &[&str]) -> Self {
        let adapters = adapters.iter().map(|name| (*name).to_owned()).collect();
        let options = BluezOptions { adapters, ..BluezOptions::default() };
        let (clock, transport) = (Clock::system(), BluezTransport::new(options));
        rig.lock("pairing on");
        let pin = Some(Pin::new(PIN));
        let lock = paired_over(&transport, clock, (NUKI_ID, rig.address()), IdType::Bridge, pin).await;
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap();
        let seed = AtomicU8::new(10);
        let tools = Tools {
            store: store.clone(),
            clock,
            seed: Arc::new(move || [seed.fetch_add(1, Ordering::Relaxed); 32]),
            callback_body,
            repeat_window: Duration::ZERO.into(),
            committed: Arc::new(|| {}),
            diagnostics: Diagnostics::default(),
            pulses: keyturner::pulse::Pulses::default(),
            metrics: keyturner::metrics::Metrics::default(),
        };
        let gateway = Gateway::start(vec![lock], Arc::new(transport), tools).await.unwrap();
        let service = Self { gateway, store, rig, asked: 0, _files: files };
        service
            .until("everything was read once", async |s| s.gateway.handle.lock(NUKI_ID).unwrap().state.is_some())
            .await;
        service
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        until(what, PATIENCE, async || is_so(self).await).await;
    }

    fn adapter(&self) -> String {
        self.gateway.handle.radio().and_then(|radio| radio.adapter).unwrap_or_default()
    }

    fn hears(&self) -> bool {
        self.gateway.handle.radio().is_some_and(|radio| radio.problem.is_none())
    }

    /// Asks until it is done; what the gateway says was not sent may be asked for again.
    async fn acts(&mut self) {
        let action = if self.asked.is_multiple_of(2) { LockAction::Unlock } else { LockAction::Lock };
        let began = Instant::now();
        loop {
            match self.gateway.handle.act(NUKI_ID, action, "test", WaitFor::Completed).await {
                Ok(ActionOutcome::Done) => break self.asked += 1,
                // Nothing has moved, and the gateway says so.
                Ok(ActionOutcome::NotDone(_)) | Err(_) => {}
                other => panic!("{action:?}: {other:?}"),
            }
            assert!(began.elapsed() < PATIENCE, "no action within {PATIENCE:?}");
        }
    }

    /// What the lock itself says that it did for the gateway.
    fn executed(&self) -> u64 {
        let log = self.rig.lock("log");
        let is_ours = |entry: &&Value| entry["name"].as_str().is_some_and(|name| name.starts_with("Keyturner"));
        log["entries"].as_array().unwrap().iter().filter(is_ours).count() as u64
    }

    /// Somebody comes with a code, and is known.
    async fn notices_a_code(&self) {
        let known = || async {
            let rows = self.store.history(&HistoryFilter::default()).await.unwrap();
            rows.iter().filter(|row| row.code_name.as_deref() == Some("Anna")).count()
        };
        let before = known().await;
        self.rig.lock("keypad 583921");
        self.until("the code is in the event log", async |_| known().await > before).await;
    }
}

#[test]
fn whatever_happens_to_bluez_the_gateway_is_back_by_itself() {
    on_fake_bluez("bluez_recovery::whatever_happens_to_bluez_the_gateway_is_back_by_itself", async |rig| {
        let mut service = Service::start(rig).await;
        service.acts().await;
        let mut took = BTreeMap::new();
        let faults = [
            ("bluetoothd is killed and started", json!({"do": "kill"}), json!({"do": "start"})),
            ("the system bus is restarted", json!({"do": "bus_stop"}), json!({"do": "bus_start"})),
            ("the adapter is switched off", json!({"do": "power", "on": false}), json!({"do": "power", "on": true})),
            ("the adapter comes back as hci1", json!({"do": "unplug"}), json!({"do": "plug", "name": "hci1"})),
            ("the adapter comes back as hci0", json!({"do": "unplug"}), json!({"do": "plug", "name": "hci0"})),
        ];
        for (what, fault, mended) in faults {
            service.rig.bluez(&fault);
            service.until("health says so", async |s| !s.hears() || what.contains("switched off")).await;
            service.rig.bluez(&mended);
            let began = Instant::now();
            service.until(what, async |s| s.hears()).await;
            took.insert(format!("{what}: hears again"), began.elapsed());
            service.acts().await;
            took.insert(format!("{what}: acts again"), began.elapsed());
            service.notices_a_code().await;
        }
        // Resuming from a suspension: the link is gone, the controller was reset, and comes back with its USB port.
        service.rig.bluez(&json!({"do": "drop"}));
        service.rig.bluez(&json!({"do": "stop_discovery"}));
        service.rig.bluez(&json!({"do": "unplug"}));
        service.rig.bluez(&json!({"do": "plug", "name": "hci0"}));
        let began = Instant::now();
        service.acts().await;
        took.insert("the machine was suspended: acts again".to_owned(), began.elapsed());
        service.notices_a_code().await;
        for (what, fault) in [
            ("the device is forgotten", json!({"do": "forget"})),
            ("discovery stops", json!({"do": "stop_discovery"})),
            ("the link is lost", json!({"do": "drop"})),
        ] {
            service.rig.bluez(&fault);
            let began = Instant::now();
            service.acts().await;
            took.insert(format!("{what}: acts again"), began.elapsed());
            service.notices_a_code().await;
        }
        assert_eq!(service.executed(), service.asked, "each action was done once: {}", service.rig.lock("log"));
        for (what, time) in took {
            println!("{:>6} ms  {what}", time.as_millis());
            assert!(time < BACK_WITHIN, "{what}: {time:?}");
        }
        service.gateway.stop().await;
    });
}

#[test]
fn a_blocked_radio_is_said_once_and_used_again_when_it_is_unblocked() {
    on_fake_bluez("bluez_recovery::a_blocked_radio_is_said_once_and_used_again_when_it_is_unblocked", async |rig| {
        let mut service = Service::start(rig).await;
        service.acts().await;
        let journal = Journal::new(LevelFilter::INFO);
        service.rig.fail("Set Powered", "org.bluez.Error.Blocked", "Blocked through rfkill", 10_000);
        service.rig.bluez(&json!({"do": "power", "on": false}));
        service.until("health says so", async |s| !s.hears()).await;
        let tries = service.rig.calls("Set Powered");
        service.until("it was tried again and again", async |s| s.rig.calls("Set Powered") >= tries + 8).await;
        let problem = service.gateway.handle.radio().and_then(|radio| radio.problem).unwrap();
        assert!(problem.contains("rfkill"), "{problem}");
        let lines = journal.take();
        let warnings = lines.iter().filter(|line| line.contains("WARN")).count();
        assert!((1..=2).contains(&warnings), "once that it stopped, once why: {lines:#?}");
        // The next one fails, then it is unblocked.
        service.rig.fail("Set Powered", "org.bluez.Error.Blocked", "Blocked through rfkill", 1);
        let began = Instant::now();
        service.until("it hears again", async |s| s.hears()).await;
        service.acts().await;
        println!("{:>6} ms  rfkill blocked and unblocked: acts again", began.elapsed().as_millis());
        assert!(began.elapsed() < BACK_WITHIN);
        assert_eq!(service.executed(), service.asked);
        service.gateway.stop().await;
    });
}

#[test]
fn the_next_adapter_is_taken_when_one_goes_and_the_preferred_one_when_it_is_back() {
    on_fake_bluez(
        "bluez_recovery::the_next_adapter_is_taken_when_one_goes_and_the_preferred_one_when_it_is_back",
        async |rig| {
            let mut service = Service::on(rig, &["hci1", "hci0"]).await;
            assert_eq!(service.adapter(), "hci0", "hci1 is not there");
            service.acts().await;
            service.rig.bluez(&json!({"do": "spare", "name": "hci1", "there": true}));
            service.until("the preferred one is taken", async |s| s.hears() && s.adapter() == "hci1").await;
            service.rig.bluez(&json!({"do": "spare", "name": "hci1", "there": false}));
            let began = Instant::now();
            service.until("the other one is taken", async |s| s.hears() && s.adapter() == "hci0").await;
            service.acts().await;
            println!("{:>6} ms  an adapter is unplugged and another is there: acts again", began.elapsed().as_millis());
            assert!(began.elapsed() < BACK_WITHIN);
            service.notices_a_code().await;
            assert_eq!(service.executed(), service.asked, "each action was done once");
            service.gateway.stop().await;
        },
    );
}

#[test]
fn an_action_that_bluetoothd_dies_in_is_done_once_at_most() {
    on_fake_bluez("bluez_recovery::an_action_that_bluetoothd_dies_in_is_done_once_at_most", async |rig| {
        let service = Service::start(rig).await;
        // Killed after so many more writes of the exchange.
        for writes in 1..=4_u64 {
            let before = (service.executed(), service.rig.calls("WriteValue"));
            let handle = service.gateway.handle.clone();
            let action = LockAction::Unlatch;
            let act = tokio::spawn(async move { handle.act(NUKI_ID, action, "test", WaitFor::Completed).await });
            let is_in_the_middle =
                async |s: &Service| s.rig.calls("WriteValue") >= before.1 + writes || s.executed() > before.0;
            service.until("the exchange is under way", is_in_the_middle).await;
            service.rig.bluez(&json!({"do": "kill"}));
            service.rig.bluez(&json!({"do": "start"}));
            let outcome = act.await.unwrap();
            service.until("it hears again", async |s| s.hears()).await;
            service.notices_a_code().await;
            let done = service.executed() - before.0;
            assert!(done <= 1, "{writes}: {done} times, {outcome:?}");
            match outcome {
                Ok(ActionOutcome::Done) => assert_eq!(done, 1, "{writes}: {outcome:?}"),
                Ok(ActionOutcome::NotDone(_)) | Err(_) => assert_eq!(done, 0, "{writes}: {outcome:?}"),
                Ok(_) => {}
            }
        }
        service.gateway.stop().await;
    });
}
