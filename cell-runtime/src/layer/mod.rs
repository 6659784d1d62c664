//! Middleware of one's own, by [tower](https://docs.rs/tower)'s traits (feature `tower`): around the handlers of a cell with
//! [`Handlers::layer`](crate::Handlers::layer), and around a [`Client`](crate::client::Client), which is a
//! [`tower_service::Service`].
//!
//! A layer sees the route's name, who calls, the deadline and the archive of the arguments, and answers with the handler's
//! reply or with a status of its own. What tower and others have for any service goes around a cell as it is:
//!
//! ```
//! # extern crate cell_runtime as cell_sdk;
//! use std::time::Duration;
//!
//! use cell_sdk::cell;
//! use cell_sdk::layer::CallRequest;
//! use cell_sdk::server::{Status, StatusCode};
//! use tower::{BoxError, ServiceBuilder};
//!
//! #[cell::service]
//! mod adder {
//!     use cell_sdk::cell;
//!
//!     #[cell::handler]
//!     async fn add(left: u32, right: u32) -> u32 {
//!         left + right
//!     }
//! }
//!
//! /// Only processes of this user may call; `uid` is what the kernel says, the caller's name only what it says itself.
//! async fn own_user(call: CallRequest) -> Result<CallRequest, BoxError> {
//!     match call.context.caller.uid {
//!         Some(uid) if uid != nix::unistd::getuid().as_raw() => {
//!             let message = format!("user {uid} may not call `{}`", call.route);
//!             Err(Status::new(StatusCode::Refused, message).into())
//!         }
//!         _ => Ok(call),
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), cell::Error> {
//!     let layers = ServiceBuilder::new()
//!         // What tower's own layers say, as a status that callers know; anything else would be `internal`.
//!         .map_err(|error: BoxError| -> BoxError {
//!             if error.is::<tower::timeout::error::Elapsed>() {
//!                 return Status::new(StatusCode::DeadlineExceeded, "the cell allows 2 s a call").into();
//!             }
//!             error
//!         })
//!         .filter_async(own_user)
//!         .timeout(Duration::from_secs(2))
//!         // A rate limit is one for all callers: it lives in a task of its own.
//!         .buffer(64)
//!         .rate_limit(100, Duration::from_secs(1));
//!     let cell = cell::TestCell::serve(adder::handlers().layer(layers))?;
//!     let sum: u32 = cell.call("add", &(1u32, 2u32)).await?;
//!     assert_eq!(sum, 3);
//!     Ok(())
//! }
//! ```
//!
//! A layer that waits in `poll_ready` holds the call, not the connection; the call's deadline goes on. A call with streams
//! goes through the layers once, and its future ends with the last item: a timeout is one for the whole stream. Calls of
//! routes that the cell does not have are answered before any layer.

mod client;
mod serve;

pub use client::ClientRequest;
pub use serve::{CallRequest, CallService};
