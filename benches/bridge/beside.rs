//! `/list` and `/lockState` beside a bare axum route that answers the same bytes.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use keyturner::http;
use keyturner::http::bridge::BridgeSettings;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::CONNECTIONS;
use crate::client::{Load, body, load};
use crate::figure::{figure, micros};
use crate::host::TOKEN;
use crate::town::{FIRST_LOCK, Town};

/// Turns that each server takes.
const ROUNDS: u32 = 5;

fn route(body: String) -> Router {
    let answer = get(move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    });
    Router::new().route("/bare", answer)
}

/// axum with its own server: nobody is asked who they are, and nothing is limited.
pub(crate) async fn bare(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = route(body);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The same route behind the server of this program, which limits heads, time and connections.
async fn bare_behind_limits(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http::serve(listener, route(body), std::future::pending()));
    address
}

fn on_one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Whoever serves has one thread, as in `keyturner run`, and who asks has another.
pub(crate) fn measure(within: Duration) {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = on_one_thread();
    let servers = serving.handle().clone();
    let serving = thread::spawn(move || serving.block_on(stopped));
    on_one_thread().block_on(ask(&servers, within));
    drop(stop);
    assert!(serving.join().unwrap().is_err(), "nothing is sent there");
}

/// Locks at rest, states from memory. All take turns, so that whatever else the machine does hits all of them.
async fn ask(servers: &Handle, within: Duration) {
    let bridge = BridgeSettings { lock_state_max_age: 300.try_into().unwrap(), ..BridgeSettings::default() };
    let town = servers.spawn(Town::start(bridge)).await.unwrap();
    for (name, target) in [
        ("/list", format!("/list?token={TOKEN}")),
        ("/lockState", format!("/lockState?nukiId={FIRST_LOCK}&token={TOKEN}")),
    ] {
        let body = body(town.address, &target).await;
        let sides = [
            ("ours", town.address, target.as_str()),
            ("axum", servers.spawn(bare(body.clone())).await.unwrap(), "/bare"),
            ("axum_behind_limits", servers.spawn(bare_behind_limits(body.clone())).await.unwrap(), "/bare"),
        ];
        let mut loads = sides.map(|_| Vec::new());
        for round in 0..=ROUNDS {
            for ((_, address, target), loads) in sides.iter().zip(&mut loads) {
                let load = load(*address, target, CONNECTIONS, within / ROUNDS).await;
                // The first time for nothing, so that nobody pays for the first page fault.
                if round > 0 {
                    loads.push(load);
                }
            }
        }
        let mut values =
            vec![("request", json!(name)), ("bytes", json!(body.len())), ("connections", json!(CONNECTIONS))];
        for ((side, ..), loads) in sides.iter().zip(loads) {
            let load = Load::joined(loads);
            let figures = json!({
                "per_second": load.per_second(),
                "p50_us": micros(load.percentile(50)),
                "p99_us": micros(load.percentile(99)),
            });
            values.push((side, figures));
        }
        figure("http", &values);
    }
}
