//! What a test's own thread logs, as lines.

use std::io;
use std::sync::{Arc, Mutex};

use super::listener::leak;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

/// Lines of this level and above, as long as it lives.
pub(crate) struct Journal {
    written: Written,
    _guard: DefaultGuard,
    /// As long as there is one subscriber only, a line that another test's thread reaches first is off for all.
    _second: tracing::Dispatch,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Journal {
    pub(crate) fn new(level: LevelFilter) -> Self {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        Self { written, _guard: tracing::subscriber::set_default(subscriber), _second }
    }

    /// What was written since the last look.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = std::mem::take(&mut *self.written.0.lock().unwrap());
        for line in String::from_utf8_lossy(&bytes).lines() {
            let leak = leak(line);
            assert!(leak.is_none(), "a line says the secret {leak:?}: {line}");
        }
        bytes
    }

    /// The same as lines.
    pub(crate) fn take(&self) -> Vec<String> {
        String::from_utf8(self.bytes()).unwrap().lines().map(str::to_owned).collect()
    }
}
