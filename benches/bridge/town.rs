//! Four simulated locks and the whole daemon in front of them, in real time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use keyturner::clock::Clock;
use keyturner::daemon::{Daemon, Parts};
use keyturner::delivery::CallbackRules;
use keyturner::gateway::{ActionOutcome, WaitFor};
use keyturner::http::bridge::BridgeSettings;
use keyturner::http::{BridgeIdentity, PlainTokens, Token};
use keyturner::protocol::LockAction;
use keyturner::simlock::SimLockConfig;
use keyturner::store::{RetentionRules, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::host::{NoHost, TOKEN};
use crate::pairing::paired;

pub(crate) const LOCKS: u32 = 4;
pub(crate) const FIRST_LOCK: u32 = 0x0A1B_2C30;

pub(crate) struct Town {
    pub(crate) address: SocketAddr,
    daemon: Daemon,
    doors: Vec<SimDoor>,
    _files: TempDir,
}

impl Town {
    /// When it returns, every lock was read once.
    pub(crate) async fn start(bridge: BridgeSettings) -> Self {
        let clock = Clock::system();
        let radio = SimRadio::new(clock, SimSettings::default(), [1; 32]);
        let (mut locks, mut doors) = (Vec::new(), Vec::new());
        for n in 0..LOCKS {
            let door = radio.add(SimLockConfig::family(FIRST_LOCK + n), [2 + u8::try_from(n).unwrap(); 32]);
            locks.push(paired(&radio, clock, &door).await);
            doors.push(door);
        }
        let files = TempDir::new().unwrap();
        let seed = AtomicU8::new(10);
        let daemon = Daemon::start(Parts {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            hosts: Vec::new(),
            locks,
            transport: Arc::new(radio),
            store: Store::open(&files.path().join("keyturner.db")).await.unwrap(),
            webhook_secrets: Arc::new(|| Ok(Vec::new())),
            bridge,
            host: Arc::new(NoHost),
            repeat_window: Duration::from_secs(2),
            callbacks: CallbackRules::default(),
            retention: RetentionRules::default(),
            tokens: vec![Token::new("bench", TOKEN).unwrap()],
            plain_tokens: PlainTokens::default(),
            identity: BridgeIdentity::new(1, 2),
            clock,
            seed: Arc::new(move || [seed.fetch_add(1, Ordering::Relaxed); 32]),
        })
        .await
        .unwrap();
        let town = Self { address: daemon.address(), daemon, doors, _files: files };
        let began = Instant::now();
        while !town.daemon.gateway().locks().iter().all(|lock| lock.firmware_version.is_some() && lock.state.is_some())
        {
            assert!(began.elapsed() < Duration::from_secs(60), "the locks are not read");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        town
    }

    /// How many actions the locks have executed.
    pub(crate) fn executions(&self) -> u32 {
        self.doors.iter().map(|door| door.inspect(|lock| lock.executions_total())).sum()
    }

    /// Locks and unlocks every door without a pause.
    pub(crate) fn move_locks(&self) -> Movers {
        let stop = Arc::new(AtomicBool::new(false));
        let move_one = |n: u32| {
            let (gateway, stop) = (self.daemon.gateway(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut done = 0;
                for action in [LockAction::Unlock, LockAction::Lock].into_iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = gateway.act(FIRST_LOCK + n, action, "bench", WaitFor::Completed).await;
                    assert_eq!(outcome, Ok(ActionOutcome::Done));
                    done += 1;
                }
                done
            })
        };
        Movers { tasks: (0..LOCKS).map(move_one).collect(), stop }
    }
}

pub(crate) struct Movers {
    tasks: Vec<JoinHandle<u32>>,
    stop: Arc<AtomicBool>,
}

impl Movers {
    /// Ends them, and says how many actions were done.
    pub(crate) async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        join_all(self.tasks).await.into_iter().map(Result::unwrap).sum()
    }
}
