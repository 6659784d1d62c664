//! The cell that all cases call.

use std::sync::atomic::{AtomicU32, Ordering};

use cell_sdk::cell;
use tokio::sync::Notify;

/// What the cases see of the handlers.
#[derive(Default)]
pub(crate) struct Probe {
    /// Handlers that were started.
    pub(crate) started: AtomicU32,
    /// Items that `numbers` has made.
    pub(crate) made: AtomicU32,
    /// Rings when a handler that does not end by itself is dropped.
    pub(crate) stopped: Notify,
    /// Rings when a handler that does not end by itself has begun.
    pub(crate) begun: Notify,
}

/// Rings when it is dropped.
pub(crate) struct Bell(cell::State<std::sync::Arc<Probe>>);

impl Bell {
    fn new(probe: cell::State<std::sync::Arc<Probe>>) -> Bell {
        probe.started.fetch_add(1, Ordering::SeqCst);
        probe.begun.notify_one();
        Bell(probe)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.stopped.notify_one();
    }
}

#[cell::service]
pub(crate) mod interop {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::task::{Context, Poll};

    use cell_sdk::cell;

    use super::{Bell, Probe};

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(crate) struct Trouble {
        pub(crate) code: u32,
        pub(crate) message: String,
    }

    #[cell::handler]
    async fn empty() {}

    #[cell::handler]
    async fn large(size: u32, body: Vec<u8>) -> (u32, Vec<u8>) {
        (body.len() as u32, vec![7; size as usize])
    }

    #[cell::handler]
    async fn fails(trouble: Trouble) -> Result<u32, Trouble> {
        Err(trouble)
    }

    #[cell::handler]
    async fn panics(message: String) {
        panic!("{message}");
    }

    #[cell::handler]
    async fn sleeps(probe: cell::State<Arc<Probe>>) {
        let _bell = Bell::new(probe);
        std::future::pending::<()>().await;
    }

    /// Microseconds that the caller leaves.
    #[cell::handler]
    async fn remaining(context: cell::Context) -> u64 {
        let left = context.remaining(std::time::Instant::now());
        left.as_micros() as u64
    }

    #[cell::handler]
    async fn trace(context: cell::Context) -> Option<String> {
        context.trace().map(ToString::to_string)
    }

    #[cell::handler]
    async fn collects(mut bodies: cell::Stream<Vec<u8>>, probe: cell::State<Arc<Probe>>) -> u64 {
        let _bell = Bell::new(probe);
        let mut sum = 0;
        while let Some(body) = bodies.next().await {
            sum += body.len() as u64;
        }
        sum
    }

    #[cell::handler]
    async fn streams(sizes: Vec<u32>) -> cell::Stream<Vec<u8>> {
        cell::Stream::iter(sizes.into_iter().map(|size| vec![0; size as usize]))
    }

    /// For each size a body. An empty stream gives an empty stream.
    #[cell::handler]
    async fn exchanges(
        mut sizes: cell::Stream<u32>,
        probe: cell::State<Arc<Probe>>,
    ) -> cell::Stream<Vec<u8>> {
        let (send, bodies) = cell::Stream::channel(1);
        tokio::spawn(async move {
            let _bell = Bell::new(probe);
            loop {
                // A caller that is gone takes the bodies' receiver with it.
                let size = tokio::select! {
                    size = sizes.next() => size,
                    () = send.closed() => return,
                };
                let Some(size) = size else { return };
                if send.send(vec![1; size as usize]).await.is_err() {
                    return;
                }
            }
        });
        bodies
    }

    /// So many numbers, then trouble.
    #[cell::handler]
    async fn breaks(after: u32) -> cell::Stream<Result<u32, Trouble>> {
        let trouble = Trouble {
            code: after,
            message: "as asked".into(),
        };
        cell::Stream::iter((0..after).map(Ok).chain([Err(trouble)]))
    }

    /// Takes all items first, then gives their number so many times.
    #[cell::handler]
    async fn echoes_after(mut words: cell::Stream<String>, times: u32) -> cell::Stream<u32> {
        let (send, items) = cell::Stream::channel(1);
        tokio::spawn(async move {
            let mut count = 0;
            while words.next().await.is_some() {
                count += 1;
            }
            for _ in 0..times {
                if send.send(count).await.is_err() {
                    return;
                }
            }
        });
        items
    }

    /// Numbers for as long as somebody listens.
    pub(crate) struct Numbers {
        next: u32,
        bell: Bell,
    }

    impl futures_core::Stream for Numbers {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            self.next += 1;
            self.bell.0.made.store(self.next, Ordering::SeqCst);
            Poll::Ready(Some(self.next - 1))
        }
    }

    #[cell::handler]
    async fn numbers(probe: cell::State<Arc<Probe>>) -> impl futures_core::Stream<Item = u32> {
        Numbers {
            next: 0,
            bell: Bell::new(probe),
        }
    }
}
