//! Fifty clients that look at four locks and move them, all at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::net::TcpStream;

use crate::client::{Load, exchange, keyed, request};
use crate::host::TOKEN;
use crate::show;
use crate::town::{FIRST_LOCK, LOCKS, Town};

const CLIENTS: u32 = 50;
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(10);
/// Each client asks for the state once in so many requests.
const LOOKS: u32 = 20;
/// Each lock is moved once in this time, and every client of it asks for that.
const ROUND: Duration = Duration::from_secs(10);

/// What one client saw.
#[derive(Default)]
struct Seen {
    lists: Vec<Duration>,
    states: Vec<Duration>,
    actions: Vec<Duration>,
    keys: BTreeSet<String>,
}

/// Prints how long each kind of request took.
pub(crate) async fn measure(town: &Town, within: Duration) {
    let before = town.executions();
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|n| tokio::spawn(client(town.address, n, began, within)));
    let mut all = Seen::default();
    for seen in join_all(clients).await {
        let Seen { lists, states, actions, keys } = seen.unwrap();
        all.lists.extend(lists);
        all.states.extend(states);
        all.actions.extend(actions);
        all.keys.extend(keys);
    }
    let (took, executed) = (began.elapsed(), town.executions() - before);
    println!(
        "{CLIENTS} clients for {took:.0?}: {} requests for {} actions, {executed} executed, every answer 200",
        all.actions.len(),
        all.keys.len()
    );
    assert_eq!(usize::try_from(executed), Ok(all.keys.len()), "each action once");
    for (name, times) in [("/list", all.lists), ("/lockState", all.states), ("/lockAction", all.actions)] {
        show(name, &Load::new(times, took));
    }
}

async fn client(address: std::net::SocketAddr, n: u32, began: Instant, within: Duration) -> Seen {
    let lock = FIRST_LOCK + n % LOCKS;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut buffer, mut seen, mut next_round) = (Vec::new(), Seen::default(), 0);
    let list = request(&format!("/list?token={TOKEN}"));
    let state = request(&format!("/lockState?nukiId={lock}&token={TOKEN}"));
    for look in n.. {
        if began.elapsed() >= within {
            break;
        }
        let asked;
        if began.elapsed() >= ROUND * next_round {
            // Unlock, then lock. All clients of a lock name a round alike.
            let (action, key) = (1 + next_round % 2, format!("{lock}-{next_round}"));
            let target = format!("/lockAction?nukiId={lock}&action={action}&token={TOKEN}");
            asked = Instant::now();
            succeed(&mut stream, &keyed(&target, &key), &mut buffer).await;
            seen.actions.push(asked.elapsed());
            seen.keys.insert(key);
            next_round += 1;
        } else if look % LOOKS == 0 {
            asked = Instant::now();
            succeed(&mut stream, &state, &mut buffer).await;
            seen.states.push(asked.elapsed());
        } else {
            asked = Instant::now();
            exchange(&mut stream, &list, &mut buffer).await;
            seen.lists.push(asked.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

async fn succeed(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) {
    let head = exchange(stream, request, buffer).await;
    let body = std::str::from_utf8(&buffer[head..]).unwrap();
    assert!(body.contains("\"success\": true"), "{body}");
}
