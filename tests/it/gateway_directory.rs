//! People and codes as of then: who is renamed, replaced or gone, through the whole gateway into the event log.

use std::time::Duration;

use keyturner::protocol::IdType;
use keyturner::simlock::{Fault, Input, Owner, Person, SimLockConfig};
use keyturner::store::{UserKind, UserRow};

use crate::support::house::{ANNA, House, NUKI_ID, Plan};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn rows(house: &House, number: u32) -> Vec<UserRow> {
    let is_it = |row: &UserRow| match row.kind {
        UserKind::Authorization { auth_id, .. } => auth_id == number,
        UserKind::KeypadCode { .. } => false,
    };
    house.store.users(Some(NUKI_ID)).await.unwrap().into_iter().filter(is_it).collect()
}

async fn code_rows(house: &House, number: u16) -> Vec<UserRow> {
    let is_it = |row: &UserRow| matches!(row.kind, UserKind::KeypadCode { code_id } if code_id == number);
    house.store.users(Some(NUKI_ID)).await.unwrap().into_iter().filter(is_it).collect()
}

async fn anna_comes(house: &House) -> String {
    house.person(Person::keypad(ANNA));
    tokio::time::sleep(s(30)).await;
    house.quiet().await;
    let code = house.events().await.into_iter().rev().find(|event| event.method == "code").unwrap();
    house.person(Person::Button);
    tokio::time::sleep(s(30)).await;
    house.quiet().await;
    code.code_name.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_renamed_code_keeps_the_old_name_in_old_events() {
    // A lock's clock tells whole seconds: the motor runs so long that its first state is certainly before its entry.
    let lock = SimLockConfig { motor_time: s(4), ..SimLockConfig::family(NUKI_ID) };
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    assert_eq!(anna_comes(&house).await, "Anna");
    house.door.input(Input::Owner(Owner::RenameCode(1, "Anna Maria".to_owned())));
    assert_eq!(
        anna_comes(&house).await,
        "Anna Maria",
        "the counter is seen with the state, and codes come before the log"
    );
    let names: Vec<String> = house.events().await.into_iter().filter_map(|event| event.code_name).collect();
    assert_eq!(names, ["Anna", "Anna Maria"]);
    let spans = code_rows(&house, 1).await;
    assert_eq!(spans.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["Anna", "Anna Maria"]);
    assert_eq!(spans[0].valid_until, Some(spans[1].valid_from));
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_given_away_again_is_another_person_even_under_the_same_name() {
    let house = House::new().await;
    house.door.input(Input::Owner(Owner::AddUser { name: "Emil".to_owned(), id_type: IdType::App }));
    let emil = house.door.inspect(|lock| lock.users().last().unwrap().entry.auth_id);
    anna_comes(&house).await;
    assert_eq!(rows(&house, emil).await.len(), 1);
    tokio::time::sleep(s(3_600)).await;
    house.door.input(Input::Owner(Owner::ReplaceUser(emil, "Emil".to_owned())));
    anna_comes(&house).await;
    let spans = rows(&house, emil).await;
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_ne!(spans[0].created, spans[1].created);
    assert!(spans[0].valid_until.is_some() && spans[1].valid_until.is_none());
}

#[tokio::test(start_paused = true)]
async fn half_a_list_makes_nobody_go() {
    let house = House::new().await;
    let before = house.handle().health(NUKI_ID).unwrap().directory.unwrap();
    assert_eq!((before.users, before.codes), (4, 2));
    for n in 0..6 {
        // Every list that is asked for is short, whoever asks for it.
        house.door.fault(Fault::ShortList);
        house.door.input(Input::Owner(Owner::RenameCode(2, format!("Ben {n}"))));
        assert!(house.door.person(Person::KeypadWrongCode).is_err());
        for _ in 0..400 {
            house.door.fault(Fault::ShortList);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let spans = house.store.users(Some(NUKI_ID)).await.unwrap();
    let ids: Vec<_> = spans.iter().filter(|row| row.valid_until.is_none()).map(|row| row.kind).collect();
    assert_eq!(ids.len(), 6, "everybody is still there: {spans:#?}");
    assert_eq!(code_rows(&house, 1).await.len(), 1, "whom no list showed has not changed");
    assert!(code_rows(&house, 2).await.len() > 1, "what came is believed");
}

#[tokio::test(start_paused = true)]
async fn who_is_taken_away_is_gone_from_the_day_on() {
    let house = House::new().await;
    house.door.input(Input::Owner(Owner::RemoveUser(3)));
    house.door.input(Input::Owner(Owner::RemoveCode(2)));
    anna_comes(&house).await;
    assert!(rows(&house, 3).await[0].valid_until.is_some());
    assert!(code_rows(&house, 2).await[0].valid_until.is_some());
    let known = house.handle().health(NUKI_ID).unwrap().directory.unwrap();
    assert_eq!((known.users, known.codes), (3, 1));
}
