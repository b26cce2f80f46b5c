//! `/callback/add`, `/callback/list`, `/callback/remove`.

use std::sync::Arc;

use super::super::AppState;
use super::super::doors::Doors;
use super::super::error::Refusal;
use super::super::json::Object;
use super::super::query::Params;
use super::success;
use super::wire::callback_body;
use crate::clock::UnixMillis;
use crate::delivery::Target;
use crate::gateway::LockSnapshot;
use crate::protocol::beacon::NukiId;
use crate::store::{AddCallback, Callback, NewCallback, Store};

/// Registers a URL; the text is kept byte for byte, because clients search the list for their own.
pub(super) async fn add(app: &AppState, doors: &dyn Doors, params: &Params) -> Result<String, Refusal> {
    let url = params.get("url").ok_or(Refusal::BadRequest)?;
    let target = Target::parse(url).map_err(|error| {
        tracing::info!(%error, "a callback was not registered");
        Refusal::BadRequest
    })?;
    let new = NewCallback { url, is_bare: app.callbacks.get().is_bare(&target), at: app.clock.wall() };
    let current = || if app.callbacks.get().state_when_added { states(doors, app.clock.wall()) } else { Vec::new() };
    Ok(match app.store.register_callback(new, current).await? {
        AddCallback::Added(id) => {
            tracing::info!(id, "a callback was registered");
            app.delivery.callbacks_changed();
            success(true)
        }
        AddCallback::AlreadyAdded => failure("callback already added"),
        AddCallback::Full => failure("too many callbacks registered"),
    })
}

/// How each lock stands, as a callback says it.
fn states(doors: &dyn Doors, now: UnixMillis) -> Vec<(NukiId, String)> {
    let told = |lock: Arc<LockSnapshot>| {
        let (states, _) = lock.state?;
        Some((lock.nuki_id, callback_body(&lock, &states, None, now)))
    };
    doors.locks().into_iter().filter_map(told).collect()
}

/// In the order the store keeps: that of registration.
pub(super) async fn list(store: &Store) -> Result<String, Refusal> {
    Ok(listed(&store.callbacks().await?))
}

/// Frees a slot. Something that is no number is a bad request: aionuki sends a printed dictionary.
pub(super) async fn remove(app: &AppState, params: &Params) -> Result<String, Refusal> {
    let id = params.get("id").filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let removed = match id.ok_or(Refusal::BadRequest)?.parse() {
        Ok(id) => app.store.remove_callback(id).await?,
        // A number beyond every slot.
        Err(_) => false,
    };
    if !removed {
        return Ok(failure("callback not found"));
    }
    // Its worker may be waiting to try again.
    app.delivery.callbacks_changed();
    Ok(success(true))
}

/// What a client sees that may not know of any.
pub(super) fn none() -> String {
    listed(&[])
}

fn listed(callbacks: &[Callback]) -> String {
    let item = |object: Object, callback: &Callback| object.int("id", callback.id).text("url", &callback.url);
    Object::new().array("callbacks", callbacks, item).finish()
}

pub(super) fn failure(message: &str) -> String {
    Object::new().bool("success", false).text("message", message).finish()
}
