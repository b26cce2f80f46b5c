//! What each command of the simulated lock does, and what it refuses, device by device.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::{self, Message};
use keyturner::protocol::gatt::Characteristic;
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::{FLAG_AUTO_UNLOCK, FLAG_FORCE, LockActionCommand, PinCommand};
use keyturner::protocol::users::CodeDigits;
use keyturner::protocol::{Command, ErrorCode, IdType, LockAction, LockState, NukiState, OpenerAction, StatusCode};
use keyturner::simlock::{Device, Fault, Input, Person, SimLockConfig};

use crate::support::bench::{Bench, Client, NUKI_ID, PIN, errors};

const COMPLETE: Reply = Reply::Status(StatusCode::Complete);
const ACCEPTED: Reply = Reply::Status(StatusCode::Accepted);

fn of(device: Device) -> (Bench, Client) {
    let mut bench = Bench::new(SimLockConfig::family_of(device, NUKI_ID));
    let client = bench.client(IdType::Bridge);
    (bench, client)
}

/// A command with a nonce and no PIN.
fn with_nonce(bench: &mut Bench, client: &Client, command: Command, body: &[u8]) -> Vec<Reply> {
    let nonce = bench.challenge(client);
    bench.ask(client, &Message::new(command, [body, &nonce].concat()))
}

fn act(bench: &mut Bench, client: &Client, action: LockAction, flags: u8) -> Vec<Reply> {
    let nonce = bench.challenge(client);
    let command = LockActionCommand { action, app_id: client.app_id, flags, suffix: None };
    bench.ask(client, &command.encode(&nonce))
}

#[test]
fn the_simple_action_locks_and_unlocks_a_lock_and_no_opener() {
    let (mut bench, client) = of(Device::SmartLock3);
    for (code, state) in [(1, LockState::Unlocked), (2, LockState::Locked)] {
        assert_eq!(with_nonce(&mut bench, &client, Command::SimpleLockAction, &[code]).first(), Some(&ACCEPTED));
        bench.pass(Duration::from_secs(5));
        assert_eq!(bench.lock.state().lock_state, state);
    }
    let (mut bench, client) = of(Device::Opener);
    let refused = with_nonce(&mut bench, &client, Command::SimpleLockAction, &[1]);
    assert_eq!(errors(&refused), [ErrorCode::UnknownError]);
    assert_eq!(bench.lock.executions_total(), 0);
}

#[test]
fn continuous_mode_has_a_command_of_its_own_on_an_opener() {
    let (mut bench, client) = of(Device::Opener);
    for (flag, mode) in [(1, NukiState::Continuous), (0, NukiState::Door)] {
        let replies = bench.pin_payload(&client, Command::ContinuousModeAction, &[flag, 0]);
        assert_eq!(errors(&replies), []);
        bench.pass(Duration::from_secs(5));
        assert_eq!(bench.lock.state().nuki_state, mode);
    }
    let (mut bench, client) = of(Device::SmartLock3);
    let refused = bench.pin_payload(&client, Command::ContinuousModeAction, &[1, 0]);
    assert_eq!(errors(&refused), [ErrorCode::UnknownError]);
}

#[test]
fn an_opener_locks_nothing_fully() {
    for (device, expected) in [(Device::SmartLock3, vec![]), (Device::Opener, vec![ErrorCode::BadParameter])] {
        let (mut bench, client) = of(device);
        let replies = act(&mut bench, &client, LockAction::FullLock, 0);
        assert_eq!(errors(&replies), expected, "{device:?}");
    }
}

#[test]
fn the_advanced_configuration_is_as_long_as_the_firmware_sends_it() {
    for (device, length) in [(Device::SmartLock1, 28), (Device::SmartLock3, 31), (Device::Opener, 27)] {
        let (mut bench, client) = of(device);
        let nonce = bench.challenge(&client);
        bench.send(&client, &Message::new(Command::RequestAdvancedConfig, nonce));
        let frames = bench.frames(client.link, Characteristic::KeyturnerUsdio);
        let [answer] = frames.as_slice() else { panic!("{device:?}: {frames:?}") };
        let (_, answer) = frame::decode_encrypted(&client.key, answer).unwrap();
        assert_eq!((answer.command, answer.payload.len()), (Command::AdvancedConfig, length), "{device:?}");
    }
}

#[test]
fn force_moves_a_bolt_that_is_there_already() {
    for (flags, moves) in [(0, false), (FLAG_FORCE, true)] {
        let (mut bench, client) = of(Device::SmartLock3);
        for action in [LockAction::Unlock, LockAction::Lock] {
            act(&mut bench, &client, action, 0);
            bench.pass(Duration::from_secs(5));
            let replies = act(&mut bench, &client, action, flags);
            assert_eq!(replies.contains(&ACCEPTED), moves, "{action}, {flags}: {replies:?}");
            assert_eq!(replies.contains(&COMPLETE), !moves, "{action}, {flags}");
            bench.pass(Duration::from_secs(5));
        }
    }
}

#[test]
fn auto_unlock_needs_a_rest_after_the_action_before() {
    let (mut bench, client) = of(Device::SmartLock3);
    assert_eq!(errors(&act(&mut bench, &client, LockAction::Unlock, FLAG_AUTO_UNLOCK)), [], "nobody acted before");
    bench.pass(Duration::from_secs(5));
    act(&mut bench, &client, LockAction::Lock, 0);
    bench.pass(Duration::from_secs(5));
    let soon = act(&mut bench, &client, LockAction::Unlock, FLAG_AUTO_UNLOCK);
    assert_eq!(errors(&soon), [ErrorCode::AutoUnlockTooRecent]);
    bench.pass(Duration::from_secs(3600));
    let client = Client { link: bench.connect(), ..client };
    assert_eq!(errors(&act(&mut bench, &client, LockAction::Unlock, FLAG_AUTO_UNLOCK)), []);
}

#[test]
fn a_pin_of_too_many_digits_is_not_taken() {
    let (mut bench, client) = of(Device::SmartLock3);
    for (pin, expected) in [(10_000_u16, vec![ErrorCode::BadParameter]), (9_999, vec![])] {
        let replies = bench.pin_payload(&client, Command::SetSecurityPin, &pin.to_le_bytes());
        assert_eq!(errors(&replies), expected, "{pin}");
    }
    let replies = bench.pin_command(&client, PinCommand::VerifySecurityPin, Pin::new(9_999));
    assert_eq!(replies, [COMPLETE]);
}

#[test]
fn logging_that_is_on_already_is_switched_on_without_an_entry() {
    let (mut bench, client) = of(Device::SmartLock3);
    for (flag, entries) in [(1, 0), (0, 1), (0, 1), (1, 2)] {
        assert_eq!(bench.pin_payload(&client, Command::EnableLogging, &[flag]), [COMPLETE]);
        assert_eq!((bench.lock.log().len(), bench.lock.is_logging()), (entries, flag == 1));
    }
}

#[test]
fn a_keypad_holds_a_hundred_codes() {
    let (mut bench, client) = of(Device::SmartLock3);
    let add = |bench: &mut Bench, digits: u32| {
        let mut body = digits.to_le_bytes().to_vec();
        body.extend([b'C'; 20]);
        body.push(0);
        body.extend([0; 19]);
        bench.pin_payload(&client, Command::AddKeypadCode, &body)
    };
    let mut codes = (345_111..).filter(|digits| CodeDigits::new(*digits).is_some());
    for digits in codes.by_ref().take(98) {
        assert_eq!(errors(&add(&mut bench, digits)), [], "{digits}");
    }
    assert_eq!(bench.lock.keypad_codes().len(), 100);
    assert_eq!(errors(&add(&mut bench, codes.next().unwrap())), [ErrorCode::TooManyEntries]);
    assert_eq!(errors(&add(&mut bench, 583_921)), [ErrorCode::CodeAlreadyExists], "Anna's");
    assert_eq!(bench.lock.keypad_codes().len(), 100);
}

#[test]
fn an_entry_is_filled_up_and_never_cut() {
    let lengths = |is_padded| {
        let (mut bench, client) = of(Device::SmartLock3);
        bench.feed(Input::Fault(Fault::LogPadding(is_padded)));
        bench.person(Person::Button);
        bench.pass(Duration::from_secs(5));
        bench.person(Person::KeypadWrongCode);
        let nonce = bench.challenge(&client);
        let body = [0, 0, 0, 0, 9, 0, 0, 0];
        let pin = u16::try_from(PIN.expose()).unwrap().to_le_bytes();
        bench.send(&client, &Message::new(Command::RequestLogEntries, [&body[..], &nonce, &pin].concat()));
        let frames = bench.frames(client.link, Characteristic::KeyturnerUsdio);
        let messages = frames.iter().map(|frame| frame::decode_encrypted(&client.key, frame).unwrap().1);
        let entries = messages.filter(|message| message.command == Command::LogEntry);
        entries.map(|message| message.payload.len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(false), [52, 53], "an action has four bytes, a keypad's five");
    assert_eq!(lengths(true), [53, 53]);
}

#[test]
fn who_asks_without_listening_is_hung_up_on() {
    let (mut bench, client) = of(Device::SmartLock3);
    bench.confirms = false;
    for asked in 0..3_000 {
        if bench.gone.contains(&client.link) {
            assert!(asked > 2_000, "a whole log must fit: {asked}");
            assert_eq!(bench.lock.link_count(), 0);
            return;
        }
        bench.send(&client, &Message::request(Command::KeyturnerStates));
    }
    panic!("the queue has no end");
}

#[test]
fn the_same_central_may_come_back_when_no_other_may() {
    let mut bench = Bench::new(SimLockConfig { max_links: 1, ..SimLockConfig::family(NUKI_ID) });
    let link = bench.connect();
    bench.feed(Input::Connected { link, mtu: 247 });
    assert_eq!((bench.gone.as_slice(), bench.lock.link_count()), (&[][..], 1));
    let other = bench.connect();
    assert_eq!((bench.gone.as_slice(), bench.lock.link_count()), (&[other][..], 1));
}

#[test]
fn an_openers_action_is_numbered_as_its_own() {
    let (mut bench, client) = of(Device::Opener);
    let replies = act(&mut bench, &client, OpenerAction::Open.command(), 0);
    assert_eq!(replies.first(), Some(&ACCEPTED));
}
