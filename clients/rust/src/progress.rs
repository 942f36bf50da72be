//! Progress of reading a completion's events, which may take several calls.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use tonic_types::pb;

use crate::Error;
use crate::config::{RECONNECT_DELAY, backoff};
use crate::connection::{Connection, end_of, retry_delay};
use crate::v1::completion_event::Event;
use crate::v1::finished::Outcome;
use crate::v1::{AttachCompletionRequest, CompletionEvent};

/// A call that lasted longer had reached the service, even if it delivered no event.
const STEADY: Duration = Duration::from_secs(30);

/// Records the events of a completion and decides what follows when a call ends. Only a completion that is an operation
/// can be resumed: the one named `operation`, or the one that `started` names. It does no I/O.
#[derive(Debug)]
pub(crate) struct Progress {
    connection: Connection,
    pub(crate) operation: String,
    last: i64,
    finished: Option<Result<(), pb::Status>>,
    has_events: bool,
    attempts: u32,
    failures: u32,
    call_began: Instant,
    last_contact: Instant,
    end: Option<Instant>,
}

impl Progress {
    /// `timeout` bounds all calls together; None means no limit.
    pub(crate) fn new(connection: Connection, timeout: Option<Duration>, operation: String, after: i64) -> Self {
        let now = Instant::now();
        Self {
            connection,
            operation,
            last: after,
            finished: None,
            has_events: false,
            attempts: 0,
            failures: 0,
            call_began: now,
            last_contact: now,
            end: timeout.map(end_of),
        }
    }

    /// The request for the events after the last one recorded.
    pub(crate) fn attach_request(&self) -> AttachCompletionRequest {
        AttachCompletionRequest { name: self.operation.clone(), after_sequence: self.last }
    }

    /// The end of the call that begins now.
    pub(crate) fn begin_call(&mut self) -> Instant {
        self.attempts += 1;
        self.call_began = Instant::now();
        self.end.unwrap_or_else(|| end_of(self.connection.timeout))
    }

    pub(crate) fn record(&mut self, event: &CompletionEvent) {
        self.has_events = true;
        self.last_contact = Instant::now();
        self.failures = 0;
        self.last = event.sequence;
        match &event.event {
            Some(Event::Started(started)) if !started.operation.is_empty() => {
                self.operation.clone_from(&started.operation);
            }
            Some(Event::Finished(finished)) => {
                self.finished = finished.outcome.as_ref().map(|outcome| match outcome {
                    Outcome::Completion(_) => Ok(()),
                    Outcome::Error(status) => Err(status.clone()),
                });
            }
            _ => {}
        }
    }

    /// Time until the next call, after one that ended with `raised`; None if the completion has ended. Fails with the
    /// error of the completion, or with that of the call if another call cannot help.
    pub(crate) fn next(&mut self, raised: Option<Error>) -> Result<Option<Duration>, Error> {
        match self.finished.take() {
            Some(Ok(())) => return Ok(None),
            Some(Err(status)) => return Err(Error::from(status)),
            None => {}
        }
        let error = self.error_of(raised);
        if let Some(delay) = self.delay_of_repetition(&error) {
            return Ok(Some(delay));
        }
        if !self.can_resume(&error) {
            return Err(error);
        }
        let delay = backoff(RECONNECT_DELAY, self.failures).max(error.retry_after().unwrap_or_default());
        self.failures += 1;
        let left = self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        Ok(Some(delay.min(left)))
    }

    fn error_of(&self, raised: Option<Error>) -> Error {
        let target = &self.connection.target;
        match raised {
            Some(error) if !(self.has_events && error.is_connection_lost()) => error,
            Some(error) => {
                let details = format!("the connection to {target} was lost, {}", error.cause());
                Error::interrupted(&self.operation, self.last, &details, Some(error))
            }
            None => Error::interrupted(&self.operation, self.last, &format!("{target} closed it"), None),
        }
    }

    /// The delay before the same call is made again, as for a unary call; only if nothing has arrived yet.
    fn delay_of_repetition(&self, error: &Error) -> Option<Duration> {
        let delay = if self.has_events { None } else { retry_delay(error, self.attempts) }?;
        let is_early = self.end.is_none_or(|end| Instant::now() + delay < end);
        is_early.then_some(delay)
    }

    /// Whether only the call ended, and neither the completion, the caller's time nor the time for reconnecting.
    fn can_resume(&mut self, error: &Error) -> bool {
        let now = Instant::now();
        let is_time_up = error.code() == Code::DeadlineExceeded;
        if (is_time_up && error.is_from_service()) || now - self.call_began > STEADY {
            self.last_contact = now;
            self.failures = 0;
        }
        let contact_ends = self.last_contact + self.connection.reconnect_timeout;
        let gives_up = self.end.map_or(contact_ends, |end| end.min(contact_ends));
        !self.operation.is_empty() && (is_time_up || error.is_transient()) && now < gives_up
    }
}
