//! The files of the page: what goes with them, and what is not in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keyturner::attribution::EventKind;

use crate::http_support::{Reply, Server, TOKEN};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page")
}

/// Each file of the page with what is in it.
fn files() -> Vec<(String, String)> {
    let read =
        |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap());
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| read(entry.unwrap().path())).collect();
    files.sort();
    files
}

fn target(name: &str) -> String {
    if name == "index.html" { "/".to_owned() } else { format!("/page/{name}") }
}

async fn get(server: &Server, target: &str, headers: &str) -> Reply {
    server.request("GET", target, &format!("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n{headers}")).await
}

#[tokio::test]
async fn each_file_is_served_as_it_stands_without_a_credential_and_under_a_strict_policy() {
    let server = Server::start().await;
    for (name, text) in files() {
        let reply = get(&server, &target(&name), "").await;
        assert_eq!((reply.status, &reply.body), (200, &text), "{name}");
        let kind = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(reply.headers["content-type"], kind, "{name}");
        let policy: BTreeSet<&str> = reply.headers["content-security-policy"].split("; ").collect();
        let strict = BTreeSet::from([
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]);
        assert_eq!(policy, strict, "{name}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(reply.headers[header], value, "{name}");
        }
        assert!(reply.headers["permissions-policy"].contains("bluetooth=()"));
        assert!(!reply.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn a_browser_that_has_a_file_gets_no_second_copy() {
    let server = Server::start().await;
    let mut tags = BTreeSet::new();
    for (name, _) in files() {
        let tag = get(&server, &target(&name), "").await.headers["etag"].clone();
        let again = get(&server, &target(&name), &format!("If-None-Match: {tag}\r\n")).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{name}");
        assert!(again.headers.contains_key("content-security-policy"), "{name}");
        assert_eq!(get(&server, &target(&name), "If-None-Match: \"other\"\r\n").await.status, 200, "{name}");
        let head = server.request("HEAD", &target(&name), "Accept: text/html\r\n").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{name}");
        assert!(tags.insert(tag), "{name}: what differs has another tag");
    }
}

#[tokio::test]
async fn the_root_is_the_page_for_browsers_and_a_bridges_for_its_clients() {
    let server = Server::start().await;
    for accept in ["", "Accept: */*\r\n", "Accept: application/json\r\n"] {
        assert_eq!(server.request("GET", "/", accept).await.pair(), (400, "HTTP 400 Bad Request"), "{accept}");
    }
    let reply = server.request("POST", "/", "Accept: text/html\r\nContent-Length: 0\r\n").await;
    assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET, HEAD"));
    for target in
        ["/page", "/page/", "/page/../Cargo.toml", "/page/%2e%2e/mod.rs", "/page/nothing.js", "/PAGE/page.css"]
    {
        assert_eq!(get(&server, target, "").await.status, 404, "{target}");
    }
}

/// The page shows nothing until somebody logs in, so a link on a dashboard may lead to it; a rebound name still may not.
#[tokio::test]
async fn a_link_of_another_site_opens_the_page_and_nothing_else() {
    let server = Server::start().await;
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    assert_eq!(get(&server, "/", link).await.status, 200);
    for target in ["/v1/history".to_owned(), format!("/list?token={TOKEN}"), format!("/v1/health?token={TOKEN}")] {
        assert_eq!(get(&server, &target, link).await.status, 403, "{target}");
    }
    for embedded in [
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n",
        "Origin: http://evil.example\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
    ] {
        for target in ["/", "/page/main.js"] {
            assert_eq!(get(&server, target, embedded).await.status, 403, "{embedded}");
        }
    }
    let rebound = "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
                   Sec-Fetch-Dest: document\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(rebound).await.status, 403);
}

#[test]
fn nothing_in_the_page_turns_text_into_markup_or_script() {
    for (name, text) in files() {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            "localStorage",
            "sessionStorage",
            "style=",
            ".style",
            "javascript:",
            "<style",
            " onclick",
            " onerror",
            "http://www.w3.org/1999",
        ] {
            assert!(!text.contains(forbidden), "{name} has {forbidden}");
        }
    }
    let page = fs::read_to_string(folder().join("index.html")).unwrap();
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains(r#"<script type="module" src="/page/main.js"></script>"#), "no script in the page itself");
}

#[test]
fn every_file_that_is_named_is_there_and_none_is_left_over() {
    let files = files();
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let mut named = BTreeSet::from(["index.html"]);
    for (name, text) in &files {
        let imports = text.split("from \"./").skip(1).chain(text.split("\"/page/").skip(1));
        for import in imports.map(|rest| rest.split('"').next().unwrap()) {
            assert!(names.contains(import), "{name} wants {import}");
            named.insert(import);
        }
    }
    assert_eq!(named, names);
    let size: usize = files.iter().map(|(_, text)| text.len()).sum();
    assert!(size < 100_000, "a page that stays small: {size} bytes");
}

/// A browser has to name each kind of message that it wants to hear of.
#[test]
fn the_page_listens_for_every_kind_of_event() {
    let script = fs::read_to_string(folder().join("event.js")).unwrap();
    let list = script.split("export const KINDS = [").nth(1).unwrap().split(']').next().unwrap();
    let known: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(known, EventKind::NAMES.into_iter().collect());
}
