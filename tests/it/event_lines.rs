//! Each event has one line in the log, in the words of the history, with its numbers beside it.

use keyturner::clock::UnixMillis;
use keyturner::gateway::WaitFor;
use keyturner::protocol::LockAction;
use keyturner::simlock::{DoorMove, Person};
use keyturner::store::PersonSelector;
use tracing::level_filters::LevelFilter;

use crate::support::daemon::Whole;
use crate::support::house::{ANNA, NUKI_ID};
use crate::support::journal::Journal;

/// Lines about events, without what stands before the level.
fn told(lines: Vec<String>) -> Vec<String> {
    let lines = lines.into_iter().filter(|line| line.contains("keyturner::event"));
    lines.map(|line| line.split_once('Z').unwrap().1.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_person_a_refusal_and_a_clients_action_have_a_line_each_and_nothing_else_is_said_of_them() {
    let journal = Journal::new(LevelFilter::INFO);
    let house = Whole::new().await;
    journal.take();

    house.person(Person::keypad(ANNA));
    house.quiet().await;
    let lines = journal.take();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.contains("INFO keyturner::event: "), "{line}");
    let words = "Front door: Anna unlocked the door with keypad code 1, less than 1 s after it happened";
    assert!(line.contains(&format!("{words} lock=\"{NUKI_ID:08X}\" event_id=1 ")), "{line}");
    for field in
        ["event_id=", "kind=", "method=", "attribution=", "trigger=system", "auth_id=", "code_id=1 ", "log_index="]
    {
        assert!(line.contains(field), "{field}: {line}");
    }

    assert!(house.door.person(Person::keypad(999_999)).is_err());
    house.quiet().await;
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    house.quiet().await;
    let lines = told(journal.take());
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.starts_with("WARN") && line.contains("somebody entered a wrong code at the keypad"), "{line}");
    assert!(!line.contains("999999"), "{line}");

    house.daemon.gateway().act(NUKI_ID, LockAction::Lock, "hallway", WaitFor::Completed).await.unwrap();
    house.quiet().await;
    let lines = journal.take();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.contains("a client (hallway) locked the door through the bridge (intent 1)"), "{line}");
    assert!(line.contains("intent_id=1"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn every_event_has_exactly_one_line_also_what_was_stored_as_the_daemon_stopped() {
    let journal = Journal::new(LevelFilter::INFO);
    let house = Whole::new().await;
    let before = house.store.row_numbers().await.unwrap().newest;
    journal.take();
    for person in [Person::keypad(ANNA), Person::Door(DoorMove::Open), Person::Door(DoorMove::Close), Person::Button] {
        house.person(person);
        house.quiet().await;
    }
    // What no commit of this process tells of.
    let now = UnixMillis(1_795_450_000_000);
    house.store.erase(&house.database(), &PersonSelector::Name("Anna".to_owned()), None, now).await.unwrap();
    let Whole { daemon, store, .. } = house;
    daemon.run_until(std::future::ready(())).await.unwrap();
    let lines = told(journal.take());
    let newest = store.row_numbers().await.unwrap().newest;
    assert_eq!(i64::try_from(lines.len()).unwrap(), newest - before, "{lines:#?}");
    for number in before + 1..=newest {
        let field = format!("event_id={number} ");
        assert_eq!(lines.iter().filter(|line| line.contains(&field)).count(), 1, "{field}: {lines:#?}");
    }
}
