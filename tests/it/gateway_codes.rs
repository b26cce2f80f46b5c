//! Keypad codes through the whole gateway: once each, whatever is repeated, killed or lost; their digits stay nowhere.

use std::time::Duration;

use keyturner::gateway::{Asker, CodeChange, GatewayError};
use keyturner::protocol::users::CodeDigits;
use keyturner::protocol::{ErrorCode, IdType};
use keyturner::simlock::{Fault, SimLockConfig};
use keyturner::store::{CODE_CHANGES_LIMIT, IdempotencyKey, UserKind};
use keyturner::transport::sim::DropAt;
use tracing::level_filters::LevelFilter;

use crate::store::run;
use crate::support::house::{BACK_DOOR, House, NUKI_ID, Plan};
use crate::support::journal::Journal;

const NEW: u32 = 968_574;
const OTHER: u32 = 475_869;

type Answer = Result<Option<u16>, GatewayError>;
type Asked = tokio::task::JoinHandle<Answer>;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn add(name: &str, digits: u32) -> CodeChange {
    let digits = CodeDigits::new(digits).unwrap().into();
    CodeChange::Add { name: name.to_owned(), digits, time_limit: None }
}

fn ask(house: &House, change: CodeChange, client: &'static str, key: Option<&str>) -> Asked {
    let (handle, key) = (house.handle(), key.map(|key| IdempotencyKey::of(key.as_bytes())));
    tokio::spawn(async move { handle.change_code(NUKI_ID, change, Asker { name: client, key }).await })
}

async fn keyed(house: &House, change: CodeChange, key: &str) -> Answer {
    ask(house, change, "hall", Some(key)).await.unwrap()
}

/// How many codes of this name the lock has.
fn named(house: &House, name: &str) -> usize {
    house.door.inspect(|lock| lock.keypad_codes().iter().filter(|code| code.entry.name == name).count())
}

/// The codes that the database has as current.
async fn stored(house: &House) -> Vec<(u16, String)> {
    let rows = house.store.users(Some(NUKI_ID)).await.unwrap();
    let code = |row: keyturner::store::UserRow| match row.kind {
        UserKind::KeypadCode { code_id } if row.valid_until.is_none() => Some((code_id, row.name)),
        _ => None,
    };
    rows.into_iter().filter_map(code).collect()
}

/// The states of all changes that were asked for, oldest first.
async fn states(house: &House) -> Vec<String> {
    let mut owner = crate::store::connect(&house.database()).await;
    sqlx::query_scalar("select state from code_changes order by id").fetch_all(&mut owner).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_under_the_same_key_is_answered_as_before_and_done_once() {
    let house = House::new().await;
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Ok(Some(3)));
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Ok(Some(3)), "not: it exists already");
    assert_eq!(keyed(&house, CodeChange::Remove(3), "r").await, Ok(None));
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Ok(Some(3)), "and it is not added again");
    assert_eq!(named(&house, "Cleaner"), 0);
    assert_eq!(keyed(&house, CodeChange::Remove(3), "r").await, Ok(None));
    // A refusal is an answer too.
    let twin = Err(GatewayError::Refused(ErrorCode::CodeAlreadyExists));
    assert_eq!(keyed(&house, add("Twin", crate::support::house::ANNA), "t").await, twin);
    assert_eq!(keyed(&house, CodeChange::Remove(1), "a").await, Ok(None));
    assert_eq!(keyed(&house, add("Twin", crate::support::house::ANNA), "t").await, twin);
    assert_eq!(named(&house, "Twin"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_under_the_same_key_at_the_same_time_is_one_change() {
    let house = House::new().await;
    let asked: Vec<Asked> = (0..20).map(|_| ask(&house, add("Cleaner", NEW), "hall", Some("k"))).collect();
    for one in asked {
        assert_eq!(one.await.unwrap(), Ok(Some(3)));
    }
    assert_eq!((named(&house, "Cleaner"), states(&house).await), (1, vec!["done".to_owned()]));
    // Without a key, or under another one, it is another change, which waits for nobody.
    let both = [ask(&house, CodeChange::Remove(3), "hall", None), ask(&house, CodeChange::Remove(3), "hall", None)];
    let mut answers = Vec::new();
    for one in both {
        answers.push(one.await.unwrap());
    }
    assert_eq!(answers, [Ok(None), Err(GatewayError::CodeBusy)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_change_of_one_client_at_one_lock() {
    let mut house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Ok(Some(3)));
    let off = CodeChange::Update { code_id: 3, name: None, digits: None, enabled: Some(false), time_limit: None };
    for other in [add("Gardener", NEW), CodeChange::Remove(3), off.clone()] {
        assert_eq!(keyed(&house, other, "k").await, Err(GatewayError::KeyUsed));
    }
    let asker = Asker { name: "hall", key: Some(IdempotencyKey::of(b"k")) };
    let elsewhere = house.handle().change_code(BACK_DOOR, add("Cleaner", NEW), asker).await;
    assert_eq!(elsewhere, Err(GatewayError::KeyUsed));
    assert_eq!(ask(&house, off.clone(), "desk", Some("k")).await.unwrap(), Ok(None), "another client's key is another");
    let on = CodeChange::Update { code_id: 3, name: None, digits: None, enabled: Some(true), time_limit: None };
    assert_eq!(keyed(&house, on, "on").await, Ok(None));
    assert_eq!(ask(&house, off, "desk", Some("k")).await.unwrap(), Ok(None));
    let is_on = house.door.inspect(|lock| lock.keypad_codes().last().unwrap().entry.enabled);
    assert!(is_on, "what was asked before is not done again over what was changed since");
    // A day of a house that runs takes a minute to play.
    house.stop().await;
    tokio::time::sleep(s(24 * 3600)).await;
    house.start().await;
    assert_eq!(keyed(&house, CodeChange::Remove(3), "k").await, Ok(None), "a day later it is another key");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_killed_in_the_middle_adds_no_code_twice_and_says_what_it_does_not_know() {
    for millis in (0..1_600).step_by(100) {
        let mut house = House::new().await;
        let asked = ask(&house, add("Cleaner", NEW), "hall", Some("k"));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        house.kill().await;
        asked.await.unwrap().ok();
        let before = named(&house, "Cleaner");
        house.start().await;
        let again = keyed(&house, add("Cleaner", NEW), "k").await;
        tokio::time::sleep(s(30)).await;
        match &again {
            // Its end was on disk, or it had not begun.
            Ok(id) => assert_eq!((named(&house, "Cleaner"), *id), (1, Some(3)), "{millis} ms"),
            Err(GatewayError::Uncertain) => assert_eq!(named(&house, "Cleaner"), before, "{millis} ms"),
            Err(other) => panic!("{millis} ms: {other:?}"),
        }
        assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, again, "{millis} ms: and it stays so");
        assert!(named(&house, "Cleaner") <= 1, "{millis} ms");
        assert!(!states(&house).await.contains(&"open".to_owned()), "{millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_unknown_and_the_list_that_is_read_at_once_tells() {
    let house = House::new().await;
    house.door.drop_at(DropAt::AfterWrites(2));
    let before = house.clock.wall();
    let answer = keyed(&house, add("Cleaner", NEW), "k").await;
    assert_eq!(answer, Err(GatewayError::Uncertain));
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Err(GatewayError::Uncertain));
    tokio::time::sleep(s(30)).await;
    assert_eq!(named(&house, "Cleaner"), 1, "this time it was done");
    assert!(stored(&house).await.contains(&(3, "Cleaner".to_owned())));
    assert!(house.handle().health(NUKI_ID).unwrap().codes_read.unwrap() > before);
}

#[tokio::test(start_paused = true)]
async fn every_change_shows_in_the_list_within_seconds_however_many_there_are() {
    let house = House::new().await;
    house.door.fault(Fault::FrozenCounter(true));
    for n in 0..6 {
        let name = format!("Guest {n}");
        let digits = [111_111, 222_222, 333_333, 444_444, 555_555, 666_666][n];
        let id = keyed(&house, add(&name, digits), &name).await.unwrap().unwrap();
        house.quiet().await;
        assert!(stored(&house).await.contains(&(id, name)), "{n}");
    }
    assert_eq!(keyed(&house, CodeChange::Remove(1), "r").await, Ok(None));
    house.quiet().await;
    assert!(stored(&house).await.iter().all(|(id, _)| *id != 1));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_left_frees_its_key() {
    let house = House::new().await;
    house.door.set_in_range(false);
    let never = keyed(&house, add("Cleaner", NEW), "k").await;
    assert!(matches!(never, Err(GatewayError::Unreachable(_))), "{never:?}");
    house.door.set_in_range(true);
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Ok(Some(3)));
    assert_eq!(states(&house).await, ["not_sent", "done"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_tries_out_digits_by_adding_them_is_stopped_over_restarts_too() {
    let mut house = House::new().await;
    let most = usize::try_from(CODE_CHANGES_LIMIT).unwrap();
    for n in 0..most {
        // Somebody's already: that is what a guesser wants to hear.
        let answer = ask(&house, add("Guess", crate::support::house::ANNA), "hall", None).await.unwrap();
        assert_eq!(answer, Err(GatewayError::Refused(ErrorCode::CodeAlreadyExists)), "{n}");
    }
    let refused = |answer: Answer| match answer {
        Err(GatewayError::TooManyCodeChanges(wait)) => wait,
        other => panic!("{other:?}"),
    };
    let wait = refused(ask(&house, add("Guess", NEW), "desk", None).await.unwrap());
    assert!(wait > s(3_000) && wait <= s(3_600), "{wait:?}");
    house.stop().await;
    house.start().await;
    let wait = refused(ask(&house, add("Guess", NEW), "desk", None).await.unwrap());
    tokio::time::sleep(wait + s(1)).await;
    assert_eq!(ask(&house, add("Guess", NEW), "desk", None).await.unwrap(), Ok(Some(3)));
}

#[tokio::test(start_paused = true)]
async fn without_a_keypad_nothing_is_sent() {
    let mut lock = SimLockConfig::family(NUKI_ID);
    lock.users.retain(|user| user.id_type != IdType::Keypad);
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    assert_eq!(keyed(&house, add("Cleaner", NEW), "k").await, Err(GatewayError::NoKeypad));
    assert_eq!(states(&house).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_sent() {
    let house = House::new().await;
    let broken = "create trigger broken before insert on code_changes begin select raise(abort, 'full'); end";
    run(&house.database(), broken).await;
    let refused = keyed(&house, add("Cleaner", NEW), "k").await;
    assert!(matches!(refused, Err(GatewayError::Storage(_))), "{refused:?}");
    tokio::time::sleep(s(30)).await;
    assert_eq!(named(&house, "Cleaner"), 0);
}

/// The digits as text, and as the number that goes into a frame.
fn forms(digits: u32) -> [Vec<u8>; 2] {
    [digits.to_string().into_bytes(), digits.to_le_bytes().to_vec()]
}

#[tokio::test(start_paused = true)]
async fn digits_are_in_no_line_of_the_log_no_error_and_no_file() {
    let journal = Journal::new(LevelFilter::TRACE);
    let house = House::new().await;
    let mut said = Vec::new();
    said.push(keyed(&house, add("Cleaner", NEW), "k").await);
    said.push(keyed(&house, add("Cleaner", NEW), "k").await);
    said.push(keyed(&house, add("Twin", NEW), "t").await);
    let digits = Some(CodeDigits::new(OTHER).unwrap().into());
    let other = CodeChange::Update { code_id: 3, name: None, digits, enabled: None, time_limit: None };
    house.door.drop_at(DropAt::AfterWrites(2));
    said.push(keyed(&house, other.clone(), "o").await);
    house.quiet().await;
    said.push(keyed(&house, other, "p").await);
    house.door.set_in_range(false);
    said.push(keyed(&house, add("Far", OTHER), "f").await);
    house.door.set_in_range(true);
    house.quiet().await;
    let log = journal.bytes();
    let text = String::from_utf8_lossy(&log).into_owned();
    for line in ["a keypad code was changed", "a keypad code was not changed", "requester=\"hall\""] {
        assert!(text.contains(line), "{line} is missing: {text}");
    }
    let mut places = vec![("the log", log), ("the answers", format!("{said:?}").into_bytes())];
    for file in ["db", "db-wal", "db-shm"] {
        places.push((file, std::fs::read(house.database().with_extension(file)).unwrap()));
    }
    for (place, bytes) in places {
        assert!(!bytes.is_empty(), "{place}");
        for digits in [NEW, OTHER, crate::support::house::ANNA] {
            for form in forms(digits) {
                assert!(!bytes.windows(form.len()).any(|window| window == form), "{place} has {digits}");
            }
        }
    }
}
