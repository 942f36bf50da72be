//! `grpc.health.v1.Health/Check` on the client's own channel.

use dragoman_client::Client;
use tonic::codegen::http::uri::PathAndQuery;

use crate::Failure;

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(int32, tag = "1")]
    status: i32,
}

const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

pub(crate) async fn check(client: &Client, service: &str) -> Result<String, Failure> {
    let mut stub = tonic::client::Grpc::new(client.channel());
    stub.ready().await.map_err(|error| error.to_string())?;
    let request = tonic::Request::new(Request { service: service.to_owned() });
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = tonic_prost::ProstCodec::<Request, Response>::default();
    let response = stub.unary(request, path, codec).await.map_err(|status| status.to_string())?;
    let status = response.into_inner().status;
    STATUSES.get(status as usize).map(|name| (*name).to_owned()).ok_or_else(|| format!("unknown status {status}"))
}
