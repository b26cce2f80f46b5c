//! The wire form, byte for byte.

use keyturner::gateway::{GatewayError, LockSnapshot, ScanResult};
use keyturner::http::BridgeIdentity;
use keyturner::protocol::beacon::Family;
use keyturner::protocol::state::{AccessoryBattery, Battery};
use keyturner::protocol::{DoorSensorState, LockState, NukiState};

use crate::http_support::{FRONT, NOW, Server, TOKEN, front, states};

#[tokio::test]
async fn the_list_of_a_lock_3_is_the_hardwares() {
    let server = Server::start().await;
    let reply = server.get("/list").await;
    assert_eq!(
        reply.body,
        r#"[{"deviceType": 4, "nukiId": 1015571181, "name": "Front", "firmwareVersion": "4.2.6", "lastKnownState": {"mode": 2, "state": 3, "stateName": "unlocked", "batteryCritical": false, "batteryCharging": false, "batteryChargeState": 96, "doorsensorState": 2, "doorsensorStateName": "door closed", "timestamp": "2024-04-06T06:00:51+00:00"}}]"#
    );
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["content-length"], reply.body.len().to_string());
    assert!(!reply.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn the_list_leaves_out_what_is_not_known_and_escapes_what_is_not_ascii() {
    let server = Server::start().await;
    let unread = LockSnapshot { name: "Tür [1]".into(), firmware_version: None, state: None, ..front() };
    server.doors.script().locks.insert(FRONT, unread);
    assert_eq!(
        server.get("/list").await.body,
        r#"[{"deviceType": 4, "nukiId": 1015571181, "name": "T\u00fcr  1 ", "firmwareVersion": "0.0.0"}]"#
    );
    server.doors.script().locks.clear();
    assert_eq!(server.get("/list").await.body, "[]");
}

#[tokio::test]
async fn the_list_of_other_models_has_only_the_keys_they_have() {
    let server = Server::start().await;
    let mut old = states(LockState::UnlockedLockNGo);
    (old.battery, old.door_sensor, old.accessory_battery) = (Battery(1), None, None);
    let lock_1 = LockSnapshot { device_type: 0, state: Some((old, NOW)), ..front() };
    server.doors.script().locks.insert(FRONT, lock_1);
    assert!(server.get("/list").await.body.ends_with(
        r#""lastKnownState": {"mode": 2, "state": 6, "stateName": "unlocked (lock \u2018n\u2019 go)", "batteryCritical": true, "timestamp": "2024-04-06T06:03:01+00:00"}}]"#
    ));

    let mut ring = states(LockState::Locked);
    ring.nuki_state = NukiState::Continuous;
    let opener = LockSnapshot { device_type: 2, state: Some((ring, NOW)), ..front() };
    server.doors.script().locks.insert(FRONT, opener);
    assert!(server.get("/list").await.body.ends_with(
        r#""lastKnownState": {"mode": 3, "state": 1, "stateName": "online", "batteryCritical": false, "ringactionState": false, "timestamp": "2024-04-06T06:03:01+00:00"}}]"#
    ));

    let mut keypad = states(LockState::Calibration);
    keypad.accessory_battery = Some(AccessoryBattery(0b11));
    keypad.door_sensor = Some(DoorSensorState::Tampered);
    server.doors.script().locks.insert(FRONT, LockSnapshot { state: Some((keypad, NOW)), ..front() });
    assert!(server.get("/list").await.body.contains(
        r#"{"mode": 2, "state": 255, "stateName": "undefined", "batteryCritical": false, "batteryCharging": false, "batteryChargeState": 96, "keypadBatteryCritical": true, "doorsensorState": 240, "doorsensorStateName": "removed", "timestamp""#
    ));
}

#[tokio::test(start_paused = true)]
async fn info_is_the_hardwares_with_scan_results_last() {
    let server = Server::start().await;
    let heard = |nuki_id, family, rssi| ScanResult { nuki_id, family, rssi, last_seen: NOW };
    server.doors.script().heard =
        vec![heard(0x377D_EC12, Family::Opener, Some(-55)), heard(FRONT, Family::Lock, Some(-61))];
    assert_eq!(
        server.get("/info").await.body,
        r#"{"bridgeType": 1, "ids": {"hardwareId": 1013065235, "serverId": 1754925342}, "versions": {"firmwareVersion": "2.18.0", "wifiFirmwareVersion": "2.4.0"}, "uptime": 0, "currentTime": "2024-04-06T06:03:01+00:00", "wlanConnected": true, "serverConnected": false, "scanResults": [{"deviceType": 2, "nukiId": 930999314, "name": "Nuki_Opener_377DEC12", "rssi": -55, "paired": false}, {"deviceType": 4, "nukiId": 1015571181, "name": "Nuki_3C8862ED", "rssi": -61, "paired": true}]}"#
    );
}

#[tokio::test]
async fn lock_state_is_read_live_and_found_by_decimal_or_hex_number() {
    let server = Server::start().await;
    let expected = r#"{"mode": 2, "state": 1, "stateName": "locked", "batteryCritical": false, "batteryCharging": false, "batteryChargeState": 96, "doorsensorState": 2, "doorsensorStateName": "door closed", "success": true}"#;
    for query in [
        "nukiId=1015571181&deviceType=0",
        "nukiId=3C8862ED",
        "NUKIID=3c8862ed&deviceType=",
        "nukiid=1&nukiID=1015571181",
    ] {
        assert_eq!(server.get(&format!("/lockState?{query}")).await.pair(), (200, expected), "{query}");
    }
    assert_eq!(server.get("/lockState?nukiId=5").await.pair(), (404, "HTTP 404 Not Found"));
    for bad in ["/lockState", "/lockState?nukiId=", "/lockState?nukiId=front"] {
        assert_eq!(server.get(bad).await.pair(), (400, "HTTP 400 Bad Request"), "{bad}");
    }
}

#[tokio::test]
async fn an_unreachable_lock_is_503_but_not_the_text_on_which_fhem_repeats_its_last_action() {
    let server = Server::start().await;
    server.doors.script().state = Err(GatewayError::Unreachable("no advertisement".into()));
    let reply = server.get("/lockState?nukiId=1015571181").await;
    assert_eq!(reply.pair(), (503, "HTTP 503 Service Unavailable"));
    assert_ne!(reply.body, "HTTP 503 Unavailable");
}

#[tokio::test]
async fn paths_match_in_any_case() {
    let server = Server::start().await;
    for path in ["/LIST", "/list", "/Callback/List", "/lockstate?nukiId=1015571181"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(server.get("/V1/History").await.status, 404, "only the bridge's paths are so");
}

#[tokio::test]
async fn the_token_is_checked_before_anything_else() {
    let server = Server::start().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for target in ["/list", "/lockAction?action=9&token=wrong", "/callback/add?url=x&token=", "/lockState?nukiId=zz"] {
        let reply = server.raw(&get(target)).await;
        assert_eq!(reply.pair(), (401, "HTTP 401 Unauthorized"), "{target}");
        assert_eq!(reply.headers["content-type"], "text/plain");
    }
}

#[tokio::test]
async fn other_methods_do_nothing() {
    let server = Server::start().await;
    let target = format!("/lockAction?nukiId=1015571181&action=3&token={TOKEN}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let reply = server.raw(&request).await;
        assert_eq!(reply.pair(), (405, "HTTP 405 Method Not Allowed"), "{method}");
        assert_eq!(reply.headers["allow"], "GET");
    }
    let head = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(server.raw(&head).await.status, 405);
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn unknown_paths_and_endless_ones_are_refused_without_a_look_at_the_token() {
    let server = Server::start().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(server.raw(&get("/favicon.ico")).await.pair(), (404, "HTTP 404 Not Found"));
    assert_eq!(server.raw(&get("/list/")).await.pair(), (404, "HTTP 404 Not Found"));
    assert_eq!(server.raw(&get("/")).await.pair(), (400, "HTTP 400 Bad Request"));
    let long = format!("/list?token={TOKEN}&x={}", "y".repeat(2_048));
    assert_eq!(server.raw(&get(&long)).await.pair(), (414, "HTTP 414 URI Too Long"));
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_length_and_no_chunks() {
    let server = Server::start().await;
    let reply = server.raw(&format!("GET /callback/list?token={TOKEN} HTTP/1.0\r\nHost: x\r\n\r\n")).await;
    assert_eq!(reply.pair(), (200, r#"{"callbacks": []}"#));
    assert_eq!(reply.headers["content-length"], "17");
}

#[tokio::test]
async fn two_requests_share_a_kept_connection() {
    let server = Server::start().await;
    let request = |connection| {
        format!(
            "GET /list?token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: {connection}\r\n\r\n"
        )
    };
    let both = server.raw(&(request("keep-alive") + &request("close"))).await;
    assert!(both.body.contains("HTTP/1.1 200 OK"), "{}", both.body);
}

#[test]
fn ids_that_some_client_cannot_take_are_folded_and_good_ones_stay() {
    for id in [0, 1, 0x0FFF_FFFF, 0x8000_0000, u32::MAX] {
        let identity = BridgeIdentity::new(id, id);
        assert!((0x1000_0000..=0x7FFF_FFFF).contains(&identity.hardware_id()), "{id}");
        assert_eq!(BridgeIdentity::new(identity.hardware_id(), identity.server_id()), identity);
    }
}
