//! Failed calls and operations, with every detail that the service reported.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::v1::ErrorReason;

const DOMAIN: &str = "dragoman";

/// A call or an operation failed.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    reason: ErrorReason,
    fields: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    metadata: HashMap<String, String>,
    connection_lost: bool,
    pushback: Option<Pushback>,
    source: Option<Status>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// Path of the field in the request, for example `generation_config.top_p`.
    pub field: String,
    /// What is allowed there.
    pub description: String,
}

/// What the server says about repeating a call, in the trailer `grpc-retry-pushback-ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushback {
    Never,
    After(Duration),
}

impl Error {
    /// The gRPC status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The reason in words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What went wrong; `ErrorReason::Unspecified` if the failure did not come from the service, for example if it
    /// cannot be reached, or if this client is too old to know the reason.
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// The invalid fields of the request.
    pub fn fields(&self) -> &[FieldViolation] {
        &self.0.fields
    }

    /// Time to wait before a retry, if the service said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Id of the failed call in the service's log; empty if the failure did not come from the service.
    pub fn call_id(&self) -> &str {
        self.0.metadata.get("call_id").map_or("", String::as_str)
    }

    /// `call_id`, `retryable` and, where they apply, `model`, `provider` and `upstream_status`.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        let retryable = self.0.metadata.get("retryable").map(String::as_str) != Some("false");
        self.0.connection_lost || (self.code() == Code::Unavailable && retryable)
    }

    /// Whether the connection failed rather than the call.
    pub(crate) fn is_connection_lost(&self) -> bool {
        self.0.connection_lost
    }

    /// Whether the error comes from the service, which gives a reason with each of its errors.
    pub(crate) fn is_from_service(&self) -> bool {
        !self.0.metadata.is_empty() || self.reason() != ErrorReason::Unspecified
    }

    /// What the network or the server said, without advice.
    pub(crate) fn cause(&self) -> String {
        self.0.source.as_ref().map_or_else(|| self.message().to_owned(), root_cause)
    }

    pub(crate) fn pushback(&self) -> Option<Pushback> {
        self.0.pushback
    }

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            reason: ErrorReason::Unspecified,
            fields: Vec::new(),
            retry_after: None,
            metadata: HashMap::new(),
            connection_lost: false,
            pushback: None,
            source: None,
        }))
    }

    /// The error of a call to `target` whose time passed without an answer.
    pub(crate) fn timed_out(target: &str) -> Self {
        let hint = "Allow more time, or check that the service can be reached.";
        Self::new(Code::DeadlineExceeded, format!("No answer from {target} in time. {hint}"))
    }

    /// The error of a stream, or of the events of `operation`, that ended before `finished`.
    pub(crate) fn interrupted(operation: &str, last: i64, details: &str, cause: Option<Self>) -> Self {
        let message = if operation.is_empty() {
            format!("The stream ended without `finished`: {details}. The answer is incomplete; send the request again.")
        } else {
            format!(
                "The events of {operation} ended after number {last}: {details}. The operation continues; \
                 attach again after that number."
            )
        };
        let mut error = Self::new(Code::Unavailable, message);
        error.0.connection_lost = true;
        error.0.source = cause.and_then(|cause| cause.0.source);
        error
    }

    /// The error of a call to `target`.
    pub(crate) fn of_call(status: Status, target: &str) -> Self {
        if is_timeout(&status) {
            return Self::timed_out(target);
        }
        let attached = pb::Status::decode(status.details()).ok();
        let mut error = match attached.filter(|attached| attached.code == status.code() as i32) {
            Some(attached) if !status.details().is_empty() => Self::from(attached),
            _ => Self::without_details(&status, target),
        };
        error.0.pushback = pushback(&status);
        error.0.source = Some(status);
        error
    }

    /// The error of a call that failed before or beside the service: in the network, or at a proxy.
    fn without_details(status: &Status, target: &str) -> Self {
        // A local failure has a source. The caller cannot see a cancelled call, so the connection was reset.
        let is_local = std::error::Error::source(status).is_some() && status.code() != Code::OutOfRange;
        let code = if is_local || status.code() == Code::Cancelled { Code::Unavailable } else { status.code() };
        let details = root_cause(status);
        let message = match code {
            Code::Unavailable => format!(
                "Cannot reach {target}: {details}. Check that the service runs there, that the address is right, and \
                 that both sides use TLS or neither does."
            ),
            Code::Unimplemented => format!(
                "{target} does not have this method: {details}. Check that it runs a version of the service that fits \
                 this client."
            ),
            _ => format!("{target} answered: {details}."),
        };
        let mut error = Self::new(code, message);
        // Proxies end streams with INTERNAL, and UNKNOWN is what a proxy itself answers over HTTP.
        error.0.connection_lost = matches!(code, Code::Unavailable | Code::Internal | Code::Unknown);
        error
    }
}

impl From<pb::Status> for Error {
    /// The error that a `google.rpc.Status` describes, such as the `error` of an operation.
    fn from(status: pb::Status) -> Self {
        let mut error = Self::new(Code::from_i32(status.code), status.message);
        for detail in &status.details {
            // A proxy may truncate details: code and message are still useful without them.
            match detail.type_url.rsplit('/').next().unwrap_or_default() {
                "google.rpc.ErrorInfo" => error.add_info(pb::ErrorInfo::decode(&*detail.value).unwrap_or_default()),
                "google.rpc.RetryInfo" => {
                    let info = pb::RetryInfo::decode(&*detail.value).unwrap_or_default();
                    error.0.retry_after = info.retry_delay.and_then(|delay| Duration::try_from(delay).ok());
                }
                "google.rpc.BadRequest" => {
                    let bad = pb::BadRequest::decode(&*detail.value).unwrap_or_default();
                    error.0.fields = bad.field_violations.into_iter().map(FieldViolation::from).collect();
                }
                _ => {}
            }
        }
        error
    }
}

impl Error {
    fn add_info(&mut self, info: pb::ErrorInfo) {
        if info.domain == DOMAIN {
            let name = format!("ERROR_REASON_{}", info.reason);
            self.0.reason = ErrorReason::from_str_name(&name).unwrap_or_default();
            self.0.metadata = info.metadata;
        }
    }
}

impl From<pb::bad_request::FieldViolation> for FieldViolation {
    fn from(violation: pb::bad_request::FieldViolation) -> Self {
        Self { field: violation.field, description: violation.description }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixed = self.reason().as_str_name();
        let reason = prefixed.strip_prefix("ERROR_REASON_").unwrap_or(prefixed);
        match (self.reason(), self.call_id()) {
            (ErrorReason::Unspecified, _) => write!(formatter, "{} ({:?})", self.message(), self.code()),
            (_, "") => write!(formatter, "{} ({reason})", self.message()),
            (_, call) => write!(formatter, "{} ({reason}, call {call})", self.message()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|status| status as _)
    }
}

/// Whether tonic itself ended the call at its time-out, for which it has the code CANCELLED.
fn is_timeout(status: &Status) -> bool {
    let is_cancelled = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
    is_cancelled && status.details().is_empty() && status.message() == "Timeout expired"
}

fn root_cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    let text = text.trim_end_matches(['.', '!']);
    if text.is_empty() { "no details".to_owned() } else { text.to_owned() }
}

fn pushback(status: &Status) -> Option<Pushback> {
    let value = status.metadata().get("grpc-retry-pushback-ms")?;
    let milliseconds = value.to_str().ok().and_then(|text| text.parse().ok());
    Some(milliseconds.map_or(Pushback::Never, |delay| Pushback::After(Duration::from_millis(delay))))
}
