extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod wrong_streams {
    use cell_sdk::cell;
    use futures_core::Stream;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[derive(cell::Protein)]
    pub struct Late;

    #[derive(cell::Protein)]
    pub struct Early;

    #[cell::handler]
    async fn of_what() -> impl Stream {
        cell::Stream::iter([1u32])
    }

    #[cell::handler]
    async fn aliased() -> impl Stream<Item = anyhow::Result<u32>> {
        Results
    }

    struct Results;

    impl Stream for Results {
        type Item = anyhow::Result<u32>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<anyhow::Result<u32>>> {
            Poll::Ready(None)
        }
    }

    #[cell::handler]
    async fn two_errors() -> Result<cell::Stream<Result<u32, Late>>, Early> {
        Err(Early)
    }

    #[cell::handler]
    async fn two_streams(one: cell::Stream<u32>, other: cell::Stream<String>) -> u32 {
        0
    }
}

fn main() {}
