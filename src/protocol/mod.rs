//! The keyturner protocol: bytes to types and back.
//!
//! Pure: no clock, no IO, no logging, no randomness. The facts stand in
//! `docs/protocol.md`; the vendor's published messages are the known answers of
//! `tests/it/known_answers.rs`. Received bytes are hostile: nothing here panics,
//! numbers that newer firmware invents are kept, and payloads may be longer than known.

pub mod advanced_config;
pub mod beacon;
pub mod codes;
mod command;
pub mod config;
pub mod crc;
pub mod crypto;
pub mod datetime;
pub mod frame;
pub mod gatt;
pub mod log;
mod open_enum;
mod opener;
pub mod pairing;
pub mod reply;
pub mod request;
pub mod state;
mod types;
pub mod users;
mod wire;

pub use command::Command;
pub use opener::{OpenerAction, OpenerState};
pub use types::{
    CompletionStatus, DoorEvent, DoorSensorState, ErrorCode, IdType, KeypadSource, LockAction, LockState, NukiState,
    StatusCode, Trigger,
};
pub use wire::TooShort;
