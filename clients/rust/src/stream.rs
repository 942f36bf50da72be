//! The events of a completion, which arrive while the model generates the answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, unfold};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Streaming};

use crate::Error;
use crate::connection::Connection;
use crate::progress::Progress;
use crate::v1::completion_event::Event;
use crate::v1::{Completion, CompletionEvent, CompletionRequest, Delta, Retracted, delta, finished};

/// The events of a completion. The call begins when the stream is first read; dropping the stream ends it.
///
/// Read the text with [`next_text`](Self::next_text), or the events with [`next`](Self::next) or as a
/// [`Stream`]. An event `retracted` invalidates the events from `retracted.from_sequence` on, because a worker was lost;
/// only completions that are operations can be retracted.
#[must_use = "the call begins when the stream is read"]
pub struct CompletionStream {
    events: BoxStream<'static, Result<CompletionEvent, Error>>,
    operation: String,
    completion: Option<Completion>,
    has_text: bool,
}

impl CompletionStream {
    pub(crate) fn new(connection: Connection, progress: Progress, request: Option<CompletionRequest>) -> Self {
        let operation = progress.operation.clone();
        let reader = Reader { connection, progress, request, call: None, is_over: false };
        let events = unfold(reader, |mut reader| async move { Some((reader.read().await?, reader)) }).fuse().boxed();
        Self { events, operation, completion: None, has_text: false }
    }

    /// Name of the operation that carries the completion, once `started` has arrived; empty if there is none.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The next event; None after `finished`. Fails with the error of the completion, and with UNAVAILABLE if the
    /// stream is interrupted and cannot be resumed.
    pub async fn next(&mut self) -> Option<Result<CompletionEvent, Error>> {
        StreamExt::next(self).await
    }

    /// The next fragment of the first choice's text; None at the end of the answer.
    ///
    /// Fails with ABORTED if text that was already returned is retracted: discard it. The next call then returns the
    /// beginning of the new text.
    pub async fn next_text(&mut self) -> Result<Option<String>, Error> {
        while let Some(event) = self.next().await {
            match event?.event {
                Some(Event::Delta(Delta { choice_index: 0, content: Some(delta::Content::Text(text)), .. })) => {
                    self.has_text = true;
                    return Ok(Some(text));
                }
                Some(Event::Retracted(retracted)) if std::mem::take(&mut self.has_text) => {
                    return Err(retracted_error(&retracted));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The fragments of the first choice's text, see [`next_text`](Self::next_text).
    pub fn text(self) -> impl Stream<Item = Result<String, Error>> + Send {
        unfold(self, |mut stream| async move { Some((stream.next_text().await.transpose()?, stream)) }).fuse().boxed()
    }

    /// Reads to the end and returns the complete answer, the same one that `Client::complete` returns.
    pub async fn completion(mut self) -> Result<Completion, Error> {
        while let Some(event) = self.next().await {
            event?;
        }
        let message = "The stream had ended with an error.";
        self.completion.ok_or_else(|| Error::new(Code::FailedPrecondition, message))
    }

    fn record(&mut self, event: &CompletionEvent) {
        match &event.event {
            Some(Event::Started(started)) if !started.operation.is_empty() => {
                self.operation.clone_from(&started.operation);
            }
            Some(Event::Finished(finished)) => {
                if let Some(finished::Outcome::Completion(completion)) = &finished.outcome {
                    self.completion = Some(completion.clone());
                }
            }
            _ => {}
        }
    }
}

impl Stream for CompletionStream {
    type Item = Result<CompletionEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.events.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(event))) = &polled {
            self.record(event);
        }
        polled
    }
}

impl fmt::Debug for CompletionStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CompletionStream").field("operation", &self.operation).finish_non_exhaustive()
    }
}

fn retracted_error(retracted: &Retracted) -> Error {
    Error::new(Code::Aborted, format!("The text so far is void: {}. Read on for the new text.", retracted.reason))
}

/// Reads the events of one call after the other: the first one, then AttachCompletion after every interruption.
struct Reader {
    connection: Connection,
    progress: Progress,
    request: Option<CompletionRequest>,
    call: Option<(Streaming<CompletionEvent>, Instant)>,
    is_over: bool,
}

impl Reader {
    async fn read(&mut self) -> Option<Result<CompletionEvent, Error>> {
        while !self.is_over {
            let raised = match self.read_call().await {
                Ok(Some(event)) => {
                    self.progress.record(&event);
                    return Some(Ok(event));
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            self.call = None;
            match self.progress.next(raised) {
                Ok(Some(delay)) => sleep(delay).await,
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// The next event of the call, which is opened if there is none.
    async fn read_call(&mut self) -> Result<Option<CompletionEvent>, Error> {
        let (mut call, end) = match self.call.take() {
            Some(call) => call,
            None => self.open().await?,
        };
        let received = timeout_at(end, call.message()).await.map_err(|_| Error::timed_out(&self.connection.target))?;
        self.call = Some((call, end));
        received.map_err(|status| Error::of_call(status, &self.connection.target))
    }

    async fn open(&mut self) -> Result<(Streaming<CompletionEvent>, Instant), Error> {
        let end = self.progress.begin_call();
        let mut stub = self.connection.completions();
        let call = match &self.request {
            Some(request) if self.progress.operation.is_empty() => {
                let request = self.connection.request(request.clone(), end);
                self.connection.within(end, stub.stream_completion(request)).await
            }
            _ => {
                let request = self.connection.request(self.progress.attach_request(), end);
                self.connection.within(end, stub.attach_completion(request)).await
            }
        };
        call.map(|call| (call, end))
    }
}
