//! The simulated radio behaves like one.

use keyturner::protocol::{IdType, LockAction};
use keyturner::transport::sim::SimSettings;

use crate::support::central::{Central, pair, radio};

#[tokio::test(start_paused = true)]
async fn a_client_pairs_and_unlocks_over_the_air() {
    let (radio, door) = radio(SimSettings::default());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    central.act(LockAction::Unlock, " #1").await.unwrap();
    let replies = central.until_complete().await;
    assert_eq!(replies.len(), 4, "{replies:?}");
    assert_eq!(door.inspect(|lock| lock.executions_total()), 1);
}
