//! No secret of a request reaches the log, however loud it is.

use keyturner::gateway::GatewayError;
use tracing::level_filters::LevelFilter;

use crate::http_support::{Server, TOKEN};
use crate::page_session::{OWN_PAGE, request};
use crate::support::journal::Journal;

#[tokio::test]
async fn no_line_holds_a_token_a_query_or_a_callback_url() {
    let journal = Journal::new(LevelFilter::TRACE);
    let server = Server::start().await;
    server.doors.script().state = Err(GatewayError::QueueFull);
    for target in [
        "/lockAction?nukiId=1015571181&action=1&note=qu3ry",
        "/lockState?nukiId=1015571181&note=qu3ry",
        "/unpair?nukiId=1015571181&note=qu3ry",
        "/configAuth?enable=0&note=qu3ry",
        "/fwupdate?note=qu3ry",
        "/reboot?note=qu3ry",
        "/factoryReset?note=qu3ry",
        "/log?note=qu3ry",
        "/callback/add?url=http://ha:8123/api/webhook/qu3ry",
        "/callback/add?url=https://ha:8123/api/webhook/qu3ry",
        "/v1/history?limit=qu3ry",
        "/qu3ry",
    ] {
        server.get(target).await;
    }
    assert_eq!(server.post("/v1/bridge/auth").await.status, 200);
    assert!(server.request("GET", "/auth?note=qu3ry", "").await.body.contains(TOKEN));
    server.raw("GET /list?token=qu3ry HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    for header in ["Authorization: Bearer qu3ry", "Authorization: Basic qu3ry", "Last-Event-ID: qu3ry", "Accept: qu3ry"]
    {
        server.request("GET", "/v1/events?cursor=qu3ry", &format!("{header}\r\n")).await;
        server.get_with("/v1/events", &format!("{header}\r\nAccept: text/html\r\n")).await;
    }
    let session = server.log_in(TOKEN).await;
    let id = session.trim().rsplit('=').next().unwrap();
    for target in ["/v1/history", "/v1/session", "/v1/nothing", "/list"] {
        server.request("GET", target, &session).await;
        server.request("GET", target, "Cookie: keyturner=qu3ry\r\n").await;
    }
    let guess = request("POST", "/v1/session", OWN_PAGE, r#"{"token":"qu3ry"}"#);
    assert_eq!(server.raw(&guess).await.status, 401);
    let log_out = request("DELETE", "/v1/session", &format!("{session}{OWN_PAGE}"), "");
    assert_eq!(server.raw(&log_out).await.status, 204);
    let log = String::from_utf8(journal.bytes()).unwrap();
    assert!(!log.contains(id), "{log}");
    for line in [
        "a browser has logged in",
        "a browser has logged out",
        "an action was asked for",
        "a wrong token",
        "/auth has handed out the token",
    ] {
        assert!(log.contains(line), "{line} is missing: {log}");
    }
    assert!(!log.contains(TOKEN) && !log.contains("qu3ry"), "{log}");
}
