//! The service of the live matrix: what every language's client must manage against a Rust service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

pub mod client;

/// What the handlers share.
#[derive(Debug, Default)]
pub struct Tally {
    /// Which generation of the service this is.
    pub generation: u32,
    /// How many slow calls were cancelled.
    pub cancelled: Arc<AtomicU64>,
    served: AtomicU64,
    more: Notify,
}

impl Tally {
    /// What the generation of this number starts with.
    #[must_use]
    pub fn of(generation: u32) -> Tally {
        Tally {
            generation,
            ..Tally::default()
        }
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::SeqCst);
        self.more.notify_waiters();
    }

    async fn until_served(&self, count: u64) -> u64 {
        loop {
            let more = self.more.notified();
            let served = self.served.load(Ordering::SeqCst);
            if served >= count {
                return served;
            }
            more.await;
        }
    }
}

/// Counts a slow call that is dropped before its time.
struct Running {
    cancelled: Arc<AtomicU64>,
    done: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What every client is tried against.
#[cell_sdk::cell::service]
pub mod matrix {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use cell_sdk::cell;

    use super::{Running, Tally};

    /// An error with every shape of a variant.
    #[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
    pub enum MatrixError {
        /// What was looked for.
        NotFound { id: String },
        /// A reason as a number.
        Refused(u32),
        /// Nothing more to say.
        Empty,
    }

    /// Gives the text back.
    #[cell::handler]
    async fn echo(tally: cell::State<Tally>, text: String) -> String {
        tally.serve();
        text
    }

    /// The sum, round at the end.
    #[cell::handler]
    async fn add(tally: cell::State<Tally>, a: u64, b: u64) -> u64 {
        tally.serve();
        a.wrapping_add(b)
    }

    /// Fails as it is asked to: `not_found`, `refused`, `empty`; anything else gives its length.
    #[cell::handler]
    async fn fail(kind: String) -> Result<u32, MatrixError> {
        match kind.as_str() {
            "not_found" => Err(MatrixError::NotFound {
                id: "a name that is long".into(),
            }),
            "refused" => Err(MatrixError::Refused(42)),
            "empty" => Err(MatrixError::Empty),
            other => Ok(other.len() as u32),
        }
    }

    /// Takes this many milliseconds and gives their number.
    #[cell::handler]
    async fn slow(tally: cell::State<Tally>, ms: u32) -> u32 {
        tally.serve();
        let mut running = Running {
            cancelled: Arc::clone(&tally.cancelled),
            done: false,
        };
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
        running.done = true;
        ms
    }

    /// How many slow calls were cancelled.
    #[cell::handler]
    async fn cancelled(tally: cell::State<Tally>) -> u64 {
        tally.cancelled.load(Ordering::SeqCst)
    }

    /// Which generation answers.
    #[cell::handler]
    async fn generation(tally: cell::State<Tally>) -> u32 {
        tally.serve();
        tally.generation
    }

    /// Answers once this generation has begun with `echo`, `add`, `slow` and `generation` this often; says how often.
    #[cell::handler]
    async fn until_served(tally: cell::State<Tally>, count: u64) -> u64 {
        tally.until_served(count).await
    }

    /// The trace that the call belongs to; nothing where it belongs to none.
    #[cell::handler]
    async fn trace(context: cell::Context) -> String {
        context.trace().map(ToString::to_string).unwrap_or_default()
    }

    /// The same, as a stream of one item.
    #[cell::handler]
    async fn trace_stream(context: cell::Context) -> cell::Stream<String> {
        let trace = context.trace().map(ToString::to_string);
        cell::Stream::iter([trace.unwrap_or_default()])
    }

    /// Breaks.
    #[cell::handler]
    async fn panics() -> u32 {
        panic!("it broke")
    }

    /// A moment.
    #[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
    pub struct Tick {
        /// Its number.
        pub at: u32,
        /// Its name.
        pub name: String,
    }

    /// Counts to a number.
    #[cell::handler]
    async fn count(to: u32) -> cell::Stream<u32> {
        cell::Stream::iter(0..to)
    }

    /// This many ticks, then what `fail` does with the kind.
    #[cell::handler]
    async fn watch(kind: String, ticks: u32) -> cell::Stream<Result<Tick, MatrixError>> {
        let end = match kind.as_str() {
            "refused" => Some(Err(MatrixError::Refused(42))),
            "empty" => Some(Err(MatrixError::Empty)),
            _ => None,
        };
        let tick = |at: u32| Tick {
            at,
            name: format!("tick number {at}"),
        };
        cell::Stream::iter((0..ticks).map(move |at| Ok(tick(at))).chain(end))
    }

    /// Adds up.
    #[cell::handler]
    async fn sum(start: u64, mut numbers: cell::Stream<u32>) -> u64 {
        let mut sum = start;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number);
        }
        sum
    }

    /// Puts words together, until one is `stop`; none are an error.
    #[cell::handler]
    async fn join(mut words: cell::Stream<String>) -> Result<String, MatrixError> {
        let mut text = words.next().await.ok_or(MatrixError::Empty)?;
        while let Some(word) = words.next().await {
            if word == "stop" {
                break;
            }
            text.push_str(&word);
        }
        Ok(text)
    }

    /// Each number twice as large, at once.
    #[cell::handler]
    async fn double(mut numbers: cell::Stream<u32>) -> cell::Stream<u64> {
        let (send, doubled) = cell::Stream::channel(1);
        tokio::spawn(async move {
            while let Some(number) = numbers.next().await {
                if send.send(2 * u64::from(number)).await.is_err() {
                    return;
                }
            }
        });
        doubled
    }

    /// So many times so many bytes.
    #[cell::handler]
    async fn blobs(count: u32, bytes: u32) -> cell::Stream<Vec<u8>> {
        cell::Stream::iter((0..count).map(move |number| vec![number as u8; bytes as usize]))
    }

    /// Bytes, and what they were.
    #[cell::handler]
    async fn bytes(mut bytes: cell::Stream<u8>) -> cell::Stream<u8> {
        let mut all = Vec::new();
        while let Some(byte) = bytes.next().await {
            all.push(byte);
        }
        cell::Stream::iter(all)
    }

    /// Never ends; counts with the slow calls where it is cancelled.
    #[cell::handler]
    async fn forever(tally: cell::State<Tally>) -> cell::Stream<u32> {
        let running = Running {
            cancelled: Arc::clone(&tally.cancelled),
            done: false,
        };
        cell::Stream::iter((0..).inspect(move |_| {
            let _ = &running;
        }))
    }

    /// This many bytes.
    #[cell::handler]
    async fn big(bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }
}

/// A service of the same name whose schema has moved on: clients of the first are refused.
#[cell_sdk::cell::service(name = "matrix")]
pub mod drifted {
    use cell_sdk::cell;

    /// Gives the text back, and how often.
    #[cell::handler]
    async fn echo(text: String, times: u8) -> String {
        text.repeat(times.into())
    }
}
