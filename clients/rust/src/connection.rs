//! A channel with its stubs. Every call carries the API key and a deadline, and fails with [`Error`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::config::{CENTURY, INITIAL_BACKOFF, MAX_ATTEMPTS, MAX_MESSAGE_BYTES, backoff};
use crate::error::Pushback;
use crate::longrunning::operations_client::OperationsClient;
use crate::v1::completion_service_client::CompletionServiceClient;
use crate::v1::model_service_client::ModelServiceClient;

/// Settings and channel of a client. A clone shares the channel.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) target: Arc<str>,
    pub(crate) authorization: Option<AsciiMetadataValue>,
    pub(crate) timeout: Duration,
    pub(crate) reconnect_timeout: Duration,
}

impl Connection {
    pub(crate) fn completions(&self) -> CompletionServiceClient<Channel> {
        CompletionServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn operations(&self) -> OperationsClient<Channel> {
        OperationsClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A request with the API key, which the service receives with the time that is left until `end`.
    pub(crate) fn request<T>(&self, message: T, end: Instant) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(end.saturating_duration_since(Instant::now()));
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    /// Makes a unary call, and repeats it while the service is unavailable. `timeout` bounds all attempts together.
    pub(crate) async fn call<T, R, F>(
        &self,
        message: &T,
        timeout: Duration,
        mut invoke: impl FnMut(Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let end = end_of(timeout);
        for attempt in 1.. {
            let error = match self.within(end, invoke(self.request(message.clone(), end))).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match retry_delay(&error, attempt) {
                Some(delay) if Instant::now() + delay < end => sleep(delay).await,
                _ => return Err(error),
            }
        }
        unreachable!("the attempts are limited")
    }

    /// Makes a unary call once.
    pub(crate) async fn within<R>(
        &self,
        end: Instant,
        call: impl Future<Output = Result<Response<R>, Status>>,
    ) -> Result<R, Error> {
        match timeout_at(end, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Error::of_call(status, &self.target)),
            Err(_) => Err(Error::timed_out(&self.target)),
        }
    }
}

/// The end of a time that begins now.
pub(crate) fn end_of(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(CENTURY)
}

/// Time until the next attempt, after that many that failed; None if there is none.
pub(crate) fn retry_delay(error: &Error, attempts: u32) -> Option<Duration> {
    if error.code() != tonic::Code::Unavailable || attempts >= MAX_ATTEMPTS {
        return None;
    }
    match error.pushback() {
        Some(Pushback::Never) => None,
        Some(Pushback::After(delay)) => Some(delay),
        None => Some(backoff(INITIAL_BACKOFF, attempts - 1)),
    }
}

/// Makes a unary call of a stub with [`Connection::call`]; the last argument is its time-out, if it is not the client's.
macro_rules! call {
    ($connection:expr, $stub:ident.$method:ident, $request:expr) => {
        call!($connection, $stub.$method, $request, $connection.timeout)
    };
    ($connection:expr, $stub:ident.$method:ident, $request:expr, $timeout:expr) => {{
        let stub = $connection.$stub();
        let invoke = |request| {
            let mut stub = stub.clone();
            async move { stub.$method(request).await }
        };
        $connection.call(&$request, $timeout, invoke).await
    }};
}
pub(crate) use call;
