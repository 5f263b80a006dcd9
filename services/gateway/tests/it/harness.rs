//! Services for any proto, answered by a closure or by an echo, through tonic's own server code.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::{Router, body::Body, response::Response};
use bytes::{Buf, BufMut};
use futures_util::{Stream, StreamExt, future::BoxFuture};
use gevinst_gateway::{Error, Options};
use http::HeaderMap;
use http_body_util::BodyExt;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, ServerStreamingService, UnaryService},
    service::Routes,
};
use tower::{Service, ServiceExt};

/// The folder of the vendored protos.
fn vendor() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/vendor")
}

/// The encoded descriptors of one proto file.
pub fn compile(proto: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("service.proto"), proto).unwrap();
    let mut compiler = protox::Compiler::new([folder.path().to_owned(), vendor()]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("service.proto").unwrap_or_else(|error| panic!("{error:?}\n{proto}"));
    compiler.encode_file_descriptor_set()
}

/// The answers of a handler: one, where the method does not stream.
pub type Answers = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;

/// Answers a call of the method of this name.
pub type Handler = Arc<
    dyn Fn(String, tonic::Request<DynamicMessage>) -> BoxFuture<'static, Result<tonic::Response<Answers>, Status>>
        + Send
        + Sync,
>;

/// What a handler got: the method's name and the message.
pub type Received = Arc<Mutex<Option<(String, DynamicMessage)>>>;

/// One message.
pub fn once(message: DynamicMessage) -> tonic::Response<Answers> {
    tonic::Response::new(Box::pin(tokio_stream::once(Ok(message))))
}

/// A gateway in front of services.
pub struct Gateway {
    /// Its router.
    pub router: Router,
    /// What the echo got last.
    pub received: Received,
}

impl Gateway {
    /// Of the services in this proto, whose every method returns the message that it got.
    pub fn echo(proto: &str) -> Result<Self, Error> {
        let received = Received::default();
        let keep = received.clone();
        let handler: Handler = Arc::new(move |method, request| {
            let message = request.into_inner();
            *keep.lock().unwrap() = Some((method, message.clone()));
            Box::pin(async { Ok(once(message)) })
        });
        Self::of(proto, handler, Options::default(), |routes| routes).map(|gateway| Self { received, ..gateway })
    }

    /// Of the services in this proto, answered by this, with these layers around them.
    pub fn of(
        proto: &str,
        handler: Handler,
        options: Options,
        layers: impl FnOnce(Router) -> Router,
    ) -> Result<Self, Error> {
        let descriptors = compile(proto);
        let pool = DescriptorPool::decode(descriptors.as_slice()).unwrap();
        let services: Vec<String> = pool.services().map(|service| service.full_name().to_owned()).collect();
        let served = Served { pool, handler };
        let mut routes = Routes::default();
        for service in services {
            *routes.axum_router_mut() = std::mem::take(routes.axum_router_mut())
                .route_service(&format!("/{service}/{{*method}}"), served.clone());
        }
        let routes = Routes::from(layers(routes.into_axum_router()));
        let router = gevinst_gateway::router(routes, &descriptors, options)?;
        Ok(Self { router, received: Received::default() })
    }

    /// Sends a request.
    pub async fn send(&self, request: http::Request<Body>) -> Response {
        self.received.lock().unwrap().take();
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    /// Sends a request; gives status, headers and body.
    pub async fn answer(&self, request: http::Request<Body>) -> (u16, HeaderMap, String) {
        let (parts, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends a GET with headers.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let request =
            headers.iter().fold(http::Request::get(path), |request, (name, value)| request.header(*name, *value));
        self.answer(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a JSON body.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, HeaderMap, String) {
        let request = http::Request::post(path).header("content-type", "application/json");
        self.answer(request.body(body.into()).unwrap()).await
    }
}

#[derive(Clone)]
struct Served {
    pool: DescriptorPool,
    handler: Handler,
}

impl Service<http::Request<Body>> for Served {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (service, name) = path.split_once('/').unwrap();
        let service = self.pool.get_service_by_name(service).unwrap();
        let method = service.methods().find(|method| method.name() == name).unwrap();
        let call = Call { name: name.to_owned(), handler: self.handler.clone() };
        let mut grpc = Grpc::new(Dynamic(method.input()));
        Box::pin(async move {
            match method.is_server_streaming() {
                true => Ok(grpc.server_streaming(call, request).await),
                false => Ok(grpc.unary(call, request).await),
            }
        })
    }
}

struct Call {
    name: String,
    handler: Handler,
}

impl UnaryService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type Future = BoxFuture<'static, Result<tonic::Response<DynamicMessage>, Status>>;

    fn call(&mut self, request: tonic::Request<DynamicMessage>) -> Self::Future {
        let answers = (self.handler)(self.name.clone(), request);
        Box::pin(async {
            let (metadata, mut answers, extensions) = answers.await?.into_parts();
            let answer = answers.next().await.unwrap()?;
            Ok(tonic::Response::from_parts(metadata, answer, extensions))
        })
    }
}

impl ServerStreamingService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type ResponseStream = Answers;
    type Future = BoxFuture<'static, Result<tonic::Response<Answers>, Status>>;

    fn call(&mut self, request: tonic::Request<DynamicMessage>) -> Self::Future {
        (self.handler)(self.name.clone(), request)
    }
}

/// Messages of one type, known by its descriptor.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let length = buffer.remaining();
        let message = DynamicMessage::decode(self.0.clone(), buffer.copy_to_bytes(length));
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
