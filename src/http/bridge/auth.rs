//! `/auth`, `/configAuth`, and what the discovery service would say of this bridge.

use std::net::{Ipv4Addr, SocketAddr};

use super::super::AppState;
use super::super::error::Refusal;
use super::super::json::Object;
use super::super::query::Params;
use super::success;
use super::window::Verdict;
use super::wire::timestamp;

/// Hands out the token, if the owner has opened the window. Parameters are ignored: aionuki signs with no token.
pub(super) async fn auth(app: &AppState) -> Result<String, Refusal> {
    match app.bridge.window.ask().await {
        Verdict::Granted => match app.bridge.host.hand_out_token() {
            Ok(token) => {
                tracing::warn!("/auth has handed out the token; the window is shut");
                Ok(Object::new().bool("success", true).text("token", token.expose()).finish())
            }
            Err(error) => {
                tracing::error!(%error, "/auth could not hand out the token");
                Err(Refusal::Internal)
            }
        },
        Verdict::NotGranted => Ok(success(false)),
        Verdict::Off => Err(Refusal::Forbidden),
        Verdict::TooMany => Err(Refusal::QueryUnavailable),
    }
}

/// Switches `/auth` on or off, for good.
pub(super) async fn config(app: &AppState, params: &Params) -> Result<String, Refusal> {
    let is_enabled = match params.get("enable") {
        Some("0") => false,
        Some("1") => true,
        _ => return Err(Refusal::BadRequest),
    };
    app.store.set_auth_enabled(is_enabled).await?;
    app.bridge.window.enable(is_enabled);
    tracing::warn!(is_enabled, "/auth was switched");
    Ok(success(true))
}

/// The answer of the vendor's discovery service about this bridge alone, for a client that is led here instead. A bridge
/// that does not want to be found says so by an address without meaning, as hardware does.
pub(super) fn discover(app: &AppState, host: Option<&str>) -> String {
    let inviting = app.bridge.window.is_inviting();
    let address = reached_at(app.bridge.listen, host).filter(|_| inviting);
    let address = address.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let bridge = |object: Object, address: SocketAddr| {
        object
            .int("bridgeId", app.identity.server_id())
            .text("ip", &address.ip().to_string())
            .int("port", address.port())
            .text("dateUpdated", &timestamp(app.clock.wall()).replace("+00:00", "Z"))
    };
    Object::new().array("bridges", [address], bridge).int("errorCode", 0).finish()
}

/// Where a client reaches us. A gateway that listens everywhere knows no address of its own; the client has used one.
fn reached_at(listen: SocketAddr, host: Option<&str>) -> Option<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return Some(listen);
    }
    let host = host?;
    let address = host.parse().ok().or_else(|| Some(SocketAddr::new(host.parse().ok()?, listen.port())));
    address.filter(|address: &SocketAddr| !address.ip().is_unspecified())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_everywhere_is_where_the_client_has_found_it() {
        let at = |listen: &str, host| reached_at(listen.parse().unwrap(), host).map(|address| address.to_string());
        assert_eq!(at("192.0.2.7:8080", Some("192.0.2.9:1")).as_deref(), Some("192.0.2.7:8080"));
        assert_eq!(at("0.0.0.0:8080", Some("192.0.2.9:80")).as_deref(), Some("192.0.2.9:80"));
        assert_eq!(at("0.0.0.0:8080", Some("192.0.2.9")).as_deref(), Some("192.0.2.9:8080"));
        for host in [None, Some(""), Some("api.nuki.io"), Some("0.0.0.0"), Some("0.0.0.0:1")] {
            assert_eq!(at("0.0.0.0:8080", host), None, "{host:?}");
        }
    }
}
