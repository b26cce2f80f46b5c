//! A client becomes a user, and nobody else does.

use keyturner::protocol::reply::Reply;
use keyturner::protocol::{IdType, LockAction, StatusCode};

use crate::support::bench::Bench;

#[test]
fn a_bridge_pairs_and_unlocks() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let replies = bench.lock_action(&client, LockAction::Unlock, Some(" #1"));
    assert_eq!(replies[0], Reply::Status(StatusCode::Accepted));
    bench.pass(std::time::Duration::from_secs(2));
    assert_eq!(bench.lock.executions(client.app_id, " #1"), 1);
}
