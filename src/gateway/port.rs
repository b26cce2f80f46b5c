//! One open link as an actor holds it: writing never keeps it from hearing, stopping or telling the time.

use std::collections::VecDeque;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::protocol::gatt::Characteristic;
use crate::transport::{Indication, Link, LinkWriter, TransportError};

type Written = (Box<dyn LinkWriter>, Result<(), TransportError>);

/// What happened on a link.
#[derive(Debug)]
pub(super) enum Event {
    /// The lock indicated something.
    Received(Indication),
    /// A write was not acknowledged; it may have arrived all the same.
    WriteFailed(TransportError),
    /// The link is gone.
    Lost,
}

pub(super) struct Port {
    indications: mpsc::Receiver<Indication>,
    /// `None` while it writes.
    writer: Option<Box<dyn LinkWriter>>,
    writing: Option<BoxFuture<'static, Written>>,
    /// Never more than a frame or two: a session asks one question at a time.
    backlog: VecDeque<(Characteristic, Vec<u8>)>,
}

impl Port {
    pub(super) fn new(link: Link) -> Self {
        Self { indications: link.indications, writer: Some(link.writer), writing: None, backlog: VecDeque::new() }
    }

    /// Writes after everything handed over before. Each value is given to the radio once, whatever comes of it.
    pub(super) fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) {
        self.backlog.push_back((characteristic, value));
    }

    /// The next thing that happens. Nothing is lost if this is dropped before it is ready.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            if let Some(mut writer) = self.writer.take() {
                match self.backlog.pop_front() {
                    Some((characteristic, value)) => {
                        self.writing = Some(Box::pin(async move {
                            let result = writer.write(characteristic, value).await;
                            (writer, result)
                        }));
                    }
                    None => self.writer = Some(writer),
                }
            }
            let writing = async {
                match &mut self.writing {
                    Some(writing) => writing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                (writer, result) = writing => {
                    self.writing = None;
                    self.writer = Some(writer);
                    if let Err(error) = result {
                        return Event::WriteFailed(error);
                    }
                }
                indication = self.indications.recv() => return indication.map_or(Event::Lost, Event::Received),
            }
        }
    }

    /// Ends the link. A write under way is given up, which ends the link too, without waiting.
    pub(super) async fn close(self) -> Result<(), TransportError> {
        match self.writer {
            Some(writer) => writer.disconnect().await,
            None => Ok(()),
        }
    }
}
