//! A running gateway notices what its owner does to the tokens.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::clock::UnixMillis;
use keyturner::daemon::Keys;
use keyturner::secrets::{ClientToken, Secrets};
use keyturner::tokens;
use tempfile::TempDir;

use crate::http_support::Server;

struct House {
    server: Server,
    dir: TempDir,
    first: String,
}

impl House {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let version = Secrets::version(dir.path()).unwrap();
        let secrets = Secrets::load_or_create(dir.path()).unwrap();
        let server = Server::start_with(tokens::of(&secrets).unwrap()).await;
        let keys = Keys::new(server.gate.clone(), server.news.clone());
        tokio::spawn(tokens::watch(dir.path().to_owned(), keys, version));
        let first = secrets.bridge.token.expose().to_owned();
        Self { server, dir, first }
    }

    /// The owner changes something; gives what a running gateway has made of it soon after.
    async fn change(&self, change: impl FnOnce(&mut Secrets)) {
        let mut secrets = Secrets::load(self.dir.path()).unwrap().unwrap();
        change(&mut secrets);
        secrets.save().unwrap();
        self.pass_time().await;
    }

    async fn pass_time(&self) {
        tokio::time::sleep(tokens::LOOK_EVERY + Duration::from_millis(100)).await;
    }

    async fn status(&self, token: &str) -> u16 {
        self.server.bridge_as(token, "/list").await.status
    }
}

fn guest() -> (ClientToken, String) {
    let access = Access::new([Scope::Read], None);
    let (token, text) = ClientToken::for_bridge("guest".to_owned(), access, UnixMillis(0), None).unwrap();
    (token, text.as_str().to_owned())
}

#[tokio::test(start_paused = true)]
async fn added_and_revoked_tokens_count_without_a_restart() {
    let house = House::new().await;
    let (token, text) = guest();
    assert_eq!((house.status(&house.first).await, house.status(&text).await), (200, 401));
    house.change(|secrets| secrets.add_token(token).unwrap()).await;
    assert_eq!((house.status(&house.first).await, house.status(&text).await), (200, 200));
    house.change(|secrets| assert!(secrets.revoke_token("guest"))).await;
    assert_eq!((house.status(&house.first).await, house.status(&text).await), (200, 401));
    house.change(|secrets| secrets.renew_first_token().unwrap()).await;
    assert_eq!(house.status(&house.first).await, 401);
    let next = Secrets::load(house.dir.path()).unwrap().unwrap().bridge.token.expose().to_owned();
    assert_eq!(house.status(&next).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_secret_store_that_cannot_be_read_changes_nothing_until_it_can() {
    let house = House::new().await;
    let (token, text) = guest();
    let path = Secrets::load(house.dir.path()).unwrap().unwrap().path();
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"{").unwrap();
    house.pass_time().await;
    assert_eq!(house.status(&house.first).await, 200);
    std::fs::remove_file(&path).unwrap();
    house.pass_time().await;
    assert_eq!(house.status(&house.first).await, 200);
    std::fs::write(&path, good).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    house.change(|secrets| secrets.add_token(token).unwrap()).await;
    assert_eq!((house.status(&house.first).await, house.status(&text).await), (200, 200));
}
