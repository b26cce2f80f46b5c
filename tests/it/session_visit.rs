//! A visit against answers that no lock should give: each ends in a name, and nothing that could have been done is taken
//! for not done.

use std::time::Duration;

use keyturner::protocol::crypto::{Pin, SharedKey};
use keyturner::protocol::frame::{Message, decode_encrypted, encode_encrypted, encode_plain};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::reply::ErrorReport;
use keyturner::protocol::request::PinCommand;
use keyturner::protocol::{Command, ErrorCode, StatusCode};
use keyturner::session::visit::{Answer, Output, Question, Visit, VisitConfig, VisitError};

const AUTH_ID: u32 = 7;
const PIN: Pin = Pin::new(1234);

fn key() -> SharedKey {
    SharedKey::from_bytes([5; 32])
}

struct Room {
    visit: Visit,
    now: Duration,
    nonces: u8,
}

impl Room {
    fn asking(question: Question) -> Self {
        Self::asking_with(Some(PIN), question)
    }

    fn asking_with(pin: Option<Pin>, question: Question) -> Self {
        let config = VisitConfig { generation: Generation::Gen1To4, auth_id: AUTH_ID, key: key(), pin, seed: [9; 32] };
        let mut room = Self { visit: Visit::new(config), now: Duration::from_secs(1), nonces: 0 };
        room.visit.ask(question, room.now);
        room
    }

    /// The message that leaves next.
    fn sent(&mut self) -> Message {
        let Some(Output::Write(Characteristic::KeyturnerUsdio, value)) = self.visit.poll() else { panic!("silence") };
        decode_encrypted(&key(), &value).unwrap().1
    }

    fn say(&mut self, message: &Message) {
        self.nonces += 1;
        let value = encode_encrypted(&key(), &[self.nonces; 24], AUTH_ID, message);
        self.visit.handle_received(Characteristic::KeyturnerUsdio, &value, self.now);
    }

    fn refuse(&mut self, code: ErrorCode, command: Command) {
        self.say(&ErrorReport { code, command: command.id() }.encode());
    }

    /// What anybody near can say: unsigned.
    fn say_plain(&mut self, code: ErrorCode) {
        let message = ErrorReport { code, command: 0 }.encode();
        self.visit.handle_received(Characteristic::KeyturnerGdio, &encode_plain(&message), self.now);
    }

    fn result(&mut self) -> Result<Answer, VisitError> {
        let Some(Output::Finished(result)) = self.visit.poll() else { panic!("not finished") };
        assert!(self.visit.poll().is_none() && self.visit.next_timeout().is_none(), "it is over once");
        result
    }

    /// Asks for a nonce and gets it; the command that follows.
    fn challenged(&mut self) -> Message {
        assert_eq!(self.sent(), Message::request(Command::Challenge));
        self.say(&Message::new(Command::Challenge, [3; 32]));
        self.sent()
    }
}

#[test]
fn leaving_is_about_our_own_number_and_carries_nonce_and_pin() {
    let mut room = Room::asking(Question::Leave);
    let command = room.challenged();
    let wanted = (PinCommand::RemoveAuthorizationEntry(AUTH_ID), [3; 32], PIN);
    assert_eq!(PinCommand::decode(&command, Generation::Gen1To4), Some(wanted));
    assert_eq!(command.payload.len(), 4 + 32 + 2);
    room.say(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    assert_eq!(room.result(), Ok(Answer::Left));
}

#[test]
fn silence_says_whether_the_command_had_left() {
    let mut room = Room::asking(Question::Leave);
    assert_eq!(room.sent(), Message::request(Command::Challenge));
    room.visit.handle_link_lost();
    assert_eq!(room.result(), Err(VisitError::Silent { has_left: false }));

    for is_timeout in [false, true] {
        let mut room = Room::asking(Question::Leave);
        room.challenged();
        if is_timeout {
            let due = room.visit.next_timeout().unwrap();
            room.visit.handle_timeout(due - Duration::from_millis(1));
            assert!(room.visit.poll().is_none());
            room.visit.handle_timeout(due);
        } else {
            room.visit.handle_link_lost();
        }
        assert_eq!(room.result(), Err(VisitError::Silent { has_left: true }));
    }
}

#[test]
fn an_unsigned_no_counts_only_from_a_lock_that_has_not_spoken() {
    let mut room = Room::asking(Question::Leave);
    room.sent();
    room.say_plain(ErrorCode::NotAuthorized);
    assert_eq!(room.result(), Err(VisitError::NotKnown));

    let mut room = Room::asking(Question::Leave);
    room.challenged();
    room.say_plain(ErrorCode::NotAuthorized);
    assert_eq!(room.result(), Err(VisitError::Silent { has_left: true }), "it may have been done all the same");
}

#[test]
fn only_a_bad_nonce_makes_a_command_leave_again_and_that_has_an_end() {
    let mut room = Room::asking(Question::Leave);
    for _ in 0..2 {
        room.challenged();
        room.refuse(ErrorCode::BadNonce, Command::RemoveAuthorizationEntry);
    }
    room.challenged();
    room.refuse(ErrorCode::BadNonce, Command::RemoveAuthorizationEntry);
    assert_eq!(room.result(), Err(VisitError::Refused(ErrorCode::BadNonce)));

    for code in [ErrorCode::BadPin, ErrorCode::TooManyPinAttempts, ErrorCode::Busy, ErrorCode::InvalidAuthId] {
        let mut room = Room::asking(Question::Pin);
        room.challenged();
        room.refuse(code, Command::VerifySecurityPin);
        assert_eq!(room.result(), Err(VisitError::Refused(code)), "a PIN is sent once");
    }
}

#[test]
fn what_belongs_to_no_question_answers_none() {
    let mut room = Room::asking(Question::Pin);
    assert_eq!(room.sent(), Message::request(Command::Challenge));
    // Complete before the command has left proves nothing.
    room.say(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    assert!(room.visit.poll().is_none());
    room.say(&Message::new(Command::Challenge, [3; 32]));
    room.sent();
    room.say(&Message::new(Command::Challenge, [4; 32]));
    room.say(&Message::new(Command::Status, [StatusCode::Accepted.code()]));
    room.say(&Message::new(Command::Unknown(0x7777), [1, 2, 3]));
    assert!(room.visit.poll().is_none(), "a second nonce makes nothing leave again");
    room.say(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    assert_eq!(room.result(), Ok(Answer::PinIsRight));

    // The end of a log without its count says nothing about the log.
    let mut room = Room::asking(Question::Logging);
    room.challenged();
    room.say(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    assert!(room.visit.poll().is_none());
}

#[test]
fn garbage_ends_a_visit_with_a_name() {
    for garbage in [vec![0xAA; 60], vec![0xFF; 60], vec![0; 512]] {
        let mut room = Room::asking(Question::States);
        room.sent();
        room.visit.handle_received(Characteristic::KeyturnerUsdio, &garbage, room.now);
        assert!(matches!(room.result(), Err(VisitError::Garbled(_))));
    }
    // Under somebody else's number.
    let mut room = Room::asking(Question::States);
    room.sent();
    let foreign = encode_encrypted(&key(), &[1; 24], AUTH_ID + 1, &Message::new(Command::Status, [0]));
    room.visit.handle_received(Characteristic::KeyturnerUsdio, &foreign, room.now);
    assert!(matches!(room.result(), Err(VisitError::Garbled(_))));
}

#[test]
fn without_a_pin_only_what_needs_none_is_asked() {
    for question in [Question::Pin, Question::Leave, Question::Logging] {
        let mut room = Room::asking_with(None, question);
        assert_eq!(room.result(), Err(VisitError::NoPin), "{question:?}");
    }
    for (question, first) in [(Question::States, Command::KeyturnerStates), (Question::Name, Command::Challenge)] {
        let mut room = Room::asking_with(None, question);
        assert_eq!(room.sent(), Message::request(first), "{question:?}");
    }
}

#[test]
fn a_challenge_that_is_refused_is_not_asked_for_again() {
    let mut room = Room::asking(Question::Pin);
    assert_eq!(room.sent(), Message::request(Command::Challenge));
    room.refuse(ErrorCode::BadNonce, Command::Challenge);
    assert_eq!(room.result(), Err(VisitError::Refused(ErrorCode::BadNonce)));
}

#[test]
fn unsigned_noise_answers_nothing_and_another_unsigned_no_is_silence() {
    let mut room = Room::asking(Question::States);
    room.sent();
    let state = encode_plain(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    for noise in [vec![], vec![0xFF; 7], state] {
        room.visit.handle_received(Characteristic::KeyturnerGdio, &noise, room.now);
        assert!(room.visit.poll().is_none(), "{noise:?}");
    }
    room.say_plain(ErrorCode::BadLength);
    assert_eq!(room.result(), Err(VisitError::Silent { has_left: true }), "it does not say that it knows us not");
}

#[test]
fn what_comes_after_the_end_changes_nothing() {
    let mut room = Room::asking(Question::Pin);
    room.challenged();
    room.say(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    assert_eq!(room.result(), Ok(Answer::PinIsRight));
    room.refuse(ErrorCode::BadPin, Command::VerifySecurityPin);
    room.say_plain(ErrorCode::NotAuthorized);
    room.visit.handle_link_lost();
    room.visit.handle_timeout(room.now + Duration::from_secs(60));
    assert!(room.visit.poll().is_none() && room.visit.next_timeout().is_none());
}
