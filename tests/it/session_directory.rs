//! When people and codes are read: often enough for names of the day, seldom enough for the battery.

use std::time::Duration;

use keyturner::protocol::frame::Message;
use keyturner::protocol::users::CodeDigits;
use keyturner::protocol::{Command, ErrorCode, IdType};
use keyturner::session::Input;
use keyturner::simlock::{self, Fault, Owner, Person};

use crate::support::pair::Pair;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lists(pair: &Pair, kind: &str) -> Vec<String> {
    pair.seen.other.iter().filter(|other| other.starts_with(kind)).cloned().collect()
}

fn sent(pair: &Pair, command: Command) -> usize {
    pair.seen.sent.iter().filter(|sent| **sent == command).count()
}

fn owner(pair: &mut Pair, act: Owner) {
    pair.feed_lock(simlock::Input::Owner(act));
}

fn a_code(name: &str) -> Owner {
    Owner::AddCode { name: name.to_owned(), digits: CodeDigits::new(675_849).unwrap() }
}

#[test]
fn a_new_code_is_known_the_same_day_even_if_the_counter_does_not_move() {
    let mut pair = Pair::settled();
    pair.fault(Fault::FrozenCounter(true));
    owner(&mut pair, a_code("Cleaner"));
    pair.pass(DAY + s(7 * 3600));
    assert!(lists(&pair, "Codes").iter().any(|list| list.contains("Cleaner")), "{:?}", pair.seen.other);
    assert!(pair.seen.connects.len() <= 6, "{:?}", pair.seen.connects);
}

#[test]
fn a_quiet_week_asks_for_lengths_only() {
    let mut pair = Pair::settled();
    pair.pass(7 * DAY);
    assert!(lists(&pair, "Users").is_empty() && lists(&pair, "Codes").is_empty());
    assert!(pair.seen.connects.len() <= 28, "no connection more than without");
    let asked = sent(&pair, Command::RequestKeypadCodes);
    assert!((6..=8).contains(&asked), "{asked}");
}

#[test]
fn a_busy_house_asks_for_lengths_as_well() {
    let mut pair = Pair::settled();
    pair.fault(Fault::FrozenCounter(true));
    for hour in 0..30 {
        if hour == 2 {
            owner(&mut pair, Owner::AddUser { name: "Emil".to_owned(), id_type: IdType::App });
        }
        pair.person(Person::KeypadWrongCode);
        pair.pass(s(3600));
    }
    assert!(lists(&pair, "Users").iter().any(|list| list.contains("Emil")));
}

#[test]
fn a_counter_that_never_rests_gets_twelve_reads_a_day() {
    let mut pair = Pair::settled();
    pair.fault(Fault::RestlessCounter(true));
    let end = pair.now + 3 * DAY;
    while pair.now < end {
        pair.person(Person::KeypadWrongCode);
        pair.pass(s(300));
    }
    let reads = lists(&pair, "Users").len();
    assert!((30..=37).contains(&reads), "{reads} in three days");
}

#[test]
fn strangers_without_end_get_four_reads_a_day() {
    let mut pair = Pair::settled();
    let end = pair.now + 3 * DAY;
    while pair.now < end {
        pair.input(Input::ReadDirectory);
        pair.pass(s(60));
    }
    let reads = lists(&pair, "Users").len();
    assert!((10..=13).contains(&reads), "{reads} in three days");
    assert!(!lists(&pair, "DirectoryLater").is_empty(), "whoever asked is told that it will not be now");
}

#[test]
fn half_a_list_is_not_whole_and_is_read_again() {
    let mut pair = Pair::settled();
    pair.fault(Fault::ShortList);
    pair.input(Input::ReadDirectory);
    pair.rest();
    let codes = lists(&pair, "Codes");
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert!(codes[0].contains("is_whole: false") && !codes[0].contains("Anna"), "{}", codes[0]);
    assert!(codes[1].contains("is_whole: true") && codes[1].contains("Anna"), "{}", codes[1]);
}

#[test]
fn a_list_that_is_always_short_is_given_up_and_tried_again_later() {
    let mut pair = Pair::settled();
    pair.input(Input::ReadDirectory);
    let end = pair.now + DAY;
    while pair.now < end {
        pair.fault(Fault::ShortList);
        pair.step();
    }
    let codes = lists(&pair, "Codes");
    assert!((3..=20).contains(&codes.len()), "{}", codes.len());
    assert!(codes.iter().all(|list| list.contains("is_whole: false")));
    assert!(pair.seen.connects.len() <= 8, "{:?}", pair.seen.connects);
}

#[test]
fn a_list_that_changes_between_two_pages_is_not_whole() {
    let mut pair = Pair::settled();
    for n in 0..30 {
        owner(&mut pair, Owner::AddUser { name: format!("User {n}"), id_type: IdType::App });
    }
    pair.input(Input::ReadDirectory);
    let pages = |pair: &Pair| sent(pair, Command::RequestAuthorizationEntries);
    pair.drive_bounded(s(20), "the second page is asked for", |pair| pages(pair) == 2);
    // The challenge for the second page is answered; now somebody goes whom the first page has shown.
    owner(&mut pair, Owner::RemoveUser(2));
    pair.rest();
    let users = lists(&pair, "Users");
    assert!(users[0].contains("is_whole: false"), "{}", users[0]);
    let last = users.last().unwrap();
    assert!(last.contains("is_whole: true") && last.contains("User 29") && !last.contains("Clara"), "{last}");
}

#[test]
fn a_link_that_breaks_in_the_middle_of_a_list_leaves_no_half_list() {
    use crate::support::pair::Cut;
    for n in 1..30 {
        let mut pair = Pair::settled();
        pair.cut_at(Cut::AfterIndication(n));
        pair.input(Input::ReadDirectory);
        pair.pass(s(60));
        for kind in ["Users", "Codes"] {
            let lists = lists(&pair, kind);
            assert!(!lists.is_empty() && lists.iter().all(|list| list.contains("is_whole: true")), "{n}: {lists:?}");
        }
    }
}

#[test]
fn a_list_that_nobody_announced_closes_nothing() {
    use crate::support::puppet::Puppet;
    use keyturner::session::Output;
    let mut puppet = Puppet::idle();
    puppet.input(Input::ReadDirectory);
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.next_sent().unwrap();
    puppet.status(keyturner::protocol::StatusCode::Complete);
    let codes = puppet.outputs.iter().find_map(|output| match output {
        Output::Codes(list) => Some((list.entries.len(), list.is_whole)),
        _ => None,
    });
    assert_eq!(codes, Some((0, false)));
    puppet.error(ErrorCode::UnknownError, 0);
}
