//! How often a call asks the allocator for memory, counted on either side once the connection has warmed up.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what is missing by its panic"
)]

extern crate cell_runtime as cell_sdk;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use cell_sdk::__private::client::TypedClient;
use cell_sdk::cell;
use cell_sdk::client::Target;
use cell_sdk::schema::own_service;
use cell_sdk::server::{self, ServerOptions};
use cell_sdk::transport::{Listener, Stream, UdsListener, UdsStream};

/// Counts for each thread that has asked for it.
struct Counting;

const THREADS_MAX: usize = 16;
static COUNTS: [AtomicU64; THREADS_MAX] = [const { AtomicU64::new(0) }; THREADS_MAX];

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn count() {
    let own = OWN.try_with(Cell::get).unwrap_or(usize::MAX);
    if let Some(count) = COUNTS.get(own) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts this thread from now on; gives the number of its count.
fn counted() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(own < THREADS_MAX, "room for more threads is needed");
    OWN.set(own);
    own
}

// SAFETY: every call is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[cell::service]
mod echoing {
    use cell_sdk::cell;

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(crate) struct Message {
        pub(crate) words: [u64; 8],
    }

    #[cell::handler]
    async fn echo(message: Message) -> Message {
        message
    }

    #[cell::handler]
    async fn look(message: cell::View<Message>) -> u64 {
        message.words.iter().map(|word| word.to_native()).sum()
    }

    /// Waits once, and so gets a task.
    #[cell::handler]
    async fn later(message: Message) -> Message {
        tokio::task::yield_now().await;
        message
    }
}

use echoing::Message;

/// A Unix socket that stays one.
struct Plain(UdsStream);

impl Stream for Plain {
    type Reader = <UdsStream as Stream>::Reader;
    type Writer = <UdsStream as Stream>::Writer;

    fn split(self) -> (Self::Reader, Self::Writer) {
        self.0.split()
    }

    fn peer_uid(&self) -> Option<u32> {
        self.0.peer_uid()
    }
}

struct PlainListener(UdsListener);

impl Listener for PlainListener {
    type Stream = Plain;

    async fn accept(&self) -> std::io::Result<Plain> {
        self.0.accept().await.map(Plain)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Serves on a thread of its own; gives the number of its count.
fn serve(path: PathBuf, shares_memory: bool) -> usize {
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = UdsListener::bind(&path).unwrap();
            let service = echoing::handlers().into_server().unwrap();
            let (options, forever) = (ServerOptions::default(), std::future::pending());
            ready.send(counted()).unwrap();
            if shares_memory {
                server::run(listener, service, options, forever).await
            } else {
                server::run(PlainListener(listener), service, options, forever).await
            }
        })
    });
    is_ready.recv().unwrap()
}

fn message(number: u64) -> Message {
    Message {
        words: std::array::from_fn(|word| number * word as u64),
    }
}

const CALLS: u64 = 2000;

/// One call after another.
async fn calls(client: &TypedClient, route: u64, looks: bool) {
    let call = async |number| {
        let message = message(number);
        if looks {
            let sum: u64 = client.call(route, &(message.clone(),)).await.unwrap();
            assert_eq!(sum, message.words.iter().sum::<u64>());
        } else {
            let echo: Message = client.call(route, &(message.clone(),)).await.unwrap();
            assert_eq!(echo, message);
        }
    };
    for number in 0..CALLS {
        call(number).await;
    }
}

/// The allocations of a call, on the client's side and on the server's.
fn allocations(name: &str, shares_memory: bool) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echoing.sock");
    let there = serve(path.clone(), shares_memory);
    let schema = own_service("allocations::echoing").unwrap();
    let route = schema.route(name).unwrap().fingerprint.0;
    let target = Target::at(&path.to_string_lossy(), "echoing", schema.fingerprint.0).unwrap();
    let here = counted();
    runtime().block_on(async {
        let client = TypedClient::to(target);
        calls(&client, route, name == "look").await;
        let counts = || [here, there].map(|thread| COUNTS[thread].load(Ordering::SeqCst));
        let before = counts();
        calls(&client, route, name == "look").await;
        let after = counts();
        // In hundredths: what is allocated once, when a path is taken for the first time, is not a call's.
        let each = |side: usize| ((after[side] - before[side]) * 100 / CALLS) as f64 / 100.0;
        (each(0), each(1))
    })
}

#[test]
fn a_call_in_steady_state_allocates_nothing() {
    for name in ["echo", "look"] {
        for shares_memory in [false, true] {
            let counts = allocations(name, shares_memory);
            assert_eq!(
                counts,
                (0.0, 0.0),
                "`{name}`, in shared memory: {shares_memory}"
            );
        }
    }
}

#[test]
fn a_handler_that_waits_costs_its_task() {
    for shares_memory in [false, true] {
        let counts = allocations("later", shares_memory);
        assert_eq!(counts, (0.0, 1.0), "in shared memory: {shares_memory}");
    }
}
