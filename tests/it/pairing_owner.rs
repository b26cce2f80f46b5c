//! Locks in the hands of their owner, over a simulated radio: found, paired, paired anew, looked at, let go, with the link
//! broken at every step. Nothing is sent twice, nobody else's authorization is touched, and no wrong PIN is repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::gateway::PairedLock;
use keyturner::gateway::new_row;
use keyturner::gateway::pair::{Bystander, Candidate, PairError, find, listen};
use keyturner::pairing::{Known, Owner, Parting, PinCheck, Tries, Wish, forget, keep};
use keyturner::protocol::beacon::{Family, PairingMode};
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{ErrorCode, IdType};
use keyturner::secrets::{LockSecret, Place, Secrets};
use keyturner::session::pairing::PairingError;
use keyturner::simlock::{self, Device, Fault, SimLockConfig};
use keyturner::store::Store;
use keyturner::transport::sim::{DropAt, SimDoor, SimRadio, SimSettings};
use tempfile::TempDir;

const NUKI_ID: u32 = 0x1A2B_3C4D;
const OTHER: u32 = 0x2B3C_4D5E;
const APP_ID: u32 = 0x4B54_0001;
const START: UnixMillis = UnixMillis(1_795_442_400_000);

struct Bench {
    radio: SimRadio,
    door: SimDoor,
    owner: Owner,
    store: Store,
    _dir: TempDir,
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Bench {
    async fn of(device: Device) -> Self {
        Self::with(SimLockConfig::family_of(device, NUKI_ID)).await
    }

    async fn with(config: SimLockConfig) -> Self {
        let clock = Clock::virtual_from(START);
        let radio = SimRadio::new(clock, SimSettings::default(), [1; 32]);
        let door = radio.add(config, [2; 32]);
        let count = AtomicU8::new(10);
        let seed = Arc::new(move || [count.fetch_add(1, Ordering::Relaxed); 32]);
        let owner = Owner { transport: Arc::new(radio.clone()), clock, seed };
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap().with_virtual_time();
        Self { radio, door, owner, store, _dir: dir }
    }

    async fn candidate(&self) -> Candidate {
        self.door.pairing_mode(true);
        find(&self.radio, Some(NUKI_ID), s(10)).await.unwrap()
    }

    async fn enrol(&self, pin: Option<Pin>, app_id: u32) -> Result<LockSecret, PairError> {
        let candidate = self.candidate().await;
        let id_type = self.door.inspect(|lock| lock.device().bridge_role());
        let wish = Wish { id_type, app_id, name: "Keyturner".to_owned(), pin };
        self.owner.enrol(&candidate, wish).await
    }

    async fn paired(&self) -> LockSecret {
        let pin = self.door.inspect(|lock| lock.device().pin());
        self.enrol(Some(pin), APP_ID).await.unwrap()
    }

    async fn tries(&self, lock: &LockSecret) -> Tries {
        let LockSecret { nuki_id, address, name, auth_id, shared_key, pin, generation, id_type, .. } = lock.clone();
        let paired =
            PairedLock { nuki_id, address, name, generation, auth_id, id_type, key: shared_key, app_id: APP_ID, pin };
        self.store.register_lock(&new_row(&paired, START)).await.unwrap();
        Tries::read(&self.store, NUKI_ID).await.unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.door.inspect(|lock| lock.users().iter().map(|user| user.entry.name.clone()).collect())
    }

    fn refusals(&self) -> u32 {
        self.door.inspect(|lock| lock.pin_refusals())
    }
}

/// Takes back what was planned and has not come.
const NEVER: DropAt = DropAt::BeforeWrite(u32::MAX);

fn drops(writes: u32, indications: u32) -> Vec<DropAt> {
    let writes = (1..=writes).flat_map(|n| [DropAt::BeforeWrite(n), DropAt::AfterWrites(n)]);
    writes.chain((1..=indications).map(DropAt::AfterIndications)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_decides_what_its_owner_is_told() {
    let bench = Bench::of(Device::SmartLock3).await;
    let look = async |wanted| listen(&bench.radio, wanted, s(5), s(3), |_| {}).await;
    let front = Bystander { nuki_id: NUKI_ID, family: Family::Lock, rssi: Some(-62) };
    assert_eq!(look(None).await, Err(PairError::NobodyWaits(vec![front])));
    assert_eq!(look(Some(NUKI_ID)).await, Err(PairError::NotInPairingMode(NUKI_ID)));
    assert_eq!(look(Some(7)).await, Err(PairError::NotThere { wanted: 7, waiting: vec![] }));
    bench.door.set_in_range(false);
    assert_eq!(look(None).await, Err(PairError::NobodyThere));
    bench.door.set_in_range(true);
    bench.door.pairing_mode(true);
    assert_eq!(look(Some(7)).await, Err(PairError::NotThere { wanted: 7, waiting: vec![NUKI_ID] }));
    assert_eq!(look(None).await.unwrap().len(), 1);

    let opener = bench.radio.add(SimLockConfig::family_of(Device::Opener, OTHER), [3; 32]);
    opener.pairing_mode(true);
    let mut told = Vec::new();
    let found = listen(&bench.radio, None, s(5), s(3), |candidate| told.push(candidate.nuki_id)).await.unwrap();
    let mut modes: Vec<_> = found.iter().map(|candidate| (candidate.nuki_id, candidate.mode)).collect();
    modes.sort_unstable_by_key(|(nuki_id, _)| *nuki_id);
    assert_eq!(modes, [(NUKI_ID, PairingMode::Lock), (OTHER, PairingMode::Opener)]);
    assert_eq!(told.len(), 2, "each is told once");
    assert_eq!(look(Some(OTHER)).await.unwrap()[0].name(), "Nuki_Opener_2B3C4D5E");

    // A crowd that was heard before hides nobody who is looked for.
    let crowd: Vec<_> = (0..40).map(|n| bench.radio.add(SimLockConfig::family(100 + n), [4; 32])).collect();
    crowd.iter().for_each(|door| door.pairing_mode(true));
    bench.door.pairing_mode(false);
    let door = bench.door.clone();
    tokio::spawn(async move {
        tokio::time::sleep(s(2)).await;
        door.pairing_mode(true);
    });
    assert_eq!(look(Some(NUKI_ID)).await.unwrap()[0].nuki_id, NUKI_ID);
    bench.door.pairing_mode(false);
    assert_eq!(look(Some(NUKI_ID)).await, Err(PairError::NotInPairingMode(NUKI_ID)));

    let radio = bench.radio.clone();
    tokio::spawn(async move {
        tokio::time::sleep(s(1)).await;
        radio.end_scans();
    });
    assert_eq!(look(Some(7)).await, Err(PairError::Deaf));
}

#[tokio::test(start_paused = true)]
async fn after_pairing_the_first_look_says_name_pin_and_log() {
    for device in Device::ALL {
        let bench = Bench::of(device).await;
        let lock = bench.paired().await;
        let tries = bench.tries(&lock).await;
        let look = bench.owner.look(&lock, Ok(tries)).await;
        assert!(look.name.is_some_and(|name| !name.is_empty()), "{device:?}");
        assert_eq!((look.pin, look.is_logging), (PinCheck::Right, Some(true)), "{device:?}");
        assert!(bench.store.lock_health(NUKI_ID).await.unwrap().pin_tries.is_proven, "{device:?}");
        bench.door.input(simlock::Input::Owner(simlock::Owner::Logging(false)));
        let tries = bench.tries(&lock).await;
        assert_eq!(bench.owner.look(&lock, Ok(tries)).await.is_logging, Some(false), "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pin_is_told_at_once_and_not_sent_again() {
    let bench = Bench::of(Device::SmartLock3).await;
    let lock = bench.enrol(Some(Pin::new(4321)), APP_ID).await.unwrap();
    let tries = bench.tries(&lock).await;
    assert_eq!(bench.owner.look(&lock, Ok(tries)).await.pin, PinCheck::Wrong);
    let tries = bench.store.lock_health(NUKI_ID).await.unwrap().pin_tries;
    assert_eq!((tries.refused, tries.is_proven), (1, false), "the gateway counts on from here");
    for _ in 0..5 {
        let tries = bench.tries(&lock).await;
        let PinCheck::Unchecked(why) = bench.owner.look(&lock, Ok(tries)).await.pin else { panic!("it was sent") };
        assert!(why.contains("keyturner pin"), "{why}");
        let mut tries = bench.tries(&lock).await;
        assert!(matches!(bench.owner.part(&lock, &mut tries).await, Parting::NotAsked(_)));
    }
    assert_eq!(bench.refusals(), 1);
    assert_eq!(bench.owner.is_known(&lock).await, Known::Yes, "the pairing stands");

    // The owner sets another one, and then another: three wrong ones and the lock takes none for a while.
    for (pin, told) in [(1111, PinCheck::Wrong), (2222, PinCheck::Wrong), (1234, PinCheck::Banned)] {
        Tries::begin_anew(&bench.store, NUKI_ID).await.unwrap();
        let lock = LockSecret { pin: Some(Pin::new(pin)), ..lock.clone() };
        let tries = Tries::read(&bench.store, NUKI_ID).await.unwrap();
        assert_eq!(bench.owner.look(&lock, Ok(tries)).await.pin, told, "{pin}");
    }
    assert!(
        bench.store.lock_health(NUKI_ID).await.unwrap().pin_tries.is_over(),
        "nothing is sent before the owner acts"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_counts_its_try_and_loses_nothing() {
    for drop in drops(5, 6) {
        let bench = Bench::of(Device::SmartLock3).await;
        let lock = bench.paired().await;
        bench.door.drop_at(drop);
        let tries = bench.tries(&lock).await;
        let look = bench.owner.look(&lock, Ok(tries)).await;
        bench.door.drop_at(NEVER);
        let tries = bench.store.lock_health(NUKI_ID).await.unwrap().pin_tries;
        assert!(tries.is_proven == (look.pin == PinCheck::Right), "{drop:?}: {look:?}, {tries:?}");
        assert!(tries.unanswered <= 1 && tries.refused == 0, "{drop:?}: {tries:?}");
        assert_eq!(bench.owner.is_known(&lock).await, Known::Yes, "{drop:?}");
    }
    let bench = Bench::of(Device::SmartLock3).await;
    let lock = bench.paired().await;
    bench.door.set_in_range(false);
    let tries = bench.tries(&lock).await;
    let look = bench.owner.look(&lock, Ok(tries)).await;
    assert!(matches!(&look.pin, PinCheck::Unchecked(why) if why.contains("within reach")), "{look:?}");
    let look = bench.owner.look(&lock, Err("the event log is full".to_owned())).await;
    assert!(matches!(look.pin, PinCheck::Unchecked(_)), "a try that cannot be counted is not made: {look:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pairing_that_breaks_at_any_step_is_told_as_it_is() {
    for device in Device::ALL {
        for drop in drops(5, 8) {
            let bench = Bench::of(device).await;
            let others = bench.names();
            let before = bench.paired().await;
            bench.candidate().await;
            bench.door.drop_at(drop);
            let what = format!("{device:?}, {drop:?}");
            let enrolled = bench.enrol(before.pin, APP_ID).await;
            bench.door.drop_at(NEVER);
            match enrolled {
                Ok(lock) => {
                    assert_eq!(bench.owner.is_known(&lock).await, Known::Yes, "{what}: a key that opens nothing");
                    assert_eq!(bench.owner.is_known(&before).await, Known::No, "{what}: the same client has one");
                }
                Err(error) => {
                    assert!(
                        !matches!(error, PairError::Unconfirmed { .. }),
                        "{what}: the lock is in reach, so it can be asked: {error}"
                    );
                    // Where the lock has let the key of before go, it is still in pairing mode.
                    let again = bench.enrol(before.pin, APP_ID).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(bench.owner.is_known(&again).await, Known::Yes, "{what}");
                }
            }
            let mut wanted = others.clone();
            wanted.push("Keyturner".to_owned());
            assert_eq!(bench.names(), wanted, "{what}: one authorization of ours, and everybody else's");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_before_the_lock_knows_who_asks_is_made_anew() {
    for device in Device::ALL {
        // Who asks is the fourth thing that is written, in answer to the third that is indicated.
        for drop in drops(3, 2) {
            let bench = Bench::of(device).await;
            let wanted = [bench.names(), vec!["Keyturner".to_owned()]].concat();
            bench.door.drop_at(drop);
            let lock = bench.paired().await;
            assert_eq!(bench.owner.is_known(&lock).await, Known::Yes, "{device:?}, {drop:?}");
            assert_eq!(bench.names(), wanted, "{device:?}, {drop:?}");
        }
    }
    let bench = Bench::of(Device::SmartLock3).await;
    let candidate = bench.candidate().await;
    bench.door.set_in_range(false);
    let door = bench.door.clone();
    tokio::spawn(async move {
        tokio::time::sleep(s(20)).await;
        door.set_in_range(true);
    });
    let wish = Wish { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned(), pin: None };
    assert!(bench.owner.enrol(&candidate, wish).await.is_ok(), "somebody went past with a steel door");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pin_is_sent_once_wherever_the_link_breaks() {
    let mut refusals = Vec::new();
    for drop in drops(5, 8) {
        let bench = Bench::of(Device::Ultra).await;
        bench.door.drop_at(drop);
        let enrolled = bench.enrol(Some(Pin::new(654_321)), APP_ID).await;
        assert!(enrolled.is_err(), "{drop:?}");
        assert!(bench.refusals() <= 1, "{drop:?}");
        refusals.push(bench.refusals());
    }
    assert!(refusals.contains(&0) && refusals.contains(&1), "{refusals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_last_answer_that_is_lost_is_asked_for_with_the_new_key() {
    let bench = Bench::of(Device::SmartLock3).await;
    let before = bench.paired().await;
    let candidate = bench.candidate().await;
    // The confirmation arrives, and nothing comes back.
    bench.door.drop_after_writes(5);
    let wish = Wish { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned(), pin: before.pin };
    let lock = bench.owner.enrol(&candidate, wish).await.expect("the lock knows the new key, and says so");
    assert_ne!(lock.auth_id, before.auth_id);
    assert_eq!(bench.owner.is_known(&lock).await, Known::Yes);
}

#[tokio::test(start_paused = true)]
async fn refusals_come_through_as_they_are() {
    let bench = Bench::of(Device::SmartLock3).await;
    let candidate = bench.candidate().await;
    bench.door.pairing_mode(false);
    let wish = Wish { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned(), pin: None };
    let refused = |code| Err(PairError::Pairing(PairingError::Refused(code)));
    assert_eq!(bench.owner.enrol(&candidate, wish).await, refused(ErrorCode::NotPairing));

    let bench = Bench::of(Device::Ultra).await;
    let without = bench.enrol(None, APP_ID).await;
    assert_eq!(without, Err(PairError::Pairing(PairingError::PinNeeded)));
    assert_eq!(bench.door.inspect(simlock::SimLock::link_count), 0, "it was not even begun");
    assert_eq!(bench.enrol(Some(Pin::new(654_321)), APP_ID).await, refused(ErrorCode::BadPin));
    assert_eq!(bench.refusals(), 1, "and not tried again");

    let full = SimLockConfig { max_users: 3, ..SimLockConfig::family(NUKI_ID) };
    assert_eq!(Bench::with(full).await.enrol(None, APP_ID).await, refused(ErrorCode::MaxUser));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_let_go_forgets_us_and_nobody_else() {
    for device in Device::ALL {
        let bench = Bench::of(device).await;
        let others = bench.names();
        let lock = bench.paired().await;
        let mut tries = bench.tries(&lock).await;
        assert_eq!(bench.owner.part(&lock, &mut tries).await, Parting::Forgotten, "{device:?}");
        assert_eq!(bench.names(), others, "{device:?}");
        assert_eq!(bench.owner.part(&lock, &mut tries).await, Parting::NotKnown, "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parting_whose_answer_is_lost_is_found_out_and_never_sent_twice() {
    for drop in drops(2, 2) {
        let bench = Bench::of(Device::SmartLock3).await;
        let others = bench.names();
        let lock = bench.paired().await;
        let mut tries = bench.tries(&lock).await;
        bench.door.drop_at(drop);
        let parting = bench.owner.part(&lock, &mut tries).await;
        bench.door.drop_at(NEVER);
        let is_known = bench.names() != others;
        match parting {
            Parting::Forgotten => assert!(!is_known, "{drop:?}"),
            Parting::NotAsked(_) | Parting::NotDone => assert!(is_known, "{drop:?}"),
            other => panic!("{drop:?}: {other:?}"),
        }
    }
    let bench = Bench::of(Device::SmartLock3).await;
    let lock = bench.paired().await;
    let mut tries = bench.tries(&lock).await;
    // The challenge comes; what follows is carried out in silence.
    bench.door.fault(Fault::IgnoreNextWrite);
    let parting = bench.owner.part(&lock, &mut tries).await;
    assert!(matches!(parting, Parting::NotAsked(_)), "the challenge was not answered, so nothing left: {parting:?}");
    bench.door.set_in_range(false);
    assert!(matches!(bench.owner.part(&lock, &mut tries).await, Parting::NotAsked(why) if why.contains("reach")));
}

#[tokio::test(start_paused = true)]
async fn a_number_that_went_to_somebody_else_is_not_removed() {
    let bench = Bench::of(Device::SmartLock3).await;
    let lock = bench.paired().await;
    let mut tries = bench.tries(&lock).await;
    bench.door.input(simlock::Input::Owner(simlock::Owner::ReplaceUser(lock.auth_id, "Zoe".to_owned())));
    let people = bench.names();
    assert!(people.contains(&"Zoe".to_owned()));
    assert_eq!(bench.owner.part(&lock, &mut tries).await, Parting::NotKnown);
    assert_eq!(bench.names(), people, "Zoe keeps her number");
}

#[tokio::test(start_paused = true)]
async fn the_authorization_of_before_is_removed_where_the_lock_keeps_both() {
    let bench = Bench::of(Device::Ultra).await;
    let others = bench.names();
    let pin = Some(Device::Ultra.pin());
    // Another installation's number, as after a loss of the secrets: to the lock it is another client.
    let before = bench.enrol(pin, 77).await.unwrap();
    let lock = bench.enrol(pin, APP_ID).await.unwrap();
    assert_eq!(bench.names().len(), others.len() + 2);
    let mut tries = bench.tries(&lock).await;
    assert_eq!(bench.owner.part(&before, &mut tries).await, Parting::Forgotten);
    assert_eq!(bench.names().len(), others.len() + 1);
    assert_eq!(bench.owner.is_known(&lock).await, Known::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_kept_and_forgotten_beside_what_others_write() {
    let bench = Bench::of(Device::SmartLock3).await;
    let lock = bench.paired().await;
    let dir = TempDir::new().unwrap();
    let place = Place::from(dir.path());
    // Read before, so what it writes later is from an older time.
    let mut other = Secrets::load_or_create(dir.path()).unwrap();
    keep(&place, &lock).unwrap();
    other.put_lock(LockSecret { nuki_id: OTHER, ..lock.clone() });
    assert!(other.save().is_err(), "the key that was kept meanwhile is not lost");
    keep(&place, &LockSecret { nuki_id: OTHER, ..lock.clone() }).unwrap();
    let anew = LockSecret { auth_id: lock.auth_id + 1, ..lock.clone() };
    keep(&place, &anew).unwrap();
    let locks = |dir: &TempDir| Secrets::load(dir.path()).unwrap().unwrap().locks().to_vec();
    assert_eq!(locks(&dir), [anew, LockSecret { nuki_id: OTHER, ..lock.clone() }]);
    forget(&place, NUKI_ID).unwrap();
    forget(&place, NUKI_ID).unwrap();
    assert_eq!(locks(&dir), [LockSecret { nuki_id: OTHER, ..lock }]);
}
