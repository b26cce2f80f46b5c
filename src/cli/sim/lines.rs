//! Lines over a socket, with a limit on their length.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The longest message is a written value of some 200 bytes in hex.
const MAX_LINE: usize = 16 * 1024;

/// The lines that a client sends.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<OwnedReadHalf>,
}

pub(super) fn split(stream: UnixStream) -> (Lines, OwnedWriteHalf) {
    let (reader, writer) = stream.into_split();
    (Lines { reader: BufReader::new(reader) }, writer)
}

pub(super) async fn write(writer: &mut OwnedWriteHalf, line: &str) -> std::io::Result<()> {
    writer.write_all(format!("{line}\n").as_bytes()).await
}

impl Lines {
    /// The next line without its end; `None` at the end, on failure, and for a line without end.
    pub(super) async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            let buffer = self.reader.fill_buf().await.ok()?;
            if buffer.is_empty() {
                return None;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            line.extend(buffer.iter().take(end.unwrap_or(buffer.len())));
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if line.len() > MAX_LINE {
                return None;
            }
            if end.is_some() {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}
