//! `keyturner lock`, `unlock`, `unlatch`: the right lock, once, and the truth about what came of it.

use keyturner::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone};
use keyturner::protocol::{CompletionStatus, LockAction, OpenerAction};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::http_support::{FRONT, front};
use crate::support::house_cli::{Owner, at_terminal, said};

const BACK: u32 = 0x2222_2222;
const BELL: u32 = 0x3333_3333;

async fn house() -> Owner {
    let owner = Owner::new().await;
    let lock = |nuki_id, name: &str, device_type| LockSnapshot { nuki_id, name: name.into(), device_type, ..front() };
    {
        let mut script = owner.server.doors.script();
        script.locks.insert(BACK, lock(BACK, "Hintert\u{fc}r", 4));
        script.locks.insert(BELL, lock(BELL, "Bell", 2));
    }
    owner
}

/// What was asked of which lock since the last look; each was asked for under a key of its own.
fn asked(owner: &Owner) -> Vec<(u32, LockAction)> {
    let mut script = owner.server.doors.script();
    let keys: Vec<_> = script.keys.drain(..).collect();
    assert!(keys.iter().all(Option::is_some), "{keys:?}");
    script.acted.drain(..).map(|(lock, action, ..)| (lock, action)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_moved_by_its_name_or_number_once() {
    let owner = house().await;
    for (args, lock, action, words) in [
        (["lock", "Front"], FRONT, LockAction::Lock, "Front was locked ("),
        (["unlock", "front"], FRONT, LockAction::Unlock, "Front was unlocked ("),
        (["unlatch", "3C8862ED"], FRONT, LockAction::Unlatch, "Front was opened ("),
        (["lock", "HINTERT\u{dc}R"], BACK, LockAction::Lock, "Hintert\u{fc}r was locked ("),
        (["unlatch", "Bell"], BELL, OpenerAction::Open.command(), "Bell was opened ("),
    ] {
        let said = owner.says(&args).await;
        assert!(said.code == 0 && said.out.starts_with(words) && said.err.is_empty(), "{args:?}: {said:?}");
        assert_eq!(asked(&owner), [(lock, action)], "{args:?}");
    }
    let said = owner.says(&["unlock", "Front", "--json"]).await;
    let answer = said.json();
    assert_eq!((said.code, &answer["outcome"], &answer["action"]), (0, &json!("done"), &json!("unlock")), "{answer}");
    assert!(answer["nukiId"] == FRONT && answer["seconds"].as_f64().unwrap() >= 0.0, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_clear_moves_nothing_and_is_told_what_there_is() {
    let owner = house().await;
    for (args, words) in [
        (["lock", "Fron"], "Hintert\u{fc}r (22222222), Bell (33333333), Front (3C8862ED)"),
        (["unlatch", "00000001"], "Bell (33333333)"),
        (["unlock", "Bell"], "is an Opener and has no bolt; `keyturner unlatch`"),
    ] {
        let said = owner.says(&args).await;
        assert!(said.code == 1 && said.err.contains(words) && said.out.is_empty(), "{args:?}: {said:?}");
    }
    owner.server.doors.script().locks.get_mut(&BACK).unwrap().name = "FRONT".into();
    let said = owner.says(&["unlock", "front"]).await;
    assert!(said.code == 1 && said.err.contains("FRONT (22222222), Front (3C8862ED)"), "{said:?}");
    assert_eq!(owner.says(&["unlock"]).await.code, 2);
    assert_eq!(owner.says(&["unlock", "a", "b"]).await.code, 2);
    assert_eq!(asked(&owner), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_it_is_told_in_words_and_by_the_exit_code() {
    let owner = house().await;
    for (outcome, code, words) in [
        (
            Ok(ActionOutcome::NotDone(NotDone::Failed(CompletionStatus::MotorBlocked))),
            1,
            &["Front was not unlocked (", "ended with motor_blocked"][..],
        ),
        (Ok(ActionOutcome::NotDone(NotDone::NotSent)), 1, &["Front was not unlocked: ", "nothing was sent"]),
        (Err(GatewayError::Unreachable("gone".into())), 1, &["Front was not unlocked: ", "gone"]),
        (
            Ok(ActionOutcome::Unknown),
            3,
            &["it is not known whether Front was unlocked", "`keyturner history` will show"],
        ),
    ] {
        owner.server.doors.script().outcome.clone_from(&outcome);
        let said = owner.says(&["unlock", "Front"]).await;
        assert_eq!(said.code, code, "{outcome:?}: {said:?}");
        assert!(words.iter().all(|words| said.err.contains(words)) && said.out.is_empty(), "{outcome:?}: {said:?}");
        assert_eq!(asked(&owner), [(FRONT, LockAction::Unlock)], "never a second time: {outcome:?}");
    }
    owner.server.doors.script().outcome = Ok(ActionOutcome::Unknown);
    let said = owner.says(&["unlock", "Front", "--json"]).await;
    assert_eq!((said.code, &said.json()["outcome"]), (3, &json!("unknown")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_nothing_is_asked_and_the_exit_code_says_so() {
    let owner = house().await;
    for command in ["lock", "unlock", "unlatch"] {
        let said = owner.says_alone(&[command, "Front"]).await;
        assert!(said.code == 4 && said.err.contains("is `keyturner run` up"), "{said:?}");
    }
    assert_eq!(asked(&owner), []);
}

/// The gateway takes the request and goes away, twice: then it is not known, and both requests had one key.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_under_the_same_key_and_no_other() {
    let owner = house().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = tokio::spawn(async move {
        let mut keys = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&request);
                if count == 0 || text.ends_with('}') || (text.starts_with("GET") && text.ends_with("\r\n\r\n")) {
                    break;
                }
            }
            let text = String::from_utf8(request).unwrap();
            if text.starts_with("GET /v1/locks?") {
                let body = json!({"locks": [{"nukiId": FRONT, "name": "Front", "deviceType": 4}]}).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                tokio::io::AsyncWriteExt::write_all(&mut stream, format!("{head}{body}").as_bytes()).await.unwrap();
                continue;
            }
            let key = text.lines().find_map(|line| line.strip_prefix("Idempotency-Key: ")).unwrap().to_owned();
            keys.push(key);
            if keys.len() == 2 {
                return keys;
            }
        }
    });
    let mut command = owner.command(&["unlatch", "Front"]);
    command.env("KEYTURNER_LISTEN", address.to_string());
    let said = said(command).await;
    assert!(said.code == 3 && said.err.contains("it is not known whether Front was opened"), "{said:?}");
    let keys = gateway.await.unwrap();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_the_wait_is_shown_and_taken_away_again() {
    let owner = house().await;
    let (seen, status) = at_terminal(owner.command(&["unlock", "Front"]), 80).await;
    assert!(status.success() && seen.contains("asking Front to unlock ..."), "{seen:?}");
    let last = seen.rsplit("\r\u{1b}[K").next().unwrap();
    assert!(last.contains("\u{1b}[32mFront was unlocked ("), "in green, on a line of its own: {seen:?}");
    let (seen, _) = at_terminal(owner.command(&["unlock", "Front", "--json"]), 80).await;
    assert!(!seen.contains('\u{1b}'), "{seen:?}");
}
