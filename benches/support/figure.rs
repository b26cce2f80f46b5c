//! What `bench/run` reads. Benches are programs of their own, so each takes this file in.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Whether `bench/run` asks: then figures alone are wanted, a line each.
pub(crate) fn wanted() -> bool {
    std::env::args().any(|arg| arg == "--figures")
}

/// One line for it: a name, and what belongs to it.
pub(crate) fn figure(name: &str, values: &[(&str, Value)]) {
    let mut object: Map<String, Value> = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    object.insert("figure".to_owned(), json!(name));
    println!("{}", Value::Object(object));
}

pub(crate) fn micros(time: Duration) -> Value {
    json!(time.as_secs_f64() * 1e6)
}
