//! One life of a house from one seed: people and clients come and go, everything goes wrong now and then, and in the end
//! everything is well again for a few hours.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::webhook::Webhooks;
use keyturner::delivery::{Waker, Workers, webhook};
use keyturner::gateway::{Gateway, PairedLock, Tools};
use keyturner::http::bridge::wire::callback_body;
use keyturner::http::entry_json;
use keyturner::protocol::IdType;
use keyturner::protocol::crypto::Pin;
use keyturner::pulse::Pulses;
use keyturner::secrets::WebhookSecret;
use keyturner::simlock::{Device, SimLockConfig, UserConfig};
use keyturner::store::{AddWebhook, NewWebhook, Store};
use keyturner::transport::sim::{SimRadio, SimSettings};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};

use super::adapter::{Adapter, Plug};
use super::check::{Findings, check};
use super::clients::Request;
use super::door::{Door, column};
use super::front::{Front, Overheard};
use super::machine::{End, Machine};
use super::receivers::{Net, Receivers};
use super::trouble::Troubles;
use crate::support::dice::Dice;
use crate::support::house::paired;
use crate::support::webhooks::{plain, secret};

/// 2026: the day before the clocks go forward, the day before they go back, and a day in between.
const STARTS: [i64; 3] = [1_774_724_400_000, 1_792_864_800_000, 1_782_000_000_000];
const FIRST_NUKI_ID: u32 = 0x0A1B_2C3D;
const HOUR: u64 = 3_600;
/// How a life is lived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) days: u64,
    /// The disk forgets what was not synced, and is never told to sync, whatever the store is set to.
    pub(crate) is_lazy: bool,
    /// Says what happens.
    pub(crate) is_loud: bool,
}

/// From one start of the gateway to its end.
pub(crate) struct Boot {
    pub(crate) machine: Arc<Machine>,
    pub(crate) front: Front,
    gateway: Gateway,
    workers: Workers,
    webhooks: Webhooks,
    store: Store,
    pub(crate) clients: JoinSet<()>,
    until: End,
    /// The disk is never told to sync.
    is_lazy: bool,
    watchdog: JoinHandle<()>,
    /// Notes which token was used when.
    uses: JoinHandle<()>,
}

/// A time in which nothing is wrong but a receiver.
#[derive(Debug)]
pub(crate) struct Calm {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// What happened before is read in it.
    pub(crate) is_behind: bool,
}

pub(crate) struct Life {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) clock: Clock,
    pub(crate) jump: &'static AtomicI64,
    host_clock: Clock,
    pub(crate) radio: SimRadio,
    pub(crate) doors: Vec<Door>,
    pub(crate) locks: Vec<PairedLock>,
    pub(crate) plug: Arc<Mutex<Plug>>,
    pub(crate) receivers: Arc<Mutex<Receivers>>,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    pub(crate) database: PathBuf,
    pub(crate) findings: Findings,
    secrets: Vec<WebhookSecret>,
    pub(crate) boot: Option<Boot>,
    /// Another program that holds the database.
    holder: Arc<Mutex<Option<Connection>>>,
    /// Loops for which systemd would have ended the gateway.
    pub(crate) silent: Arc<Mutex<BTreeSet<String>>>,
    pub(crate) overheard: Arc<Mutex<Vec<Overheard>>>,
    /// Strangers who were let in.
    pub(crate) let_in: Arc<Mutex<Vec<String>>>,
    pub(crate) boots: u32,
    files: TempDir,
    pub(crate) zone: i16,
    /// When nothing was wrong but a receiver.
    pub(crate) calm: Vec<Calm>,
    /// From when to when each call of the store took seconds.
    pub(crate) slow: Vec<Range<Duration>>,
    /// Something has just become well again that the gateway could not see past.
    pub(crate) is_behind: bool,
    /// Something goes wrong that may last beyond this scene.
    pub(crate) is_disturbed: bool,
}

impl Life {
    async fn begin(plan: Plan) -> Self {
        let mut dice = Dice::new(plan.seed);
        let start = UnixMillis(dice.pick(&STARTS));
        let jump: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(0)));
        let (clock, host_clock) = (Clock::virtual_from(start), Clock::virtual_with_jumps(start, jump));
        let radio = SimRadio::new(clock, SimSettings::default(), seed_of(&mut dice));
        let (mut doors, mut locks) = (Vec::new(), Vec::new());
        for number in 0..dice.between(1, 6) {
            let device = dice.pick(&[
                Device::SmartLock3,
                Device::SmartLock3,
                Device::SmartLock1,
                Device::SmartDoor,
                Device::Ultra,
                Device::Opener,
            ]);
            let nuki_id = FIRST_NUKI_ID + u32::try_from(number).unwrap();
            let config = config(device, nuki_id, &mut dice);
            let door = radio.add(config, seed_of(&mut dice));
            let lock = paired(&radio, clock, &door, device.bridge_role(), Some(device.pin())).await;
            doors.push(Door::new(door, lock.app_id, lock.auth_id));
            locks.push(lock);
        }
        // What a disk would keep is decided by the simulation; it need not be asked to sync.
        let memory = Path::new("/dev/shm");
        let files = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let database = files.path().join("life0.db");
        let store = Store::open(&database).await.unwrap().with_virtual_time();
        for host in ["good", "bad"] {
            store.add_callback(&format!("http://{host}.example/"), start).await.unwrap();
        }
        let mut secrets = Vec::new();
        for host in ["good", "bad"] {
            let webhook = NewWebhook { name: host.to_owned(), ..plain() };
            let AddWebhook::Added(id) = store.add_webhook(&webhook, start).await.unwrap() else { panic!("not added") };
            secrets.push(secret(id, &format!("https://{host}/t0ken")));
        }
        store.close().await;
        let mut life = Self {
            plan,
            dice,
            clock,
            jump,
            host_clock,
            radio,
            doors,
            locks,
            plug: Arc::default(),
            receivers: Arc::default(),
            requests: Arc::default(),
            database,
            findings: Findings::default(),
            secrets,
            boot: None,
            holder: Arc::default(),
            silent: Arc::default(),
            overheard: Arc::default(),
            let_in: Arc::default(),
            boots: 0,
            files,
            zone: 0,
            calm: Vec::new(),
            slow: Vec::new(),
            is_behind: false,
            is_disturbed: false,
        };
        life.start().await;
        life
    }

    pub(crate) fn say(&self, words: impl FnOnce() -> String) {
        if self.plan.is_loud {
            eprintln!("{} {}", self.clock.wall().rfc3339(), words());
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn hour(&self) -> i64 {
        self.clock.wall().seconds() / 3600 % 24
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.boot.is_some()
    }

    /// Starts the gateway on what is on the disk.
    pub(crate) async fn start(&mut self) {
        assert!(self.boot.is_none());
        // It would be refused, and started again until it is not.
        self.release_database();
        self.boots += 1;
        let boot = self.boots;
        self.say(|| format!("the gateway starts for the {boot}. time"));
        let machine = Machine::new(&self.database, Dice::new(self.dice.next()));
        let store = Store::open(&self.database).await.unwrap().with_virtual_time();
        let is_lazy = self.plan.is_lazy || !store.syncs_every_commit().await.unwrap();
        store.wait_for_nobody().await.unwrap();
        let store = store.with_simulated_disk(machine.clone());
        let waker = Waker::new();
        let seeds = Arc::new(Mutex::new(Dice::new(self.dice.next())));
        let seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync> = Arc::new(move || seed_of(&mut seeds.lock().unwrap()));
        let committed = waker.clone();
        let pulses = Pulses::default();
        let watchdog = watchdog(pulses.clone(), machine.clone(), Arc::clone(&self.silent));
        let tools = Tools {
            store: store.clone(),
            clock: self.host_clock,
            seed: seed.clone(),
            callback_body,
            repeat_window: Duration::from_secs(2).into(),
            committed: Arc::new(move || committed.wake()),
            diagnostics: keyturner::diagnostics::Diagnostics::default(),
            pulses: pulses.clone(),
            metrics: keyturner::metrics::Metrics::default(),
        };
        let transport = Arc::new(Adapter {
            radio: self.radio.clone(),
            machine: machine.clone(),
            plug: self.plug.clone(),
            turn: tokio::sync::Mutex::default(),
        });
        let net = Net { clock: self.clock, machine: machine.clone(), boot, receivers: Arc::clone(&self.receivers) };
        let gateway = Gateway::start(self.locks.clone(), transport, tools).await.unwrap();
        let (first, clients) = (self.doors[0].door.nuki_id(), self.requests.lock().unwrap().len());
        let (front, uses) = Front::open(&gateway, &store, self.host_clock, &waker, first, clients).await;
        let workers = keyturner::delivery::start(&store, &net, self.host_clock, &waker, &pulses);
        let secrets = self.secrets.clone();
        let told = webhook::Tools {
            store: store.clone(),
            clock: self.host_clock,
            post: net,
            secrets: Arc::new(move || Ok(secrets.clone())),
            entry_json,
            seed,
            // Nobody adds one, and every look is two calls of the store.
            look_every: Duration::from_secs(HOUR),
            pulses,
        };
        let webhooks = webhook::start(told, &waker);
        let (clients, until) = (JoinSet::new(), End::Kill);
        self.boot =
            Some(Boot { machine, front, gateway, workers, webhooks, store, clients, until, is_lazy, watchdog, uses });
    }

    /// The machine will stop after so many steps, wherever it is then; with `None` it will not.
    pub(crate) fn stop_after(&mut self, steps: Option<u64>, end: End) {
        if let Some(boot) = &mut self.boot {
            boot.machine.stop_after(steps);
            boot.until = end;
        }
    }

    /// From now on each call of the store takes up to so long.
    pub(crate) fn set_slow(&mut self, slow: Duration) {
        let now = self.now();
        match self.slow.last_mut().filter(|_| slow.is_zero()) {
            Some(before) => before.end = now,
            None => self.slow.push(now..Duration::MAX),
        }
        if let Some(boot) = &self.boot {
            boot.machine.set_slow(slow);
        }
    }

    /// Another program begins to write, this much later, and does not end, or after some time.
    pub(crate) fn hold_database(&self, later: Duration, time: Option<Duration>) {
        let Some(boot) = &self.boot else { return };
        let (machine, database, holder) = (boot.machine.clone(), self.database.clone(), Arc::clone(&self.holder));
        tokio::spawn(async move {
            tokio::time::sleep(later).await;
            let turn = machine.turn().await;
            if machine.is_dead() {
                return;
            }
            let connection = Connection::open(&database).unwrap();
            connection.execute_batch("begin immediate").unwrap();
            *holder.lock().unwrap() = Some(connection);
            drop(turn);
            if let Some(time) = time {
                tokio::time::sleep(time).await;
                drop(holder.lock().unwrap().take());
            }
        });
    }

    pub(crate) fn release_database(&self) {
        drop(self.holder.lock().unwrap().take());
    }

    /// What happens when the machine has stopped: whatever was under way is gone, the file is what it was.
    pub(crate) async fn bury(&mut self) {
        let Some(boot) = self.boot.take() else { return };
        let Boot { machine, gateway, workers, webhooks, store, mut clients, until, is_lazy, watchdog, uses, .. } = boot;
        if !machine.is_dead() {
            machine.stop();
        }
        watchdog.abort();
        uses.abort();
        self.release_database();
        let steps = machine.steps();
        let next = self.files.path().join(format!("life{}.db", self.boots));
        machine.remains(until, is_lazy, &next).await;
        self.say(|| format!("the machine has stopped after {steps} steps: {until:?}"));
        clients.shutdown().await;
        // Dropped where they stand: nothing that they would still do reaches disk or air.
        drop(gateway);
        drop(workers);
        webhooks.stop().await;
        drop(store);
        for door in &self.doors {
            door.door.drop_links();
        }
        self.findings.compare_remains(&self.database, &next, &self.receivers.lock().unwrap());
        std::fs::remove_file(&self.database).unwrap();
        self.database = next;
    }

    /// Ends the gateway in order.
    pub(crate) async fn stop(&mut self) {
        let Some(boot) = self.boot.take() else { return };
        let Boot { machine, front, gateway, workers, webhooks, store, mut clients, watchdog, uses, .. } = boot;
        watchdog.abort();
        uses.abort();
        if machine.is_dead() {
            return;
        }
        // A machine that stopped now would never say that the gateway has ended.
        machine.stop_after(None);
        gateway.stop().await;
        workers.stop().await;
        webhooks.stop().await;
        clients.shutdown().await;
        front.close(&store).await;
        store.close().await;
        self.say(|| "the gateway was stopped".to_owned());
    }

    /// Time passes. If the machine stops meanwhile, it stays so for a while and is started again.
    pub(crate) async fn wait(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return;
            }
            let step = left.min(Duration::from_secs(1_200));
            let is_dead = match &self.boot {
                Some(boot) => tokio::time::timeout(step, boot.machine.until_dead()).await.is_ok(),
                None => {
                    tokio::time::sleep(step).await;
                    false
                }
            };
            self.look();
            if is_dead {
                self.revive().await;
            }
        }
    }

    /// Starts a machine again that has stopped.
    pub(crate) async fn revive(&mut self) {
        if self.boot.as_ref().is_some_and(|boot| boot.machine.is_dead()) {
            self.bury().await;
            let away = self.dice.pick(&[1, 5, 60, 1_800]);
            tokio::time::sleep(Duration::from_secs(away)).await;
            self.look();
            self.start().await;
        }
    }

    pub(crate) fn look(&mut self) {
        for door in &mut self.doors {
            door.look(&self.database);
        }
    }

    /// People are about: the locks are heard often.
    pub(crate) fn wake(&self) {
        self.radio.configure(|air| air.advertising_interval = Duration::from_millis(500));
    }

    pub(crate) fn sleep(&self) {
        self.radio.configure(|air| air.advertising_interval = Duration::from_secs(60));
    }

    pub(crate) async fn set_pin(&mut self, door: usize, pin: Pin) {
        self.locks[door].pin = Some(pin);
        // As `keyturner pin` does, from a process of its own. It is refused while another one writes.
        self.release_database();
        let store = Store::open(&self.database).await.unwrap().with_virtual_time();
        store.forget_pin_tries(self.locks[door].nuki_id).await.unwrap();
        store.close().await;
        let Some(boot) = &self.boot else { return };
        let handed_over = async {
            // One that begins anew refuses it; the daemon's next look hands it over again.
            while boot.gateway.handle.set_pin(self.locks[door].nuki_id, Some(pin)).await.is_err() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        // A machine that stops meanwhile answers nobody; it reads the PIN at its next start.
        tokio::select! {
            () = handed_over => {}
            () = boot.machine.until_dead() => {}
        }
    }

    /// Whether everything that happened is stored and told.
    fn is_settled(&self) -> bool {
        if self.boot.as_ref().is_none_or(|boot| !boot.clients.is_empty() && boot.machine.is_dead()) {
            return false;
        }
        let waiting = "select event_id from webhook_deliveries where state = 'waiting' limit 1";
        column::<i64>(&self.database, waiting, []).is_empty()
            && self.doors.iter().all(|door| {
                let wanted = door.entries.iter().filter(|entry| entry.excuse.is_none()).count();
                super::door::stored(&self.database, door.door.nuki_id()).len() >= wanted
            })
    }

    async fn end(&mut self) {
        self.wake();
        // A few hours, and longer than any lock waits before it locks by itself.
        let mut calm = 0;
        for _ in 0..60 {
            self.wait(Duration::from_secs(180)).await;
            calm = if self.is_settled() { calm + 1 } else { 0 };
            if calm > 2 {
                break;
            }
        }
        self.look();
        self.stop().await;
        check(self).await;
    }
}

/// systemd's: it asks twice a minute whether a loop hangs.
fn watchdog(pulses: Pulses, machine: Arc<Machine>, silent: Arc<Mutex<BTreeSet<String>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !machine.is_dead() {
            if let Some(loop_) = pulses.silent() {
                silent.lock().unwrap().insert(loop_.name);
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    })
}

fn config(device: Device, nuki_id: u32, dice: &mut Dice) -> SimLockConfig {
    let family = SimLockConfig::family_of(device, nuki_id);
    let mut users = family.users.clone();
    users.push(UserConfig::new("Emil's phone", IdType::App));
    users.push(UserConfig::new("Finn's phone", IdType::App));
    SimLockConfig {
        users,
        auto_lock: (device != Device::Opener && dice.chance(50)).then(|| Duration::from_secs(dice.pick(&[60, 300]))),
        motor_time: Duration::from_millis(dice.between(600, 3_000)),
        log_capacity: usize::try_from(dice.pick(&[1_000, 1_000, 1_000, 25])).unwrap(),
        log_start: dice.pick(&[1, 1, 1_000, u32::MAX - 100_000]),
        ..family
    }
}

pub(crate) fn seed_of(dice: &mut Dice) -> [u8; 32] {
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        part.copy_from_slice(&dice.next().to_le_bytes());
    }
    seed
}

/// Lives it, and gives what was found.
pub(crate) async fn live(plan: Plan) -> Findings {
    let mut life = Life::begin(plan).await;
    let mut troubles = Troubles::default();
    life.sleep();
    life.wait(Duration::from_secs(300)).await;
    let end = Duration::from_secs(plan.days * 24 * HOUR);
    while life.now() < end {
        // Hardly anybody comes at night.
        let pause = if (0..5).contains(&life.hour()) { (4 * HOUR, 6 * HOUR) } else { (HOUR / 2, 5 * HOUR) };
        let pause = Duration::from_secs(life.dice.between(pause.0, pause.1));
        life.wait(pause).await;
        troubles.change(&mut life).await;
        life.wake();
        // The pause before the next beacon has begun long ago.
        life.wait(Duration::from_secs(61)).await;
        let (began, boots) = (life.now(), life.boots);
        let was_disturbed = std::mem::take(&mut life.is_disturbed);
        let is_behind = std::mem::take(&mut life.is_behind);
        life.scene().await;
        // As long as lock 'n' go may take to be looked at.
        life.wait(Duration::from_secs(70)).await;
        let is_well = life.boot.as_ref().is_some_and(|boot| !boot.machine.is_doomed());
        if is_well && boots == life.boots && troubles.is_calm() && !was_disturbed && !life.is_disturbed {
            life.calm.push(Calm { from: began, until: life.now(), is_behind });
        }
        life.ask_again();
        life.wait(Duration::from_secs(15)).await;
        life.sleep();
    }
    troubles.end(&mut life).await;
    life.end().await;
    std::mem::take(&mut life.findings)
}
