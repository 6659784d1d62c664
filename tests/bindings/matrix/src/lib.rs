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

    /// Breaks.
    #[cell::handler]
    async fn panics() -> u32 {
        panic!("it broke")
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
