//! The real HTTP server with a client on loopback, a running `sqlite3`, and SQLite's library.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyturner::http;
use keyturner::store::{PageKey, Store};
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OpenFlags, Statement};
use serde_json::Value;

use crate::app;
use crate::host::TOKEN;

const END: &str = "-- end --";

pub(crate) async fn serve(store: Store) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = http::router(app::state(store, Vec::new()));
    tokio::spawn(http::serve(listener, router, std::future::pending()));
    address
}

/// One connection that stays open.
pub(crate) struct Http(BufReader<TcpStream>);

impl Http {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The page as it came.
    pub(crate) fn get(&mut self, target: &str) -> Vec<u8> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        for line in 0.. {
            let mut text = String::new();
            self.0.read_line(&mut text).unwrap();
            assert!(line > 0 || text.contains(" 200 "), "{target}: {text}");
            if let Some(value) = text.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if text.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        body
    }

    /// Cursor and place of the page behind this one.
    pub(crate) fn next(&mut self, target: &str) -> (String, PageKey) {
        let page: Value = serde_json::from_slice(&self.get(target)).unwrap();
        (page["next"].as_str().unwrap().to_owned(), super::key(&page))
    }
}

/// A running `sqlite3`.
pub(crate) struct Sqlite {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let mut child = Command::new("sqlite3")
            .arg("-readonly")
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 must be installed");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    pub(crate) fn version(&mut self) -> String {
        self.answer("select sqlite_version();").remove(0)
    }

    /// How many rows a query prints.
    pub(crate) fn lines(&mut self, sql: &str) -> usize {
        self.answer(sql).len()
    }

    fn answer(&mut self, sql: &str) -> Vec<String> {
        self.to.write_all(format!("{sql}\n.print '{END}'\n").as_bytes()).unwrap();
        let lines = self.from.by_ref().lines().map(Result::unwrap);
        lines.take_while(|line| line != END).collect()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // It is killed below if it has not ended by itself.
        self.to.write_all(b".quit\n").ok();
        if self.child.wait().is_err() {
            self.child.kill().ok();
        }
    }
}

/// SQLite's library on a connection of its own, with nothing around it. Statements stay prepared.
pub(crate) struct Library {
    connection: &'static Connection,
    prepared: BTreeMap<String, Statement<'static>>,
}

impl Library {
    pub(crate) fn open(path: &Path) -> Self {
        // One thread uses it: without SQLite's own locks, as the store has it.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).unwrap();
        // It lives as long as the process, so that the statements can be kept beside it.
        Self { connection: Box::leak(Box::new(connection)), prepared: BTreeMap::new() }
    }

    /// How many rows a query has. Every column of each is read.
    pub(crate) fn rows(&mut self, sql: &str) -> usize {
        if !self.prepared.contains_key(sql) {
            self.prepared.insert(sql.to_owned(), self.connection.prepare(sql).unwrap());
        }
        let statement = self.prepared.get_mut(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Column>>>());
        std::hint::black_box(rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()).len()
    }
}
