//! tonic over a Unix socket, with a codec that copies the bytes: no protobuf, only gRPC itself.

use std::convert::Infallible;
use std::path::Path;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::{Buf, BufMut};
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status};

use crate::{Caller, Payload};

const PATH: &str = "/bench.Echo/Echo";

#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Payload;
    type Decode = Payload;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Payload;
    type Error = Status;

    fn encode(&mut self, item: Payload, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.iter().for_each(|word| buffer.put_u64_le(*word));
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Payload;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Payload>, Status> {
        if buffer.remaining() < 64 {
            return Err(Status::internal("the message is short"));
        }
        Ok(Some(std::array::from_fn(|_| buffer.get_u64_le())))
    }
}

#[derive(Clone)]
struct Echo;

impl tonic::server::UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = std::future::Ready<Result<Response<Payload>, Status>>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        std::future::ready(Ok(Response::new(request.into_inner())))
    }
}

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(Echo, request).await) })
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let incoming = UnixListenerStream::new(UnixListener::bind(socket)?);
    crate::say_ready();
    Ok(Server::builder()
        .add_service(Echo)
        .serve_with_incoming(incoming)
        .await?)
}

#[derive(Clone)]
pub struct Client(Channel);

pub async fn connect(socket: &Path) -> Result<Client> {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    });
    Ok(Client(
        Endpoint::from_static("http://bench.local")
            .connect_with_connector(connector)
            .await?,
    ))
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await?;
        let answer = grpc
            .unary(
                Request::new(payload),
                http::uri::PathAndQuery::from_static(PATH),
                Raw,
            )
            .await?;
        Ok(answer.into_inner())
    }
}
