//! The simulated lock checks who asks, in the order of a real one.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::{self, Message};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::reply::{ErrorReport, Reply};
use keyturner::protocol::request::{LockActionCommand, PinCommand};
use keyturner::protocol::{Command, ErrorCode, IdType, LockAction, LockState, StatusCode};
use keyturner::simlock::SimLockConfig;

use crate::support::bench::{Bench, Client, NUKI_ID, PIN, errors, suffix_field};

const WRONG: Pin = Pin::new(4321);

fn unlock(client: &Client, nonce: &[u8; 32]) -> Message {
    let app_id = client.app_id;
    let suffix = Some(suffix_field(" #1"));
    LockActionCommand { action: LockAction::Unlock, app_id, flags: 0, suffix }.encode(nonce)
}

#[test]
fn a_replayed_lock_action_is_carried_out_once() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let nonce = bench.challenge(&client);
    let frame = frame::encode_encrypted(&client.key, &[9; 24], client.auth_id, &unlock(&client, &nonce));
    bench.write(client.link, Characteristic::KeyturnerUsdio, frame.clone());
    bench.pass(Duration::from_secs(2));
    bench.lock_action(&client, LockAction::Lock, None);
    bench.pass(Duration::from_secs(2));
    bench.replies(&client);
    bench.write(client.link, Characteristic::KeyturnerUsdio, frame);
    assert_eq!(errors(&bench.replies(&client)), [ErrorCode::BadNonce]);
    assert_eq!(bench.lock.executions(client.app_id, " #1"), 1);
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
}

#[test]
fn a_nonce_is_good_for_one_command_right_or_wrong() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let nonce = bench.challenge(&client);
    let wrong = bench.ask(&client, &unlock(&client, &[0; 32]));
    assert_eq!(errors(&wrong), [ErrorCode::BadNonce]);
    assert_eq!(errors(&bench.ask(&client, &unlock(&client, &nonce))), [ErrorCode::BadNonce], "used up");
    let first = bench.challenge(&client);
    let second = bench.challenge(&client);
    assert_eq!(errors(&bench.ask(&client, &unlock(&client, &first))), [ErrorCode::BadNonce], "replaced");
    assert_eq!(errors(&bench.ask(&client, &unlock(&client, &second))), [ErrorCode::BadNonce], "used up");
    assert_eq!(bench.lock.executions_total(), 0);
}

#[test]
fn a_nonce_dies_with_its_link_and_belongs_to_one_user() {
    let mut bench = Bench::family();
    let mut client = bench.client(IdType::Bridge);
    let mut other = bench.pair(IdType::App, 2, "Phone");
    other.link = bench.connect();
    let nonce = bench.challenge(&client);
    assert_eq!(errors(&bench.ask(&other, &unlock(&other, &nonce))), [ErrorCode::BadNonce]);
    bench.disconnect(client.link);
    client.link = bench.connect();
    assert_eq!(errors(&bench.ask(&client, &unlock(&client, &nonce))), [ErrorCode::BadNonce]);
}

#[test]
fn three_wrong_pins_lock_even_the_right_one_out_for_a_while() {
    let mut bench = Bench::family();
    let mut client = bench.client(IdType::Bridge);
    let verify =
        |bench: &mut Bench, client: &Client, pin| bench.pin_command(client, PinCommand::VerifySecurityPin, pin);
    let done = [Reply::Status(StatusCode::Complete)];
    for _ in 0..2 {
        assert_eq!(errors(&verify(&mut bench, &client, WRONG)), [ErrorCode::BadPin]);
    }
    assert_eq!(verify(&mut bench, &client, PIN), done, "two wrong ones are forgiven");
    for _ in 0..3 {
        assert_eq!(errors(&verify(&mut bench, &client, WRONG)), [ErrorCode::BadPin]);
    }
    assert_eq!(errors(&verify(&mut bench, &client, PIN)), [ErrorCode::TooManyPinAttempts]);
    bench.pass(Duration::from_secs(300));
    client.link = bench.connect();
    assert_eq!(verify(&mut bench, &client, PIN), done);
}

#[test]
fn the_nonce_is_checked_before_the_pin() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for _ in 0..5 {
        let message = PinCommand::VerifySecurityPin.encode(&[0; 32], WRONG, Generation::Gen1To4);
        assert_eq!(errors(&bench.ask(&client, &message)), [ErrorCode::BadNonce]);
    }
    let replies = bench.pin_command(&client, PinCommand::VerifySecurityPin, PIN);
    assert_eq!(replies, [Reply::Status(StatusCode::Complete)], "no wrong PIN was counted");
}

#[test]
fn the_pin_can_be_changed() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let replies = bench.pin_payload(&client, Command::SetSecurityPin, &4321u16.to_le_bytes());
    assert_eq!(replies, [Reply::Status(StatusCode::Complete)]);
    let replies = bench.pin_command(&client, PinCommand::VerifySecurityPin, WRONG);
    assert_eq!(replies, [Reply::Status(StatusCode::Complete)]);
    assert_eq!(errors(&bench.pin_command(&client, PinCommand::VerifySecurityPin, PIN)), [ErrorCode::BadPin]);
}

#[test]
fn strangers_and_undecryptable_frames_get_a_plain_refusal() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let refused = Some(ErrorReport { code: ErrorCode::NotAuthorized, command: 0 });
    let message = Message::request(Command::KeyturnerStates);
    let frames = [
        frame::encode_encrypted(&client.key, &[1; 24], 99, &message),
        frame::encode_encrypted(&client.key, &[1; 24], 1, &message),
        sealed(&client, &frame::encode_pdata(99, &message)),
    ];
    for frame in frames {
        bench.write(client.link, Characteristic::KeyturnerUsdio, frame);
        assert_eq!(bench.plain_error(client.link, Characteristic::KeyturnerGdio), refused);
        assert_eq!(bench.replies(&client), []);
    }
}

/// Seals any plaintext under the client's own authorization id.
fn sealed(client: &Client, pdata: &[u8]) -> Vec<u8> {
    let nonce = [3; 24];
    let body = client.key.seal(&nonce, pdata);
    let length = u16::try_from(body.len()).unwrap();
    [nonce.as_slice(), &client.auth_id.to_le_bytes(), &length.to_le_bytes(), &body].concat()
}

#[test]
fn a_wrong_checksum_length_or_command_gets_its_own_refusal() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let mut pdata = frame::encode_pdata(client.auth_id, &Message::request(Command::KeyturnerStates));
    *pdata.last_mut().unwrap() ^= 1;
    bench.write(client.link, Characteristic::KeyturnerUsdio, sealed(&client, &pdata));
    assert_eq!(errors(&bench.replies(&client)), [ErrorCode::BadCrc]);

    let nonce = bench.challenge(&client);
    let mut message = unlock(&client, &nonce);
    message.payload.insert(0, 1);
    assert_eq!(errors(&bench.ask(&client, &message)), [ErrorCode::BadLength]);
    assert_eq!(errors(&bench.ask(&client, &Message::new(Command::LockAction, []))), [ErrorCode::BadLength]);
    assert_eq!(errors(&bench.ask(&client, &Message::new(Command::RequestData, [4]))), [ErrorCode::BadLength]);
    let unknown = Message::new(Command::Unknown(0x0777), [0; 40]);
    let replies = bench.ask(&client, &unknown);
    let expected = ErrorReport { code: ErrorCode::UnknownError, command: 0x0777 };
    assert_eq!(replies, [Reply::Error(expected)]);
    assert_eq!(bench.lock.executions_total(), 0);
}

#[test]
fn parameters_out_of_range_are_refused() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for action in [LockAction::None, LockAction::ButtonNoAction, LockAction::Unknown(0x42)] {
        assert_eq!(errors(&bench.lock_action(&client, action, None)), [ErrorCode::BadParameter]);
    }
    let nonce = bench.challenge(&client);
    let message = Message::new(Command::SimpleLockAction, [&[3], nonce.as_slice()].concat());
    assert_eq!(errors(&bench.ask(&client, &message)), [ErrorCode::BadParameter], "only lock and unlock");
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
}

#[test]
fn a_disabled_user_and_one_out_of_time_are_refused() {
    for (is_limited, expected) in [(false, ErrorCode::Disabled), (true, ErrorCode::TimeNotAllowed)] {
        let mut bench = Bench::new(SimLockConfig::family(NUKI_ID));
        let admin = bench.client(IdType::Bridge);
        let mut guest = bench.pair(IdType::App, 9, "Guest");
        // Limited to a year long gone.
        let limit = [0xE0, 0x07, 1, 1, 0, 0, 0, 0xE0, 0x07, 12, 31, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut body = guest.auth_id.to_le_bytes().to_vec();
        body.extend_from_slice(&[b'G'; 32]);
        body.extend_from_slice(&[u8::from(is_limited), 1, u8::from(is_limited)]);
        body.extend_from_slice(&limit);
        bench.pin_payload(&admin, Command::UpdateAuthorizationEntry, &body);
        guest.link = bench.connect();
        assert_eq!(errors(&bench.ask(&guest, &Message::request(Command::Challenge))), [expected]);
    }
}

#[test]
fn auto_unlock_right_after_another_action_is_refused() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.lock_action(&client, LockAction::Unlock, None);
    bench.pass(Duration::from_secs(2));
    bench.lock_action(&client, LockAction::Lock, None);
    bench.pass(Duration::from_secs(2));
    bench.replies(&client);
    let nonce = bench.challenge(&client);
    let command = LockActionCommand { action: LockAction::Unlock, app_id: 1, flags: 1, suffix: None };
    assert_eq!(errors(&bench.ask(&client, &command.encode(&nonce))), [ErrorCode::AutoUnlockTooRecent]);
}
