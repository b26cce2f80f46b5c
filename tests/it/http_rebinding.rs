//! A page in somebody's browser cannot use this gateway, and no real client is taken for one.

use keyturner::http::{Authenticator, DEFAULT_WINDOW, Gate, PlainTokens, Token};

use crate::http_support::{FRONT, NOW, Reply, Server, TOKEN};

async fn ask(server: &Server, target: &str, headers: &str) -> Reply {
    server.raw(&format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).await
}

fn open() -> String {
    format!("/lockAction?nukiId={FRONT}&action=3&token={TOKEN}")
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_before_its_credential_is_looked_at() {
    let server = Server::start().await;
    for headers in [
        "Host: 192.168.1.20:8080\r\nOrigin: http://evil.example\r\n",
        "Host: 192.168.1.20:8080\r\nOrigin: null\r\n",
        "Host: 192.168.1.20:8080\r\nOrigin: http://192.168.1.20\r\n",
        "Host: 192.168.1.20:8080\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: 192.168.1.20:8080\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        for target in [open(), "/list".to_owned(), "/v1/history".to_owned(), "/nothing".to_owned()] {
            let reply = ask(&server, &target, headers).await;
            assert_eq!(reply.pair(), (403, "HTTP 403 Forbidden: asked for by a page of another site"), "{headers}");
            assert!(reply.headers.keys().all(|name| !name.starts_with("access-control")), "{reply:?}");
        }
    }
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn a_rebound_name_is_refused_to_a_browser_even_with_the_right_token() {
    let server = Server::start().await;
    for mark in [
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n",
        "Origin: http://evil.example:8080\r\n",
        "Referer: http://evil.example:8080/\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Mode: cors\r\n",
    ] {
        let reply = ask(&server, &open(), &format!("Host: evil.example:8080\r\n{mark}")).await;
        assert_eq!(reply.status, 403, "{mark}");
        assert!(reply.body.contains("`hosts`"), "it says what to do: {}", reply.body);
    }
    assert!(server.doors.script().acted.is_empty());
}

/// What pages can leave out or fake, they can: then nothing but the credential stands between, which is enough.
#[tokio::test]
async fn without_any_mark_of_a_browser_the_credential_still_decides() {
    let server = Server::start().await;
    for target in [format!("/lockAction?nukiId={FRONT}&action=3"), "/list".to_owned(), "/callback/list".to_owned()] {
        let headers = "Host: evil.example:8080\r\nUser-Agent: curl/8\r\nCookie: token=s3cret\r\n";
        assert_eq!(ask(&server, &target, headers).await.status, 401);
    }
    let basic = "Host: 192.168.1.20\r\nAuthorization: Basic YTpzM2NyZXQ=\r\n";
    assert_eq!(ask(&server, "/v1/history", basic).await.status, 401, "no password that browsers would repeat");
    assert!(!ask(&server, "/v1/history", basic).await.headers["www-authenticate"].contains("Basic"));
    let preflight = "OPTIONS /list HTTP/1.1\r\nHost: 192.168.1.20\r\nAccess-Control-Request-Method: GET\r\n\
                     Connection: close\r\n\r\n";
    let reply = server.raw(preflight).await;
    assert_eq!(reply.status, 405);
    assert!(reply.headers.keys().all(|name| !name.starts_with("access-control")), "{reply:?}");
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn no_real_client_is_taken_for_a_page() {
    let server = Server::start().await;
    for headers in [
        "Host: 192.168.1.20:8080\r\nUser-Agent: python-requests/2.31.0\r\nAccept: */*\r\n",
        "Host: door.example.org:8080\r\nUser-Agent: HomeAssistant/2026.11 aiohttp/3.9\r\n",
        "Host: bridge.example.net\r\nUser-Agent: fhem\r\nAccept-Encoding: gzip,deflate\r\n",
        "Host: nuki:8080\r\nContent-Type: application/json;charset=utf-8\r\n",
        "Host: keyturner.local:8080\r\nUser-Agent: got (https://github.com/sindresorhus/got)\r\n",
        "Host: [fd00::20]:8080\r\nUser-Agent: Jetty/9.4\r\n",
        // An owner who types the address.
        "Host: 192.168.1.20:8080\r\nUser-Agent: Mozilla/5.0\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n",
        "Host: nas.fritz.box:8080\r\nUser-Agent: Mozilla/5.0\r\n",
        // A page of this machine itself.
        "Host: keyturner.lan:8080\r\nOrigin: http://keyturner.lan:8080\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(ask(&server, &format!("/list?token={TOKEN}"), headers).await.status, 200, "{headers}");
    }
    let old = server.raw(&format!("GET /list?token={TOKEN} HTTP/1.0\r\n\r\n")).await;
    assert_eq!(old.status, 200, "without any Host");
}

/// `/auth` and discovery ask for no credential, so a page could read there what it wants; it has no mark to be known by
/// if its browser sends none.
#[tokio::test]
async fn what_answers_without_a_credential_answers_under_names_of_the_house_alone() {
    let server = Server::start().await;
    let open = server.post("/v1/bridge/auth").await;
    assert_eq!(open.status, 200, "{}", open.body);
    for host in ["evil.example:8080", "api.nuki.io.evil.example", "xapi.nuki.io", "", "\u{e9}"] {
        for target in ["/auth", "/discover/bridges", "/DISCOVER/Bridges"] {
            let reply = ask(&server, target, &format!("Host: {host}\r\nUser-Agent: curl/8\r\n")).await;
            assert_eq!(reply.status, 403, "{target} {host}: {}", reply.body);
            assert!(!reply.body.contains(TOKEN), "{target} {host}");
        }
    }
    // A name server of the house leads clients here under the vendor's name, which no other page has.
    for host in ["api.nuki.io", "API.nuki.io:80", "api.nuki.io.", "192.168.1.20:8080", "keyturner.local"] {
        let reply = ask(&server, "/discover/bridges", &format!("Host: {host}\r\nUser-Agent: okhttp/4\r\n")).await;
        assert_eq!(reply.status, 200, "{host}");
        assert!(!reply.body.contains(TOKEN), "{host}");
    }
    let browser = "Host: api.nuki.io\r\nUser-Agent: Mozilla/5.0\r\n";
    assert_eq!(ask(&server, "/discover/bridges", browser).await.status, 403);
    let vendors = ask(&server, "/auth", "Host: api.nuki.io\r\nUser-Agent: okhttp/4\r\n").await;
    assert_eq!(vendors.status, 403, "the token goes to nobody who asks for another machine");
    let granted = ask(&server, "/auth", "Host: 192.168.1.20:8080\r\nUser-Agent: python-requests/2.31.0\r\n").await;
    assert!(granted.status == 200 && granted.body.contains(TOKEN), "{}", granted.body);
}

#[tokio::test]
async fn a_name_that_the_owner_has_given_is_one_of_the_house() {
    let auth = Authenticator::new(vec![Token::new("hallway", TOKEN).unwrap()], DEFAULT_WINDOW, NOW);
    let gate = Gate::new(auth, PlainTokens::Local).with_hosts(vec!["door.example.org".to_owned()]);
    let server = Server::start_behind(gate).await;
    let browser = |host: &str| format!("Host: {host}\r\nUser-Agent: Mozilla/5.0\r\n");
    assert_eq!(ask(&server, &format!("/list?token={TOKEN}"), &browser("door.example.org:8443")).await.status, 200);
    assert_eq!(ask(&server, &format!("/list?token={TOKEN}"), &browser("other.example.org")).await.status, 403);
}
