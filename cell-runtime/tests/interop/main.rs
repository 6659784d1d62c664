//! What gRPC's interoperability tests and connectrpc's conformance suite ask of an implementation, over every transport. The
//! cases have their names where they have one.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests bind sockets and write keys; deadlines are times"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

extern crate cell_runtime as cell_sdk;

mod limits;
mod rig;
mod service;
mod streams;
mod unary;

/// Runs each case over each transport, as tests of their own.
macro_rules! over {
    ($transport:ident: $($module:ident::{$($case:ident),* $(,)?})*) => {
        mod $transport {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$module::$case(crate::rig::Rig::$transport().await).await;
                }
            )*)*
        }
    };
}

macro_rules! transports {
    ($($transport:ident $(if $feature:literal)?),*) => {$(
        $(#[cfg(feature = $feature)])?
        over! { $transport:
            unary::{
                empty_unary,
                large_unary,
                unimplemented_method,
                status_code_and_message,
                special_status_message,
                a_panic_is_a_status,
                many_calls_share_a_connection,
                trace_context_arrives,
            }
            limits::{
                timeout_on_sleeping_server,
                deadlines_propagate,
                a_deadline_that_has_passed_starts_nothing,
                client_cancellation,
                messages_up_to_the_limit_pass_and_larger_ones_are_named,
            }
            streams::{
                client_streaming,
                server_streaming,
                ping_pong,
                empty_stream,
                cancel_after_begin,
                cancel_after_first_response,
                an_error_before_any_item,
                an_error_after_items,
                a_deadline_in_the_middle_of_a_stream,
                a_half_close_leaves_the_other_half,
                a_slow_reader_holds_the_handler_back,
                unary_calls_pass_a_stream_that_nobody_reads,
            }
        }
    )*};
}

transports!(memory, unix, gap, quic if "remote", relayed if "remote");
