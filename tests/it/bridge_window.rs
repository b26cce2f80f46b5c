//! `/auth`: the token goes to one client, in a window that the owner has opened, and to nobody else.

use std::time::Duration;

use keyturner::store::Store;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::http_support::{Reply, Server, TOKEN};

const GRANTED: (u16, &str) = (200, r#"{"success": true, "token": "s3cret"}"#);
const NOT_GRANTED: (u16, &str) = (200, r#"{"success": false}"#);
const OFF: (u16, &str) = (403, "HTTP 403 Forbidden");

async fn ask(server: &Server) -> Reply {
    // aionuki signs with no token: parameters mean nothing here.
    server.request("GET", "/auth?ts=2024-04-06T06:02:15Z&rnr=1&hash=00", "").await
}

fn ask_meanwhile(server: &Server) -> JoinHandle<String> {
    let address = server.address;
    tokio::spawn(async move {
        let request = "GET /auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        crate::http_support::exchange(address, request).await
    })
}

async fn open(server: &Server, seconds: u16) {
    let reply = server.post(&format!("/v1/bridge/auth?seconds={seconds}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test(start_paused = true)]
async fn it_is_off_unless_somebody_has_switched_it_on() {
    let server = Server::start().await;
    assert_eq!(ask(&server).await.pair(), OFF);
    assert_eq!(server.get("/configAuth?enable=1").await.status, 200);
    assert_eq!(ask(&server).await.pair(), NOT_GRANTED);
    assert_eq!(server.get("/configAuth?enable=0").await.status, 200);
    assert_eq!(ask(&server).await.pair(), OFF);
    assert_eq!(server.request("GET", "/configAuth?enable=1", "").await.status, 401);
    assert_eq!(ask(&server).await.pair(), OFF, "whoever has no token switches nothing");
}

#[tokio::test]
async fn the_switch_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyturner.db");
    let store = Store::open(&path).await.unwrap();
    assert!(!store.auth_enabled().await.unwrap());
    for enabled in [true, false, true] {
        store.set_auth_enabled(enabled).await.unwrap();
        assert_eq!(Store::open(&path).await.unwrap().auth_enabled().await.unwrap(), enabled);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_open_window_a_client_is_held_for_thirty_seconds() {
    let server = Server::start().await;
    server.get("/configAuth?enable=1").await;
    let asked = Instant::now();
    assert_eq!(ask(&server).await.pair(), NOT_GRANTED);
    let held = asked.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&held), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn in_the_window_the_first_client_gets_the_token_at_once_and_the_second_does_not() {
    let server = Server::start().await;
    open(&server, 120).await;
    let asked = Instant::now();
    assert_eq!(ask(&server).await.pair(), GRANTED);
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(ask(&server).await.pair(), OFF, "the owner's window does not switch /auth on for everybody else");
}

#[tokio::test(start_paused = true)]
async fn a_window_shuts_by_itself_and_with_the_switch() {
    let server = Server::start().await;
    open(&server, 5).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&server).await.pair(), OFF);
    open(&server, 600).await;
    server.get("/configAuth?enable=0").await;
    assert_eq!(ask(&server).await.pair(), OFF);
}

#[tokio::test(start_paused = true)]
async fn of_those_who_are_held_one_gets_the_token_when_the_window_opens() {
    let server = Server::start().await;
    server.get("/configAuth?enable=1").await;
    let waiting: Vec<_> = (0..3).map(|_| ask_meanwhile(&server)).collect();
    sleep(Duration::from_secs(10)).await;
    assert!(waiting.iter().all(|request| !request.is_finished()));
    open(&server, 120).await;
    let answers = futures::future::join_all(waiting).await;
    let answers: Vec<String> = answers.into_iter().map(Result::unwrap).collect();
    let granted = answers.iter().filter(|answer| answer.contains(TOKEN)).count();
    let refused = answers.iter().filter(|answer| answer.ends_with(NOT_GRANTED.1)).count();
    assert_eq!((granted, refused), (1, 2), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn switching_it_off_ends_every_wait() {
    let server = Server::start().await;
    server.get("/configAuth?enable=1").await;
    let waiting = ask_meanwhile(&server);
    sleep(Duration::from_secs(1)).await;
    let switched = Instant::now();
    server.get("/configAuth?enable=0").await;
    assert!(waiting.await.unwrap().ends_with(NOT_GRANTED.1));
    assert!(switched.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stops_holds_nobody() {
    let server = Server::start().await;
    server.get("/configAuth?enable=1").await;
    let waiting = ask_meanwhile(&server);
    sleep(Duration::from_secs(1)).await;
    let stopped = Instant::now();
    server.window.end();
    assert!(waiting.await.unwrap().ends_with(NOT_GRANTED.1));
    assert_eq!(ask(&server).await.pair(), NOT_GRANTED, "who comes later is not held either");
    assert!(stopped.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_eight_are_held_because_anybody_may_ask() {
    let server = Server::start().await;
    server.get("/configAuth?enable=1").await;
    let waiting: Vec<_> = (0..8).map(|_| ask_meanwhile(&server)).collect();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&server).await.pair(), (503, "HTTP 503 Service Unavailable"));
    for request in waiting {
        assert!(request.await.unwrap().ends_with(NOT_GRANTED.1));
    }
    assert_eq!(ask(&server).await.pair(), NOT_GRANTED, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_read_is_no_token() {
    let server = Server::start().await;
    server.host.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    open(&server, 120).await;
    let reply = ask(&server).await;
    assert_eq!(reply.pair(), (500, "HTTP 500 Internal Server Error"));
}

#[tokio::test]
async fn the_window_is_the_owners_and_has_limits() {
    let server = Server::start().await;
    assert_eq!(server.request("POST", "/v1/bridge/auth", "Content-Length: 0\r\n").await.status, 401);
    assert_eq!(server.get("/v1/bridge/auth").await.status, 405);
    for seconds in ["0", "601", "-1", "x", "99999999"] {
        let reply = server.post(&format!("/v1/bridge/auth?seconds={seconds}")).await;
        assert_eq!((reply.status, &reply.json()["parameter"]), (400, &"seconds".into()), "{seconds}");
    }
    assert_eq!(ask(&server).await.pair(), OFF);
}
