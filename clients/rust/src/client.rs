//! The client.

use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::Code;
use tonic::metadata::AsciiMetadataValue;
#[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
use tonic::transport::ClientTlsConfig;
use tonic::transport::{Channel, Endpoint};

use crate::config::{
    CENTURY, CONNECT_TIMEOUT, DEFAULT_RECONNECT_TIMEOUT, DEFAULT_TIMEOUT, KEEPALIVE, KEEPALIVE_TIMEOUT,
};
use crate::connection::{Connection, call};
use crate::longrunning::{ListOperationsRequest, Operation as OperationState};
use crate::progress::Progress;
use crate::request::{completed, completed_start};
use crate::v1::{
    Completion, CompletionRequest, CountTokensResponse, GetModelRequest, ListModelsRequest, Model,
    StartCompletionRequest, Token, TokenizeRequest,
};
use crate::{CompletionStream, Error, Operation};

/// Client of a Dragoman service. A clone is cheap and shares the connection, which opens with the first call.
///
/// While the service is unavailable, calls that are safe to repeat are tried up to four times. Dropping the future of a
/// call cancels it.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
#[must_use = "call `connect`"]
pub struct Builder {
    target: String,
    api_key: String,
    #[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
    tls: Option<ClientTlsConfig>,
    timeout: Duration,
    reconnect_timeout: Duration,
}

impl Builder {
    /// The API key, which is sent with each call. Without TLS, the network can read it.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        Self { api_key: key.into(), ..self }
    }

    /// Connects over TLS: `ClientTlsConfig::new().with_enabled_roots()`, or with `ca_certificate`, `identity` and
    /// `domain_name`.
    #[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
    pub fn tls(self, config: ClientTlsConfig) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Time that a call may take, see [`Client::with_timeout`]. Default: 600 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Time without contact with the service after which reading or awaiting an operation fails. Default: 120 s.
    pub fn reconnect_timeout(self, timeout: Duration) -> Self {
        Self { reconnect_timeout: timeout, ..self }
    }

    /// Makes the client; the connection opens with the first call. Fails with INVALID_ARGUMENT if the target, the key or
    /// the TLS settings cannot be used. Panics outside a Tokio runtime.
    pub fn connect(self) -> Result<Client, Error> {
        let endpoint = self.endpoint().map_err(|error| invalid(format!("{}: {}", self.target, causes(&*error))))?;
        let connection = Connection {
            channel: endpoint.connect_lazy(),
            authorization: authorization(&self.api_key)?,
            target: self.target.into(),
            timeout: self.timeout,
            reconnect_timeout: self.reconnect_timeout.min(CENTURY),
        };
        Ok(Client { connection })
    }

    fn endpoint(&self) -> Result<Endpoint, Box<dyn std::error::Error>> {
        #[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
        if let Some(tls) = &self.tls {
            return Ok(endpoint("https", &self.target)?.tls_config(tls.clone())?);
        }
        endpoint("http", &self.target)
    }
}

fn endpoint(scheme: &str, target: &str) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let endpoint = Channel::from_shared(format!("{scheme}://{target}"))?
        .user_agent(concat!("dragoman-rust/", env!("CARGO_PKG_VERSION")))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    Ok(endpoint)
}

impl Client {
    /// A client of the service at that address, host:port, without a key and without TLS. See [`Builder::connect`].
    pub fn new(target: impl Into<String>) -> Result<Self, Error> {
        Self::builder(target).connect()
    }

    /// Settings of a client of the service at that address, host:port.
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder {
            target: target.into(),
            api_key: String::new(),
            #[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
            tls: None,
            timeout: DEFAULT_TIMEOUT,
            reconnect_timeout: DEFAULT_RECONNECT_TIMEOUT,
        }
    }

    /// The same client, with another time that a call may take, retries included. The service receives it as the
    /// deadline; a call that takes longer fails with DEADLINE_EXCEEDED.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { connection: Connection { timeout, ..self.connection.clone() } }
    }

    /// The channel, for stubs of other services.
    pub fn channel(&self) -> Channel {
        self.connection.channel.clone()
    }

    /// Returns the complete answer; [`Completion::text`] reads its text.
    pub async fn complete(&self, request: impl Into<CompletionRequest>) -> Result<Completion, Error> {
        call!(self.connection, completions.create_completion, completed(request))
    }

    /// The answer as a stream of text, or of events, with the complete answer at its end.
    ///
    /// If the request is [`continuing`](CompletionRequest::continuing) or has a `request_id`, the completion is an
    /// operation, and a stream that is interrupted resumes by itself. The client's time-out bounds all of it.
    pub fn stream(&self, request: impl Into<CompletionRequest>) -> CompletionStream {
        let connection = self.connection.clone();
        let progress = Progress::new(connection.clone(), Some(connection.timeout), String::new(), 0);
        CompletionStream::new(connection, progress, Some(completed(request)))
    }

    /// Starts a long-running operation. A request without a `request_id` is given one, so that retries start only one
    /// operation.
    pub async fn start(&self, request: impl Into<StartCompletionRequest>) -> Result<Operation, Error> {
        let state = call!(self.connection, completions.start_completion, completed_start(request))?;
        Ok(Operation::new(self.connection.clone(), state))
    }

    /// A handle for the operation with that name. Makes no call.
    pub fn operation(&self, name: impl Into<String>) -> Operation {
        Operation::new(self.connection.clone(), OperationState { name: name.into(), ..OperationState::default() })
    }

    /// The caller's own operations, newest first. `filter` is an AIP-160 expression such as `state = RUNNING`; empty
    /// matches all.
    pub fn operations(&self, filter: &str) -> impl Stream<Item = Result<Operation, Error>> + Send + use<> {
        let (client, filter) = (self.clone(), filter.to_owned());
        pages(move |page_token| {
            let request = ListOperationsRequest { filter: filter.clone(), page_token, ..Default::default() };
            let client = client.clone();
            async move {
                let page = call!(client.connection, operations.list_operations, request)?;
                let handles = page.operations.into_iter().map(|state| Operation::new(client.connection.clone(), state));
                Ok((handles.collect(), page.next_page_token))
            }
        })
    }

    /// The models that the caller may use, ordered by name.
    pub fn models(&self) -> impl Stream<Item = Result<Model, Error>> + Send + use<> {
        let client = self.clone();
        pages(move |page_token| {
            let client = client.clone();
            async move {
                let request = ListModelsRequest { page_token, ..Default::default() };
                let page = call!(client.connection, models.list_models, request)?;
                Ok((page.models, page.next_page_token))
            }
        })
    }

    /// The model with that name or alias.
    pub async fn model(&self, name: impl Into<String>) -> Result<Model, Error> {
        call!(self.connection, models.get_model, GetModelRequest { name: name.into() })
    }

    /// Counts the tokens of the prompt, including the model's own template.
    pub async fn count_tokens(&self, request: impl Into<CompletionRequest>) -> Result<CountTokensResponse, Error> {
        call!(self.connection, completions.count_tokens, completed(request))
    }

    /// Splits a plain text, or the prompt of a request as the model would see it, into tokens.
    pub async fn tokenize(&self, request: impl Into<TokenizeRequest>) -> Result<Vec<Token>, Error> {
        Ok(call!(self.connection, completions.tokenize, request.into())?.tokens)
    }
}

/// The items of all pages. `read` returns the page with that token, and the token of the next page.
fn pages<T, F, R>(read: R) -> BoxStream<'static, Result<T, Error>>
where
    R: Fn(String) -> F + Send + 'static,
    T: Send + 'static,
    F: Future<Output = Result<(Vec<T>, String), Error>> + Send + 'static,
{
    let read_next = move |token: Option<String>| {
        let page = token.map(&read);
        async move {
            let Some(page) = page else { return Ok(None) };
            let (items, next) = page.await?;
            Ok(Some((items, (!next.is_empty()).then_some(next))))
        }
    };
    stream::try_unfold(Some(String::new()), read_next)
        .flat_map(|page: Result<Vec<T>, Error>| match page {
            Ok(items) => stream::iter(items.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .boxed()
}

fn authorization(key: &str) -> Result<Option<AsciiMetadataValue>, Error> {
    let key = key.trim();
    if key.is_empty() {
        return Ok(None);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid(
            "The API key has characters that no API key contains. Copy the complete key and nothing else.",
        ));
    }
    let mut value =
        AsciiMetadataValue::try_from(format!("Bearer {key}")).map_err(|error| invalid(error.to_string()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

fn causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", causes(cause)),
        None => error.to_string(),
    }
}
