//! One test binary; a module per behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod action_at_most_once;
mod action_random;
#[cfg(feature = "daemon")]
mod action_repeats;
mod attribution_cases;
mod attribution_entries;
mod attribution_limits;
mod attribution_names;
mod attribution_property;
#[cfg(feature = "daemon")]
mod auditor_fixture;
#[cfg(feature = "daemon")]
mod auditor_queries;
#[cfg(feature = "daemon")]
mod auditor_reader;
#[cfg(feature = "daemon")]
mod auditor_views;
#[cfg(feature = "daemon")]
mod bluez_errors;
#[cfg(feature = "daemon")]
mod bluez_recovery;
#[cfg(feature = "daemon")]
mod bluez_scan;
#[cfg(feature = "daemon")]
mod bridge_actions;
#[cfg(feature = "daemon")]
mod bridge_auth;
#[cfg(feature = "daemon")]
mod bridge_devices;
#[cfg(feature = "daemon")]
mod bridge_golden;
#[cfg(feature = "daemon")]
mod bridge_hostile;
#[cfg(feature = "daemon")]
mod bridge_idempotency;
#[cfg(feature = "daemon")]
mod bridge_storm;
#[cfg(feature = "daemon")]
mod bridge_upkeep;
#[cfg(feature = "daemon")]
mod bridge_window;
#[cfg(feature = "daemon")]
mod bridge_wire;
#[cfg(feature = "daemon")]
mod callback_body;
#[cfg(feature = "daemon")]
mod callback_client;
#[cfg(feature = "daemon")]
mod callback_settings;
#[cfg(feature = "daemon")]
mod callback_worker;
#[cfg(feature = "daemon")]
mod callbacks;
#[cfg(feature = "daemon")]
mod chain_backup;
#[cfg(feature = "daemon")]
mod chain_cli;
#[cfg(feature = "daemon")]
mod chain_erasure;
#[cfg(feature = "daemon")]
mod chain_retention;
#[cfg(feature = "daemon")]
mod chain_tampering;
#[cfg(feature = "daemon")]
mod cli_act;
#[cfg(feature = "daemon")]
mod cli_ask;
#[cfg(feature = "daemon")]
mod cli_history;
#[cfg(feature = "daemon")]
mod cli_house;
#[cfg(feature = "daemon")]
mod cli_output;
#[cfg(feature = "daemon")]
mod cli_status;
#[cfg(feature = "daemon")]
mod code_cli;
#[cfg(feature = "daemon")]
mod config_file;
#[cfg(feature = "daemon")]
mod config_reload;
#[cfg(feature = "daemon")]
mod conformance;
#[cfg(feature = "daemon")]
mod daemon_life;
mod device_faults;
mod device_pairing;
mod devices;
mod devices_table;
#[cfg(feature = "daemon")]
mod doctor;
#[cfg(feature = "daemon")]
mod event_lines;
#[cfg(feature = "daemon")]
mod gateway_acting;
#[cfg(feature = "daemon")]
mod gateway_at_rest;
#[cfg(feature = "daemon")]
mod gateway_backfill;
#[cfg(feature = "daemon")]
mod gateway_clock;
#[cfg(feature = "daemon")]
mod gateway_codes;
#[cfg(feature = "daemon")]
mod gateway_devices;
#[cfg(feature = "daemon")]
mod gateway_directory;
#[cfg(feature = "daemon")]
mod gateway_forged;
#[cfg(feature = "daemon")]
mod gateway_forget;
#[cfg(feature = "daemon")]
mod gateway_pin;
#[cfg(feature = "daemon")]
mod gateway_radio;
#[cfg(feature = "daemon")]
mod gateway_ready;
#[cfg(feature = "daemon")]
mod gateway_sources;
#[cfg(feature = "daemon")]
mod gateway_who;
#[cfg(feature = "daemon")]
mod history;
mod hostile_bytes;
#[cfg(feature = "daemon")]
mod house_month;
#[cfg(feature = "daemon")]
mod http_abuse;
#[cfg(feature = "daemon")]
mod http_limits;
#[cfg(feature = "daemon")]
mod http_logging;
#[cfg(feature = "daemon")]
mod http_rebinding;
#[cfg(feature = "daemon")]
mod http_support;
#[cfg(feature = "daemon")]
mod http_tls;
mod known_answers;
#[cfg(feature = "daemon")]
mod log_secrets;
mod message_fields;
#[cfg(feature = "daemon")]
mod metrics;
#[cfg(feature = "daemon")]
mod page_files;
#[cfg(feature = "daemon")]
mod page_forgery;
#[cfg(feature = "daemon")]
mod page_session;
#[cfg(feature = "daemon")]
mod pair_cli;
#[cfg(feature = "daemon")]
mod pair_terminal;
#[cfg(feature = "daemon")]
mod pairing_owner;
mod purity;
mod reassembly;
#[cfg(feature = "daemon")]
mod secrets;
#[cfg(feature = "daemon")]
mod secrets_credential;
mod session_answers;
mod session_at_rest;
mod session_clock;
mod session_codes;
mod session_directory;
mod session_hygiene;
mod session_logs;
mod session_pages;
mod session_pair;
mod session_pin;
mod session_ready;
mod session_visit;
#[cfg(feature = "daemon")]
mod sim_air;
#[cfg(feature = "daemon")]
mod sim_radio;
#[cfg(feature = "daemon")]
mod sim_sockets;
mod simlock_beacon;
mod simlock_checks;
mod simlock_commands;
mod simlock_hostile;
mod simlock_link;
mod simlock_log;
mod simlock_motion;
mod simlock_owner;
mod simlock_pairing;
mod simlock_people;
#[cfg(feature = "daemon")]
mod store;
#[cfg(feature = "daemon")]
mod store_audit;
#[cfg(feature = "daemon")]
mod store_commit;
#[cfg(feature = "daemon")]
mod store_history;
#[cfg(feature = "daemon")]
mod store_open;
#[cfg(feature = "daemon")]
mod store_outbox;
#[cfg(feature = "daemon")]
mod store_users;
mod support;
mod threat_model;
#[cfg(feature = "daemon")]
mod token_cli;
#[cfg(feature = "daemon")]
mod token_plain;
#[cfg(feature = "daemon")]
mod token_restart;
#[cfg(feature = "daemon")]
mod token_scopes;
#[cfg(feature = "daemon")]
mod token_watch;
#[cfg(feature = "daemon")]
mod v1_actions;
#[cfg(feature = "daemon")]
mod v1_codes;
#[cfg(feature = "daemon")]
mod v1_frame;
#[cfg(feature = "daemon")]
mod v1_health;
#[cfg(feature = "daemon")]
mod v1_hostile;
#[cfg(feature = "daemon")]
mod v1_live;
#[cfg(feature = "daemon")]
mod v1_locks;
#[cfg(feature = "daemon")]
mod v1_movements;
#[cfg(feature = "daemon")]
mod v1_openapi;
#[cfg(feature = "daemon")]
mod v1_people;
#[cfg(feature = "daemon")]
mod webhook_cli;
#[cfg(feature = "daemon")]
mod webhook_daemon;
#[cfg(feature = "daemon")]
mod webhook_patience;
#[cfg(feature = "daemon")]
mod webhook_queue;
#[cfg(feature = "daemon")]
mod webhook_receiver;
#[cfg(feature = "daemon")]
mod webhook_send;
#[cfg(feature = "daemon")]
mod webhook_tls;
#[cfg(feature = "daemon")]
mod webhook_worker;
#[cfg(feature = "daemon")]
mod who_table;
#[cfg(feature = "daemon")]
mod whole_house;
