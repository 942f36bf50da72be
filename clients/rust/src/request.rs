//! Requests from texts and conversations. Everything else is a field of the generated messages.

use uuid::Uuid;

use crate::config::DEFAULT_MODEL;
use crate::v1::{
    Choice, Completion, CompletionRequest, DisconnectPolicy, Message, Part, Role, StartCompletionRequest,
    TokenizeRequest, part, tokenize_request,
};

impl Message {
    /// A message with one text part.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        let part = Part { content: Some(part::Content::Text(text.into())), ..Part::default() };
        Self { role: role.into(), parts: vec![part], ..Self::default() }
    }
}

impl CompletionRequest {
    /// A request to that model with that conversation, oldest message first.
    pub fn new(model: impl Into<String>, messages: impl IntoIterator<Item = Message>) -> Self {
        Self { model: model.into(), messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// The same request to another model.
    #[must_use]
    pub fn with_model(self, model: impl Into<String>) -> Self {
        Self { model: model.into(), ..self }
    }

    /// The same request with an idempotency key: with that key it runs once, and all callers get its answer. Its
    /// completion is an operation, so that an interrupted stream resumes.
    #[must_use]
    pub fn with_request_id(self, request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..self }
    }

    /// The same request, whose completion continues as an operation if the caller leaves, so that an interrupted stream
    /// resumes.
    #[must_use]
    pub fn continuing(self) -> Self {
        Self { disconnect_policy: DisconnectPolicy::Continue.into(), ..self }
    }
}

impl From<&str> for CompletionRequest {
    /// A request with one message of the user, to the model "local".
    fn from(text: &str) -> Self {
        Self::from(String::from(text))
    }
}

impl From<String> for CompletionRequest {
    /// A request with one message of the user, to the model "local".
    fn from(text: String) -> Self {
        Self::from(vec![Message::new(Role::User, text)])
    }
}

impl From<Vec<Message>> for CompletionRequest {
    /// A request with that conversation, to the model "local".
    fn from(messages: Vec<Message>) -> Self {
        Self::new(DEFAULT_MODEL, messages)
    }
}

impl<T: Into<CompletionRequest>> From<T> for StartCompletionRequest {
    /// An operation with the service's defaults.
    fn from(request: T) -> Self {
        Self { request: Some(request.into()), ..Self::default() }
    }
}

impl TokenizeRequest {
    /// A request for the tokens of a plain text, without any template.
    pub fn new(model: impl Into<String>, text: impl Into<String>) -> Self {
        Self { model: model.into(), input: Some(tokenize_request::Input::Text(text.into())) }
    }
}

impl From<CompletionRequest> for TokenizeRequest {
    /// A request for the tokens of a prompt as the model would see it.
    fn from(request: CompletionRequest) -> Self {
        let request = completed(request);
        Self { model: request.model.clone(), input: Some(tokenize_request::Input::Request(request)) }
    }
}

impl Completion {
    /// The text of the first choice, without reasoning, refusals and tool calls; empty if there is none.
    pub fn text(&self) -> String {
        self.choices.first().map(Choice::text).unwrap_or_default()
    }
}

impl Choice {
    /// The text of the choice, without reasoning, refusals and tool calls; empty if there is none.
    pub fn text(&self) -> String {
        let parts = self.message.iter().flat_map(|message| &message.parts);
        parts
            .filter_map(|part| if let Some(part::Content::Text(text)) = &part.content { Some(&**text) } else { None })
            .collect()
    }
}

/// The request as it is sent: with a model, unless the caller set one.
pub(crate) fn completed(request: impl Into<CompletionRequest>) -> CompletionRequest {
    let mut request = request.into();
    if request.model.is_empty() {
        request.model = DEFAULT_MODEL.to_owned();
    }
    request
}

/// The request as it is sent. It always has a request_id, so that it is safe to repeat.
pub(crate) fn completed_start(start: impl Into<StartCompletionRequest>) -> StartCompletionRequest {
    let mut start = start.into();
    let mut request = completed(start.request.take().unwrap_or_default());
    if request.request_id.is_empty() {
        request.request_id = Uuid::new_v4().to_string();
    }
    start.request = Some(request);
    start
}
