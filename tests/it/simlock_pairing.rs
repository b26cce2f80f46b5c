//! A client becomes a user of the simulated lock, and nobody else does.

use std::time::Duration;

use keyturner::protocol::beacon::{Advertisement, PairingMode};
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::{self, Message};
use keyturner::protocol::gatt::Characteristic;
use keyturner::protocol::pairing::{UNASSIGNED_AUTH_ID, encode_authorization_data_5th_gen};
use keyturner::protocol::reply::{ErrorReport, Reply};
use keyturner::protocol::{Command, ErrorCode, IdType, NukiState, StatusCode};
use keyturner::simlock::{Device, Fault, Input, LinkId, SimLockConfig};

use crate::support::bench::{Bench, NUKI_ID, PairingClient};

const GDIO: Characteristic = Characteristic::PairingGdio;

/// Speaks until `stop` messages were answered, then hands back the message that would come next.
fn speak(bench: &mut Bench, link: LinkId, client: &mut PairingClient, stop: usize) -> Message {
    for _ in 0..stop {
        let message = client.next().unwrap();
        bench.write(link, GDIO, frame::encode_plain(&message));
        let answers = bench.plain(link, GDIO);
        client.answered(&answers[0]);
    }
    client.next().unwrap()
}

fn refusal(bench: &mut Bench, link: LinkId, message: &Message) -> ErrorCode {
    bench.write(link, GDIO, frame::encode_plain(message));
    let ErrorReport { code, command } = bench.plain_error(link, GDIO).unwrap();
    assert_eq!(command, message.command.id());
    code
}

#[test]
fn a_bridge_pairs_and_is_listed() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    assert_eq!(client.uuid, bench.lock.uuid());
    let user = bench.lock.users().iter().find(|user| user.entry.auth_id == client.auth_id).unwrap();
    assert_eq!((user.entry.name.as_str(), user.entry.id_type), ("Keyturner", IdType::Bridge));
    assert_eq!(bench.states(&client).nuki_state, NukiState::Door, "pairing mode is over");
}

#[test]
fn pairing_mode_is_on_the_air_for_thirty_seconds() {
    let mut bench = Bench::family();
    let seen = |bench: &Bench| Advertisement::parse(&bench.advertising.as_ref().unwrap().data).unwrap();
    bench.feed(Input::PairingMode(true));
    assert_eq!(seen(&bench), Advertisement::Pairing(PairingMode::Lock, NUKI_ID));
    bench.pass(Duration::from_secs(29));
    assert_eq!(seen(&bench), Advertisement::Pairing(PairingMode::Lock, NUKI_ID));
    bench.pass(Duration::from_secs(1));
    assert!(matches!(seen(&bench), Advertisement::Beacon(_)));
    let link = bench.connect();
    assert_eq!(refusal(&mut bench, link, &Message::request(Command::PublicKey)), ErrorCode::NotPairing);
}

#[test]
fn a_wrong_authenticator_starts_over_and_makes_no_user() {
    // Behind step 2 the client proves its key, behind step 3 it signs its data.
    for (stop, what) in [(2, Command::AuthorizationAuthenticator), (3, Command::AuthorizationData)] {
        let mut bench = Bench::family();
        let before = bench.lock.users().len();
        bench.feed(Input::PairingMode(true));
        let link = bench.connect();
        let mut client = PairingClient::new(link, IdType::Bridge, 7, "Mallory");
        let mut message = speak(&mut bench, link, &mut client, stop);
        assert_eq!(message.command, what);
        let genuine = message.clone();
        message.payload[5] ^= 1;
        assert_eq!(refusal(&mut bench, link, &message), ErrorCode::BadAuthenticator);
        assert_eq!(refusal(&mut bench, link, &genuine), ErrorCode::UnknownError, "no second guess");
        assert_eq!(bench.lock.users().len(), before);
    }
}

#[test]
fn a_wrong_confirmation_takes_the_new_user_back() {
    let mut bench = Bench::family();
    let before = bench.lock.users().len();
    bench.feed(Input::PairingMode(true));
    let link = bench.connect();
    let mut client = PairingClient::new(link, IdType::App, 7, "Mallory");
    let mut message = speak(&mut bench, link, &mut client, 4);
    assert_eq!(message.command, Command::AuthorizationIdConfirmation);
    message.payload[0] ^= 1;
    assert_eq!(refusal(&mut bench, link, &message), ErrorCode::BadAuthenticator);
    assert_eq!(bench.lock.users().len(), before);
}

#[test]
fn messages_out_of_order_and_of_wrong_length_are_refused() {
    let mut bench = Bench::family();
    bench.feed(Input::PairingMode(true));
    let link = bench.connect();
    for command in [Command::AuthorizationAuthenticator, Command::AuthorizationData, Command::PublicKey] {
        let message = Message::new(command, [1; 32]);
        assert_eq!(refusal(&mut bench, link, &message), ErrorCode::UnknownError);
    }
    let mut client = PairingClient::new(link, IdType::App, 7, "Short");
    let mut message = speak(&mut bench, link, &mut client, 1);
    message.payload.pop();
    assert_eq!(refusal(&mut bench, link, &message), ErrorCode::BadLength);
    bench.write(link, GDIO, vec![1, 0, 3, 0, 0, 0]);
    assert_eq!(bench.plain_error(link, GDIO).unwrap().code, ErrorCode::BadCrc);
}

#[test]
fn data_and_confirmation_of_another_length_are_refused() {
    // Behind step 3 the client sends its data, behind step 4 it confirms.
    for (stop, what, code) in [
        (3, Command::AuthorizationData, ErrorCode::BadLength),
        (4, Command::AuthorizationIdConfirmation, ErrorCode::BadAuthenticator),
    ] {
        for is_longer in [false, true] {
            let mut bench = Bench::family();
            let before = bench.lock.users().len();
            bench.feed(Input::PairingMode(true));
            let link = bench.connect();
            let mut client = PairingClient::new(link, IdType::App, 7, "Odd");
            let mut message = speak(&mut bench, link, &mut client, stop);
            assert_eq!(message.command, what);
            let length = if is_longer { message.payload.len() + 1 } else { message.payload.len() - 1 };
            message.payload.resize(length, 0);
            assert_eq!(refusal(&mut bench, link, &message), code, "{what}");
            assert_eq!(bench.lock.users().len(), before, "{what}");
        }
    }
}

#[test]
fn pairing_begins_with_the_public_key_and_nothing_else() {
    let mut bench = Bench::family();
    bench.feed(Input::PairingMode(true));
    let link = bench.connect();
    for other in [Command::Challenge, Command::KeyturnerStates] {
        assert_eq!(refusal(&mut bench, link, &Message::request(other)), ErrorCode::UnknownError);
    }
    let odd = Message::new(Command::RequestData, [3]);
    assert_eq!(refusal(&mut bench, link, &odd), ErrorCode::UnknownError);
}

#[test]
fn whoever_is_stored_already_may_confirm_after_pairing_mode_has_ended() {
    for stop in [3, 4] {
        let mut bench = Bench::family();
        let before = bench.lock.users().len();
        bench.feed(Input::PairingMode(true));
        let link = bench.connect();
        let mut client = PairingClient::new(link, IdType::App, 7, "Slow");
        let message = speak(&mut bench, link, &mut client, stop);
        bench.feed(Input::PairingMode(false));
        if stop == 4 {
            bench.write(link, GDIO, frame::encode_plain(&message));
            let status = Message::new(Command::Status, [StatusCode::Complete.code()]);
            assert_eq!(bench.plain(link, GDIO), [status]);
            assert_eq!(bench.lock.users().len(), before + 1);
        } else {
            assert_eq!(refusal(&mut bench, link, &message), ErrorCode::NotPairing);
            assert_eq!(bench.lock.users().len(), before);
        }
    }
}

/// The 5th generation's last message is encrypted, and so is what the device says about it.
#[test]
fn the_5th_generation_says_encrypted_why_not() {
    let data = encode_authorization_data_5th_gen(7, "Phone", Device::Ultra.pin());
    let wrong = encode_authorization_data_5th_gen(7, "Phone", Pin::new(111_111));
    let good = Message::new(Command::AuthorizationData, data.clone());
    let config = SimLockConfig::family_of(Device::Ultra, NUKI_ID);
    let full = SimLockConfig { max_users: 3, ..config.clone() };
    let no = |code, command: &Message| Some(ErrorReport { code, command: command.command.id() }.encode());
    let cases = [
        (&config, good.clone(), None),
        (&config, Message::new(Command::Challenge, []), Some(ErrorCode::UnknownError)),
        (&config, Message::new(Command::AuthorizationData, &data[1..]), Some(ErrorCode::BadLength)),
        (&config, Message::new(Command::AuthorizationData, [&data[..], &[0]].concat()), Some(ErrorCode::BadLength)),
        (&config, Message::new(Command::AuthorizationData, wrong), Some(ErrorCode::BadPin)),
        (&full, good, Some(ErrorCode::MaxUser)),
    ];
    for (config, message, expected) in cases {
        for is_mute in [false, true] {
            let mut bench = Bench::new(config.clone());
            let before = bench.lock.users().len();
            bench.feed(Input::PairingMode(true));
            let link = bench.connect();
            let mut client = PairingClient::new(link, IdType::App, 7, "Phone");
            let proof = speak(&mut bench, link, &mut client, 2);
            bench.write(link, GDIO, frame::encode_plain(&proof));
            assert_eq!(bench.plain(link, GDIO), [Message::new(Command::AuthorizationInfo, [1])]);
            if is_mute {
                bench.feed(Input::Fault(Fault::MuteNextAnswer));
            }
            bench.pieces.clear();
            let sealed = frame::encode_encrypted(&client.key(), &[9; 24], UNASSIGNED_AUTH_ID, &message);
            bench.write(link, GDIO, sealed);
            let answer: Vec<u8> = bench.pieces.iter().flat_map(|piece| piece.2.clone()).collect();
            assert_eq!(answer.is_empty(), is_mute, "{message:?}");
            if !is_mute {
                let (_, answer) = frame::decode_encrypted(&client.key(), &answer).unwrap();
                match expected {
                    Some(code) => assert_eq!(Some(answer), no(code, &message)),
                    None => assert_eq!(answer.command, Command::AuthorizationId),
                }
            }
            assert_eq!(bench.lock.users().len(), before + usize::from(expected.is_none()), "{message:?}");
        }
    }
}

#[test]
fn a_dropped_link_forgets_a_half_pairing() {
    let mut bench = Bench::family();
    bench.feed(Input::PairingMode(true));
    let link = bench.connect();
    let mut client = PairingClient::new(link, IdType::App, 7, "Short");
    let message = speak(&mut bench, link, &mut client, 2);
    bench.disconnect(link);
    let again = bench.connect();
    assert_eq!(refusal(&mut bench, again, &message), ErrorCode::UnknownError);
}

#[test]
fn a_second_bridge_throws_the_first_one_out() {
    let mut bench = Bench::family();
    let mut old = bench.pair(IdType::Bridge, 1, "Old bridge");
    let app = bench.pair(IdType::App, 2, "Phone");
    bench.pair(IdType::Bridge, 3, "New bridge");
    let ids: Vec<u32> = bench.lock.users().iter().map(|user| user.entry.auth_id).collect();
    assert!(!ids.contains(&old.auth_id) && ids.contains(&app.auth_id), "{ids:?}");
    old.link = bench.connect();
    assert_eq!(bench.ask(&old, &Message::request(Command::KeyturnerStates)), []);
    let refused = bench.plain_error(old.link, Characteristic::KeyturnerGdio);
    assert_eq!(refused, Some(ErrorReport { code: ErrorCode::NotAuthorized, command: 0 }));
}

#[test]
fn the_same_client_replaces_itself() {
    let mut bench = Bench::family();
    let first = bench.pair(IdType::App, 5, "Phone");
    let count = bench.lock.users().len();
    let second = bench.pair(IdType::App, 5, "Phone, new");
    assert_eq!(bench.lock.users().len(), count);
    assert_ne!(first.auth_id, second.auth_id, "numbers are not used twice");
}

#[test]
fn a_full_table_and_an_impossible_kind_are_refused() {
    let full = SimLockConfig { max_users: 3, ..SimLockConfig::family(NUKI_ID) };
    let cases = [
        (full, IdType::App, ErrorCode::MaxUser),
        (SimLockConfig::family(NUKI_ID), IdType::DoorSensor, ErrorCode::PairingBadParameter),
    ];
    for (config, id_type, expected) in cases {
        let mut bench = Bench::new(config);
        bench.feed(Input::PairingMode(true));
        let link = bench.connect();
        let mut client = PairingClient::new(link, id_type, 7, "One too many");
        let message = speak(&mut bench, link, &mut client, 3);
        assert_eq!(refusal(&mut bench, link, &message), expected);
    }
}

#[test]
fn a_user_can_be_renamed_disabled_and_removed_with_the_pin() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let before = bench.states(&client).config_update_count;
    let mut body = 3u32.to_le_bytes().to_vec();
    body.extend_from_slice(&[b'D'; 4]);
    body.extend_from_slice(&[0; 28]);
    body.extend_from_slice(&[0, 1, 0]);
    body.extend_from_slice(&[0; 19]);
    let done = [Reply::Status(StatusCode::Complete)];
    assert_eq!(bench.pin_payload(&client, Command::UpdateAuthorizationEntry, &body), done);
    let user = bench.lock.users().iter().find(|user| user.entry.auth_id == 3).unwrap();
    assert_eq!((user.entry.name.as_str(), user.entry.enabled), ("DDDD", false));
    assert_eq!(bench.pin_payload(&client, Command::RemoveAuthorizationEntry, &3u32.to_le_bytes()), done);
    assert_eq!(bench.states(&client).config_update_count, before + 2);
    let replies = bench.pin_payload(&client, Command::RemoveAuthorizationEntry, &3u32.to_le_bytes());
    assert!(matches!(replies[..], [Reply::Error(ErrorReport { code: ErrorCode::InvalidAuthId, .. })]));
}
