use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use crate::server::{CallContext, CallFuture, Reply, RouteId, Status, StatusCode};
use crate::vesicle::Vesicle;

/// A call on its way to its handler, as layers see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallRequest {
    /// The route's name: that of the handler, or at the low level of the message type.
    pub route: &'static str,
    /// The route's id on the wire. A layer that changes it changes nothing: the handler has been chosen.
    pub id: RouteId,
    /// Deadline, caller, trace, cancellation. What a layer changes here is what the handler sees.
    pub context: CallContext,
    /// The archive of the arguments, not validated yet.
    pub payload: Vesicle,
}

impl CallRequest {
    pub(crate) fn new(
        route: &'static str,
        id: RouteId,
        context: CallContext,
        payload: Vesicle,
    ) -> CallRequest {
        CallRequest {
            route,
            id,
            context,
            payload,
        }
    }
}

type Function = dyn Fn(CallRequest) -> CallFuture + Send + Sync;

/// A handler, with the layers that are around it so far: what a layer is given to call.
#[derive(Clone)]
pub struct CallService(Arc<Function>);

impl CallService {
    pub(crate) fn new(
        call: impl Fn(CallRequest) -> CallFuture + Send + Sync + 'static,
    ) -> CallService {
        CallService(Arc::new(call))
    }

    /// Makes one service of any.
    pub(crate) fn around<S>(service: S) -> CallService
    where
        S: Service<CallRequest, Response = Reply> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
    {
        CallService::new(move |request| {
            let mut service = service.clone();
            CallFuture::new(async move {
                let ready = poll_fn(|cx| service.poll_ready(cx)).await;
                ready.map_err(|error| status(&*error.into()))?;
                let outcome = service.call(request).await;
                outcome.map_err(|error| status(&*error.into()))
            })
        })
    }

    pub(crate) fn start(&self, request: CallRequest) -> CallFuture {
        (self.0)(request)
    }
}

impl Service<CallRequest> for CallService {
    type Response = Reply;
    type Error = Status;
    type Future = CallFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: CallRequest) -> CallFuture {
        self.start(request)
    }
}

impl fmt::Debug for CallService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallService")
    }
}

/// What a caller is told of a layer's error: the status that it is or was caused by, and otherwise its words.
fn status(error: &(dyn Error + Send + Sync + 'static)) -> Status {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.clone();
        }
        cause = error.source();
    }
    Status::new(StatusCode::Internal, format!("a layer failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Wrapped(Status);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_of_a_layer_becomes_a_status() {
        let refused = Status::new(StatusCode::Refused, "not you");
        let internal = Status::new(StatusCode::Internal, "a layer failed: out of tea");
        let cases: [(Box<dyn Error + Send + Sync>, Status); 3] = [
            (refused.clone().into(), refused.clone()),
            (Wrapped(refused.clone()).into(), refused),
            ("out of tea".into(), internal),
        ];
        for (error, expected) in cases {
            assert_eq!(status(&*error), expected);
        }
    }
}
