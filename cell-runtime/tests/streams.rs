//! Streams of items through the whole stack in memory: macros, server, wire, client.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

extern crate cell_runtime as cell_sdk;

use std::time::Duration;

use cell_sdk::cell::{self, Stream, TestCell};
use cell_sdk::{CallError, Error};

#[cell::service]
mod feeds {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll};

    use cell_sdk::cell;

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(crate) struct Tick {
        pub at: u64,
        pub name: String,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(crate) enum Trouble {
        Odd(u32),
        Refused,
    }

    /// Calls of `endless` that are running.
    #[derive(Default)]
    pub(crate) struct Running(AtomicU32);

    pub(crate) struct Guard(cell::State<Running>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Counts as long as somebody listens.
    pub(crate) struct Count(
        u32,
        u32,
        #[expect(dead_code, reason = "it tells when the stream is dropped")] Option<Guard>,
    );

    impl futures_core::Stream for Count {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            if self.0 == self.1 {
                return Poll::Ready(None);
            }
            self.0 += 1;
            Poll::Ready(Some(self.0 - 1))
        }
    }

    #[cell::handler]
    async fn count(to: u32) -> impl futures_core::Stream<Item = u32> {
        Count(0, to, None)
    }

    #[cell::handler]
    async fn endless(running: cell::State<Running>) -> impl futures_core::Stream<Item = u32> {
        running.0.fetch_add(1, Ordering::SeqCst);
        Count(0, u32::MAX, Some(Guard(running)))
    }

    #[cell::handler]
    async fn running(running: cell::State<Running>) -> u32 {
        running.0.load(Ordering::SeqCst)
    }

    #[cell::handler]
    async fn ticks(names: Vec<String>) -> cell::Stream<Tick> {
        let (send, items) = cell::Stream::channel(1);
        tokio::spawn(async move {
            for (at, name) in names.into_iter().enumerate() {
                if send
                    .send(Tick {
                        at: at as u64,
                        name,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        items
    }

    #[cell::handler]
    async fn evens(of: Vec<u32>) -> cell::Stream<Result<u32, Trouble>> {
        cell::Stream::iter(of.into_iter().map(|number| match number % 2 {
            0 => Ok(number),
            _ => Err(Trouble::Odd(number)),
        }))
    }

    #[cell::handler]
    async fn opened(open: bool) -> Result<cell::Stream<u32>, Trouble> {
        if open {
            Ok(cell::Stream::iter([1, 2]))
        } else {
            Err(Trouble::Refused)
        }
    }

    #[cell::handler]
    pub(crate) async fn sum(start: u64, mut numbers: cell::Stream<u32>) -> u64 {
        let mut sum = start;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number);
        }
        sum
    }

    #[cell::handler]
    async fn sum_views(mut numbers: cell::Stream<u32>) -> Result<u64, Trouble> {
        let mut sum = 0;
        while let Some(batch) = numbers.next_batch().await {
            let batch = batch.map_err(|_| Trouble::Refused)?;
            sum += batch
                .iter()
                .map(|number| u64::from(number.to_native()))
                .sum::<u64>();
        }
        Ok(sum)
    }

    #[cell::handler]
    async fn first(mut words: cell::Stream<String>) -> Option<String> {
        words.next().await
    }

    #[cell::handler]
    pub(crate) async fn doubled(
        mut numbers: cell::Stream<u32>,
    ) -> cell::Stream<Result<u32, Trouble>> {
        let (send, items) = cell::Stream::channel(4);
        tokio::spawn(async move {
            while let Some(number) = numbers.next().await {
                let answer = number.checked_mul(2).ok_or(Trouble::Odd(number));
                if send.send(answer).await.is_err() {
                    return;
                }
            }
        });
        items
    }

    #[cell::handler]
    async fn breaks(after: u32) -> cell::Stream<u32> {
        cell::Stream::iter((0..).inspect(move |number| assert!(*number < after, "as asked")))
    }

    #[cell::handler]
    async fn blobs(count: u32, bytes: u32) -> cell::Stream<Vec<u8>> {
        cell::Stream::iter((0..count).map(move |number| vec![number as u8; bytes as usize]))
    }
}

use feeds::{Tick, Trouble};

type Streaming<T, F = Error> = cell::Streaming<T, F>;

fn serve() -> TestCell {
    TestCell::serve(feeds::handlers().state(feeds::Running::default())).unwrap()
}

async fn all<T: cell::Protein, F: cell_sdk::stream::Failure>(
    mut items: Streaming<T, F>,
) -> Result<Vec<T>, F> {
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item?);
    }
    Ok(all)
}

#[tokio::test]
async fn a_handler_streams_back() {
    let cell = serve();
    for to in [0u32, 1, 63, 64, 65, 100_000] {
        let items: Streaming<u32> = cell.receive("count", &(to,)).await.unwrap();
        let items = all(items).await.unwrap();
        assert!(items.into_iter().eq(0..to), "{to}");
    }
    let names: Vec<String> = ["a", "b", "ü"].map(str::to_owned).to_vec();
    let items: Streaming<Tick> = cell.receive("ticks", &(names,)).await.unwrap();
    let ticks = all(items).await.unwrap();
    assert_eq!(ticks.len(), 3);
    assert_eq!((ticks[2].at, ticks[2].name.as_str()), (2, "ü"));
}

#[tokio::test]
async fn batches_are_read_in_place() {
    let cell = serve();
    let mut items: Streaming<u32> = cell.receive("count", &(10_000u32,)).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    let (mut next, mut batches) = (1, 0);
    while let Some(batch) = items.next_batch().await {
        for number in batch.unwrap().iter() {
            assert_eq!(number.to_native(), next);
            next += 1;
        }
        batches += 1;
    }
    assert_eq!(next, 10_000);
    assert!(batches < 100, "{batches}");
}

#[tokio::test]
async fn an_error_ends_a_stream() {
    let cell = serve();
    let mut items: Streaming<u32, CallError<Trouble>> = cell
        .receive("evens", &(vec![2u32, 4, 5, 6],))
        .await
        .unwrap();
    assert_eq!(items.next().await, Some(Ok(2)));
    assert_eq!(items.next().await, Some(Ok(4)));
    assert_eq!(
        items.next().await,
        Some(Err(CallError::App(Trouble::Odd(5))))
    );
    assert_eq!(items.next().await, None);
    assert_eq!(items.next().await, None);

    let opened: Streaming<u32, CallError<Trouble>> =
        cell.receive("opened", &(true,)).await.unwrap();
    assert_eq!(all(opened).await.unwrap(), [1, 2]);
    let refused: Streaming<u32, CallError<Trouble>> =
        cell.receive("opened", &(false,)).await.unwrap();
    assert_eq!(
        all(refused).await.unwrap_err(),
        CallError::App(Trouble::Refused)
    );

    let mut panics: Streaming<u32> = cell.receive("breaks", &(3u32,)).await.unwrap();
    let end = loop {
        match panics.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(end.contains("panicked: as asked"), "{end}");
}

#[tokio::test]
async fn a_caller_streams_in() {
    let cell = serve();
    for count in [0u32, 1, 100_000] {
        let sum: Result<u64, Error> = cell.collect("sum", &(7u64,), Stream::iter(0..count)).await;
        let expected = 7 + (0..u64::from(count)).sum::<u64>();
        assert_eq!(sum.unwrap(), expected);
        let sum: Result<u64, CallError<Trouble>> =
            cell.collect("sum_views", &(), Stream::iter(0..count)).await;
        assert_eq!(sum.unwrap(), expected - 7);
    }
    // The handler answers before its caller is through.
    let words = Stream::iter((0..).map(|number: u64| number.to_string()));
    let first: Result<Option<String>, Error> = cell.collect("first", &(), words).await;
    assert_eq!(first.unwrap().as_deref(), Some("0"));
}

#[tokio::test]
async fn both_stream_at_once() {
    let cell = serve();
    let (send, items) = Stream::channel(1);
    let mut doubled: Streaming<u32, CallError<Trouble>> =
        cell.exchange("doubled", &(), items).await.unwrap();
    for number in 0..100 {
        send.send(number).await.unwrap();
        assert_eq!(doubled.next().await, Some(Ok(2 * number)));
    }
    drop(send);
    assert_eq!(doubled.next().await, None);
    let many = Stream::iter(0..50_000);
    let doubled: Streaming<u32, CallError<Trouble>> =
        cell.exchange("doubled", &(), many).await.unwrap();
    assert!(
        all(doubled)
            .await
            .unwrap()
            .into_iter()
            .eq((0..100_000).step_by(2))
    );
}

#[tokio::test]
async fn a_dropped_stream_stops_its_handler_and_an_unread_one_holds_it() {
    let cell = serve();
    let mut items: Streaming<u32> = cell.receive("endless", &()).await.unwrap();
    for number in 0..1000 {
        assert_eq!(items.next().await, Some(Ok(number)));
    }
    let running: u32 = cell.call("running", &()).await.unwrap();
    assert_eq!(running, 1);
    drop(items);
    for _ in 0..1000 {
        if cell.call::<_, u32>("running", &()).await.unwrap() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the handler still runs");
}

#[tokio::test]
async fn large_items_pass_and_too_large_ones_are_named() {
    let cell = serve();
    for (count, bytes) in [(100u32, 1_000_000u32), (3, 10 << 20), (2000, 100)] {
        let mut items: Streaming<Vec<u8>> = cell.receive("blobs", &(count, bytes)).await.unwrap();
        let mut seen = 0u32;
        while let Some(item) = items.next().await {
            let item = item.unwrap();
            assert_eq!((item.len(), item[0]), (bytes as usize, seen as u8));
            seen += 1;
        }
        assert_eq!(seen, count);
    }
    let mut items: Streaming<Vec<u8>> = cell.receive("blobs", &(1u32, 17u32 << 20)).await.unwrap();
    let error = items.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("at most 16777216"), "{error}");
    let blobs = Stream::iter([vec![0u32; 5 << 20]]);
    let error = cell
        .collect::<_, Vec<u32>, u64, Error>("sum", &(0u64,), blobs)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("at most 16777216"), "{error}");
}

#[tokio::test]
async fn items_of_another_type_are_refused() {
    let cell = serve();
    let words = Stream::iter(["no".to_owned(), "numbers".to_owned()]);
    let error = cell
        .collect::<_, String, u64, Error>("first", &(), words)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Codec(_)), "{error}");
    // Four bytes are no text, which has eight at least.
    let error = cell
        .collect::<_, u32, Option<String>, Error>("first", &(), Stream::iter([1]))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("bad request"), "{error}");
    assert!(error.contains("`Vec<String>`"), "{error}");
}

#[tokio::test]
async fn a_stream_of_a_caller_that_panics_ends_the_call() {
    let cell = serve();
    let numbers = Stream::iter((0u32..).inspect(|number| assert!(*number < 10, "no more")));
    let error = cell
        .collect::<_, u32, u64, Error>("sum", &(0u64,), numbers)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("panicked"), "{error}");
}

#[tokio::test]
async fn a_deadline_ends_a_stream() {
    let cell = serve().deadline(Duration::from_millis(50));
    let (_send, numbers) = Stream::channel(1);
    let error = cell
        .collect::<_, u32, u64, Error>("sum", &(0u64,), numbers)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded { .. }), "{error}");
}

#[tokio::test]
async fn a_handler_is_called_without_a_cell_too() {
    let sum = feeds::sum(1, Stream::iter([2, 3])).await;
    assert_eq!(sum, 6);
    let mut doubled = feeds::doubled(Stream::iter([1, 2])).await;
    assert_eq!(doubled.next().await, Some(Ok(2)));
    let batch = doubled.next_batch().await.unwrap().unwrap();
    assert_eq!(batch.len(), 1);
    assert!(doubled.next_batch().await.is_none());
}
