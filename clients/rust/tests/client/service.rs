//! A service in this process that gives the answers of a script, one to each call, and records the calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use dragoman_client::longrunning::operations_server::{Operations, OperationsServer};
use dragoman_client::longrunning::*;
use dragoman_client::v1::completion_service_server::{CompletionService, CompletionServiceServer};
use dragoman_client::v1::model_service_server::{ModelService, ModelServiceServer};
use dragoman_client::v1::*;
use dragoman_client::{Builder, Client};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, iter, pending};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What the service does with a call.
pub enum Answer {
    Fail(Status),
    /// Nothing, until the caller leaves.
    Hang,
    Message(Box<dyn std::any::Any + Send>),
    /// Events, and then an error, the end, or nothing.
    Events(Vec<CompletionEvent>, End),
}

pub enum End {
    Fails(Status),
    Closes,
    Hangs,
}

/// A call that arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub method: &'static str,
    /// The part of the request that tests look at.
    pub detail: String,
    pub authorization: String,
    pub timeout: String,
}

#[derive(Clone, Default)]
pub struct Service(Arc<Mutex<(VecDeque<Answer>, Vec<Call>)>>);

pub fn message<M: Send + 'static>(message: M) -> Answer {
    Answer::Message(Box::new(message))
}

impl Service {
    /// Starts the service on a port of the system's choice, and makes a client of it.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> (Self, Client) {
        let (service, builder) = Self::serve(answers).await;
        (service, builder.connect().unwrap())
    }

    pub async fn serve(answers: impl IntoIterator<Item = Answer>) -> (Self, Builder) {
        let service = Self(Arc::new(Mutex::new((answers.into_iter().collect(), Vec::new()))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let server = Server::builder()
            .add_service(CompletionServiceServer::new(service.clone()))
            .add_service(ModelServiceServer::new(service.clone()))
            .add_service(OperationsServer::new(service.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (service, Client::builder(target))
    }

    pub fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().1.clone()
    }

    /// The methods that were called, with the details.
    pub fn log(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| format!("{} {}", call.method, call.detail)).collect()
    }

    fn next<T>(&self, method: &'static str, request: &Request<T>, detail: impl Into<String>) -> Answer {
        let header = |name| request.metadata().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let (authorization, timeout) = (header("authorization"), header("grpc-timeout"));
        let mut state = self.0.lock().unwrap();
        state.1.push(Call { method, detail: detail.into(), authorization, timeout });
        state.0.pop_front().unwrap_or_else(|| Answer::Fail(Status::data_loss("the script is over")))
    }

    async fn unary<T, M: Send + 'static>(
        &self,
        method: &'static str,
        request: Request<T>,
        detail: impl Into<String>,
    ) -> Result<Response<M>, Status> {
        match self.next(method, &request, detail) {
            Answer::Fail(status) => Err(status),
            Answer::Message(message) => Ok(Response::new(*message.downcast().expect("the script fits the call"))),
            Answer::Hang => std::future::pending().await,
            Answer::Events(..) => panic!("{method} does not stream"),
        }
    }

    fn events<T>(&self, method: &'static str, request: Request<T>, detail: impl Into<String>) -> Streamed {
        match self.next(method, &request, detail) {
            Answer::Events(events, end) => {
                let events = iter(events.into_iter().map(Ok));
                Ok(Response::new(match end {
                    End::Fails(status) => events.chain(iter([Err(status)])).boxed(),
                    End::Closes => events.boxed(),
                    End::Hangs => events.chain(pending()).boxed(),
                }))
            }
            Answer::Fail(status) => Err(status),
            _ => panic!("{method} streams"),
        }
    }
}

type Events = BoxStream<'static, Result<CompletionEvent, Status>>;
type Streamed = Result<Response<Events>, Status>;
type Answered<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl CompletionService for Service {
    type StreamCompletionStream = Events;
    type AttachCompletionStream = Events;

    async fn create_completion(&self, request: Request<CompletionRequest>) -> Answered<Completion> {
        let detail = request.get_ref().model.clone();
        self.unary("create", request, detail).await
    }

    async fn stream_completion(&self, request: Request<CompletionRequest>) -> Streamed {
        let detail = request.get_ref().model.clone();
        self.events("stream", request, detail)
    }

    async fn start_completion(&self, request: Request<StartCompletionRequest>) -> Answered<Operation> {
        let detail = request.get_ref().request.clone().unwrap().request_id;
        self.unary("start", request, detail).await
    }

    async fn attach_completion(&self, request: Request<AttachCompletionRequest>) -> Streamed {
        let detail = format!("{} after {}", request.get_ref().name, request.get_ref().after_sequence);
        self.events("attach", request, detail)
    }

    async fn get_completion_request(
        &self,
        request: Request<GetCompletionRequestRequest>,
    ) -> Answered<CompletionRequest> {
        let detail = request.get_ref().name.clone();
        self.unary("request", request, detail).await
    }

    async fn count_tokens(&self, request: Request<CompletionRequest>) -> Answered<CountTokensResponse> {
        self.unary("count", request, "").await
    }

    async fn tokenize(&self, request: Request<TokenizeRequest>) -> Answered<TokenizeResponse> {
        let detail = request.get_ref().model.clone();
        self.unary("tokenize", request, detail).await
    }
}

#[tonic::async_trait]
impl ModelService for Service {
    async fn list_models(&self, request: Request<ListModelsRequest>) -> Answered<ListModelsResponse> {
        let detail = request.get_ref().page_token.clone();
        self.unary("list", request, detail).await
    }

    async fn get_model(&self, request: Request<GetModelRequest>) -> Answered<Model> {
        let detail = request.get_ref().name.clone();
        self.unary("get", request, detail).await
    }
}

#[tonic::async_trait]
impl Operations for Service {
    async fn list_operations(&self, request: Request<ListOperationsRequest>) -> Answered<ListOperationsResponse> {
        let detail = request.get_ref().filter.clone();
        self.unary("list", request, detail).await
    }

    async fn get_operation(&self, request: Request<GetOperationRequest>) -> Answered<Operation> {
        self.unary("get", request, "").await
    }

    async fn delete_operation(&self, request: Request<DeleteOperationRequest>) -> Answered<()> {
        self.unary("delete", request, "").await
    }

    async fn cancel_operation(&self, request: Request<CancelOperationRequest>) -> Answered<()> {
        self.unary("cancel", request, "").await
    }

    async fn wait_operation(&self, request: Request<WaitOperationRequest>) -> Answered<Operation> {
        let detail = request.get_ref().timeout.map_or(0, |timeout| timeout.seconds).to_string();
        self.unary("wait", request, detail).await
    }
}
