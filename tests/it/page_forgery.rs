//! With a browser's session, what changes something is done for our own page alone.

use serde_json::json;

use crate::http_support::{FRONT, Server, TOKEN};
use crate::page_session::{OWN_PAGE, request};

const UNLATCH: &str = r#"{"action": "unlatch"}"#;

fn act() -> String {
    format!("/v1/locks/{FRONT}/actions")
}

#[tokio::test]
async fn a_door_moves_for_our_own_page_and_for_no_other() {
    let server = Server::start().await;
    let shown = server.log_in(TOKEN).await;
    let key = "Idempotency-Key: k1\r\n";
    for forged in [
        // A form, a program in a browser, a page of another site or of another port of this host.
        "",
        "Keyturner-Page: 1\r\n",
        "Origin: http://x\r\n",
        "Origin: http://evil.example\r\nKeyturner-Page: 1\r\n",
        "Origin: http://x:9000\r\nKeyturner-Page: 1\r\n",
        "Origin: null\r\nKeyturner-Page: 1\r\n",
        "Origin: http://x\r\nKeyturner-Page: 1\r\nSec-Fetch-Site: same-site\r\n",
        "Origin: http://x\r\nKeyturner-Page: 1\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        for (method, target) in [("POST", act()), ("DELETE", "/v1/session".to_owned())] {
            let reply = server.raw(&request(method, &target, &format!("{shown}{key}{forged}"), UNLATCH)).await;
            assert_eq!(reply.status, 403, "{method} {forged}: {}", reply.body);
        }
        assert!(server.doors.script().acted.is_empty(), "{forged}");
    }
    let reply = server.raw(&request("POST", &act(), &format!("{shown}{key}{OWN_PAGE}"), UNLATCH)).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (200, &json!("done")), "{}", reply.body);
    assert_eq!(server.doors.script().acted.len(), 1);
}

/// No page of another site gets leave to send the header of our own.
#[tokio::test]
async fn nobody_is_given_leave_to_ask_across_sites() {
    let server = Server::start().await;
    let shown = server.log_in(TOKEN).await;
    for headers in ["Origin: http://evil.example\r\n", "Origin: http://x\r\n", ""] {
        let wish = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: keyturner-page\r\n";
        let reply = server.request("OPTIONS", &act(), &format!("{shown}{headers}{wish}")).await;
        assert_ne!(reply.status / 100, 2, "{headers}");
        assert!(reply.headers.keys().all(|name| !name.starts_with("access-control")), "{reply:?}");
    }
}

#[tokio::test]
async fn nobody_is_logged_in_by_a_page_of_another_site() {
    let server = Server::start().await;
    let body = json!({ "token": TOKEN }).to_string();
    for headers in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let reply = server.raw(&request("POST", "/v1/session", headers, &body)).await;
        assert_eq!((reply.status, reply.headers.get("set-cookie")), (403, None), "{headers}");
    }
}

/// Programs keep their token, and are asked for no header.
#[tokio::test]
async fn a_program_that_shows_its_token_is_not_taken_for_a_page() {
    let server = Server::start().await;
    let headers = format!("Authorization: Bearer {TOKEN}\r\nIdempotency-Key: k\r\n");
    let reply = server.raw(&request("POST", &act(), &headers, UNLATCH)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}
