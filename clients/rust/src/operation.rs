//! Handles for long-running operations: their state, their result and their events.

use std::time::Duration;

use prost::Message;
use prost_types::Any;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::config::{LONGEST_WAIT, RECONNECT_DELAY, backoff};
use crate::connection::{Connection, call, end_of};
use crate::longrunning::operation::Result as Outcome;
use crate::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, Operation as State, WaitOperationRequest,
};
use crate::progress::Progress;
use crate::v1::{Completion, CompletionOperationMetadata};
use crate::{CompletionStream, Error};

/// Time of a WaitOperation that no proxy takes for a dead one.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// Time that the answer to a WaitOperation may be late.
const SLACK: Duration = Duration::from_secs(10);

/// A long-running operation. Any holder of the same API key can make a handle of its name.
#[derive(Clone, Debug)]
pub struct Operation {
    connection: Connection,
    latest: State,
}

impl Operation {
    pub(crate) fn new(connection: Connection, latest: State) -> Self {
        Self { connection, latest }
    }

    /// `operations/` followed by an id.
    pub fn name(&self) -> &str {
        &self.latest.name
    }

    /// The newest state that was read.
    pub fn latest(&self) -> &State {
        &self.latest
    }

    /// Progress and properties as of the newest state that was read; None if none was.
    pub fn metadata(&self) -> Option<CompletionOperationMetadata> {
        self.latest.metadata.as_ref().and_then(unpack)
    }

    /// Reads the newest state, unless the final one is known already, which never changes.
    pub async fn refresh(&mut self) -> Result<&State, Error> {
        if !self.latest.done {
            let request = GetOperationRequest { name: self.latest.name.clone() };
            self.latest = call!(self.connection, operations.get_operation, request)?;
        }
        Ok(&self.latest)
    }

    /// Waits until the operation is done or the time has passed, which is no error; None means no limit. Returns the
    /// newest state. Waiting continues while the service restarts, up to the client's `reconnect_timeout`.
    pub async fn wait(&mut self, timeout: impl Into<Option<Duration>>) -> Result<&State, Error> {
        let mut wait = Wait::new(self.connection.reconnect_timeout, timeout.into());
        while !self.latest.done {
            let limit = wait.begin_call();
            let timeout = Some(prost_types::Duration::try_from(limit).unwrap_or_default());
            let request = WaitOperationRequest { name: self.latest.name.clone(), timeout };
            match call!(self.connection, operations.wait_operation, request, limit + SLACK) {
                Ok(state) => self.latest = state,
                Err(error) => {
                    sleep(wait.next_delay(error)?).await;
                    continue;
                }
            }
            if wait.is_over() {
                break;
            }
        }
        Ok(&self.latest)
    }

    /// Waits for the answer. Fails with the operation's error, or with DEADLINE_EXCEEDED when the time has passed; None
    /// means no limit.
    pub async fn result(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Completion, Error> {
        let State { name, done, result, .. } = self.wait(timeout).await?;
        match result {
            Some(Outcome::Error(status)) => Err(Error::from(status.clone())),
            Some(Outcome::Response(any)) => unpack(any).ok_or_else(|| no_completion(name)),
            None if *done => Err(no_completion(name)),
            None => {
                let message = format!("{name} is not done yet. It continues: wait again, or cancel it.");
                Err(Error::new(Code::DeadlineExceeded, message))
            }
        }
    }

    /// The stored events after number `after_sequence`, then new ones as they arrive, without a limit in time.
    ///
    /// Reading resumes after the last event if the connection or the server is lost. Dropping the stream does not stop
    /// the operation.
    pub fn events(&self, after_sequence: i64) -> CompletionStream {
        let progress = Progress::new(self.connection.clone(), None, self.latest.name.clone(), after_sequence);
        CompletionStream::new(self.connection.clone(), progress, None)
    }

    /// Asks the service to stop the operation, which then ends as CANCELLED unless it ended first.
    pub async fn cancel(&self) -> Result<(), Error> {
        let request = CancelOperationRequest { name: self.latest.name.clone() };
        call!(self.connection, operations.cancel_operation, request)
    }

    /// Deletes the operation and its answer; if it runs, it is stopped. This call is not repeated.
    pub async fn delete(&self) -> Result<(), Error> {
        let end = end_of(self.connection.timeout);
        let request = self.connection.request(DeleteOperationRequest { name: self.latest.name.clone() }, end);
        self.connection.within(end, self.connection.operations().delete_operation(request)).await
    }
}

fn unpack<M: Message + Default>(any: &Any) -> Option<M> {
    M::decode(&*any.value).ok()
}

fn no_completion(name: &str) -> Error {
    Error::new(Code::Internal, format!("{name} is done and holds no completion."))
}

/// Decides which calls wait for an operation, and what follows one that failed. At least one call is made.
struct Wait {
    reconnect_timeout: Duration,
    longest: Duration,
    end: Option<Instant>,
    call_began: Instant,
    last_contact: Instant,
    failures: u32,
}

impl Wait {
    fn new(reconnect_timeout: Duration, timeout: Option<Duration>) -> Self {
        let now = Instant::now();
        let end = timeout.map(end_of);
        Self { reconnect_timeout, longest: LONGEST_WAIT, end, call_began: now, last_contact: now, failures: 0 }
    }

    /// The time for which the call that begins now waits.
    fn begin_call(&mut self) -> Duration {
        self.call_began = Instant::now();
        self.left().min(self.longest)
    }

    /// Whether no further call follows one that succeeded.
    fn is_over(&mut self) -> bool {
        self.last_contact = Instant::now();
        self.failures = 0;
        self.left().is_zero()
    }

    /// Time until the next call, after one that failed. Fails with `error` if another call cannot help.
    fn next_delay(&mut self, error: Error) -> Result<Duration, Error> {
        let is_silent = error.code() == Code::DeadlineExceeded && !error.is_from_service();
        // A proxy may have ended a long one.
        self.longest = self.longest.min((self.call_began.elapsed() / 2).max(SHORT_WAIT));
        let is_lost = self.last_contact.elapsed() >= self.reconnect_timeout;
        if !(error.is_transient() || is_silent) || is_lost || self.left().is_zero() {
            return Err(error);
        }
        let delay = backoff(RECONNECT_DELAY, self.failures).max(error.retry_after().unwrap_or_default());
        self.failures += 1;
        Ok(delay.min(self.left()))
    }

    fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }
}
