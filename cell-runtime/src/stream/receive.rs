use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Error;
use crate::protein::Protein;
use crate::server::Port;
use crate::service::View;
use crate::vesicle::Vesicle;

/// A stream of messages. A handler takes what its caller streams to it as a `cell::Stream<T>`, and may return one; it may
/// as well return any other `impl Stream<Item = T>`.
///
/// Whoever sends waits while the other side does not take items: nothing piles up. Where the caller goes away in the
/// middle, the handler is dropped; it never sees an end that its caller did not mean. (A stream that was moved into a task of
/// its own yields nothing more then: let the task end with the handler.)
///
/// ```
/// # extern crate cell_runtime as cell_sdk;
/// use cell_sdk::cell;
///
/// #[cell::service]
/// mod numbers {
///     use cell_sdk::cell;
///
///     #[cell::handler]
///     async fn count(to: u32) -> cell::Stream<u32> {
///         cell::Stream::iter(0..to)
///     }
///
///     #[cell::handler]
///     async fn sum(mut numbers: cell::Stream<u32>) -> u64 {
///         let mut sum = 0;
///         while let Some(number) = numbers.next().await {
///             sum += u64::from(number);
///         }
///         sum
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), cell::Error> {
///     let cell = cell::TestCell::serve(numbers::handlers())?;
///     let mut items: cell::Streaming<u32> = cell.receive("count", &(3u32,)).await?;
///     assert_eq!(items.next().await, Some(Ok(0)));
///     let sum: u64 = cell.collect("sum", &(), cell::Stream::iter(1..=4)).await?;
///     assert_eq!(sum, 10);
///     Ok(())
/// }
/// ```
pub struct Stream<T: Protein>(Source<T>);

enum Source<T: Protein> {
    Local(Pin<Box<dyn futures_core::Stream<Item = T> + Send>>),
    Remote(Arc<dyn Port>, Batch<T>),
    Over,
}

impl<T: Protein> Stream<T> {
    /// Any stream as this one.
    pub fn new(items: impl futures_core::Stream<Item = T> + Send + 'static) -> Stream<T> {
        Stream(Source::Local(Box::pin(items)))
    }

    /// A stream of items that are there already, or are made one by one.
    pub fn iter<I>(items: I) -> Stream<T>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + Unpin + 'static,
    {
        Stream::new(Iter(items.into_iter()))
    }

    /// A stream of what is sent into a channel: `let (send, items) = cell::Stream::channel(16);`. It ends when all
    /// senders are dropped; a sender waits while `capacity` items were not taken.
    pub fn channel(capacity: usize) -> (tokio::sync::mpsc::Sender<T>, Stream<T>)
    where
        T: Send + 'static,
    {
        let (send, receive) = tokio::sync::mpsc::channel(capacity);
        (send, Stream::new(Channel(receive)))
    }

    pub(crate) fn remote(port: Option<&Arc<dyn Port>>) -> Stream<T> {
        Stream(match port {
            Some(port) => Source::Remote(Arc::clone(port), Batch::default()),
            None => Source::Over,
        })
    }

    /// The next item; nothing after the last.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The next items, as many as have come together, where they lie in the frame: nothing is copied. Nothing after the
    /// last. An error where items that were made in this process cannot be archived.
    pub async fn next_batch(&mut self) -> Option<Result<View<Vec<T>>, Error>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<View<Vec<T>>, Error>>> {
        if let Source::Remote(port, batch) = &mut self.0 {
            if let Some(items) = batch.whole() {
                return Poll::Ready(Some(Ok(items)));
            }
            if batch.is_empty() {
                return poll_batch(&**port, cx).map(|items| items.map(Ok));
            }
        }
        if let Source::Remote(_, batch) = &mut self.0
            && let Some(rest) = batch.rest()
        {
            return Poll::Ready(Some(rest));
        }
        let mut items = Vec::new();
        while items.len() < LOCAL_ITEMS_MAX {
            match self.poll_item(cx) {
                Poll::Ready(Some(item)) => items.push(item),
                Poll::Ready(None) if items.is_empty() => return Poll::Ready(None),
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(View::new(&items)))
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let item = match &mut self.0 {
            Source::Local(items) => items.as_mut().poll_next(cx),
            Source::Over => Poll::Ready(None),
            Source::Remote(port, batch) => loop {
                if let Some(item) = batch.next() {
                    break Poll::Ready(Some(item));
                }
                match poll_batch(&**port, cx) {
                    Poll::Ready(Some(items)) => *batch = Batch::new(items),
                    Poll::Ready(None) => break Poll::Ready(None),
                    Poll::Pending => break Poll::Pending,
                }
            },
        };
        if matches!(item, Poll::Ready(None)) {
            // Not every stream may be asked again after its end.
            self.0 = Source::Over;
        }
        item
    }
}

/// The most items of a batch that is made here.
const LOCAL_ITEMS_MAX: usize = 1024;

fn poll_batch<T: Protein>(port: &dyn Port, cx: &mut Context<'_>) -> Poll<Option<View<Vec<T>>>> {
    let Poll::Ready(items) = port.poll_take(cx) else {
        return Poll::Pending;
    };
    let Some(items) = items else {
        return Poll::Ready(None);
    };
    match open(items) {
        Ok(items) => Poll::Ready(Some(items)),
        Err(reason) => {
            port.reject(reason);
            Poll::Pending
        }
    }
}

pub(super) fn open<T: Protein>(items: Vesicle) -> Result<View<Vec<T>>, String> {
    View::open(items)
        .map_err(|error| format!("the items are no archive of `Vec<{}>`: {error}", T::TY))
}

impl<T: Protein> futures_core::Stream for Stream<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_item(cx)
    }
}

impl<T: Protein> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream<{}>", T::TY)
    }
}

/// A batch that is taken apart.
pub(super) struct Batch<T: Protein> {
    items: Option<View<Vec<T>>>,
    at: usize,
}

impl<T: Protein> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { items: None, at: 0 }
    }
}

impl<T: Protein> Batch<T> {
    pub(super) fn new(items: View<Vec<T>>) -> Batch<T> {
        Batch {
            items: Some(items),
            at: 0,
        }
    }

    pub(super) fn next(&mut self) -> Option<T> {
        let item = self.items.as_ref()?.get(self.at).map(T::decode);
        if item.is_some() {
            self.at += 1;
        } else {
            self.items = None;
        }
        item
    }

    /// All of it, where nothing was taken yet.
    pub(super) fn whole(&mut self) -> Option<View<Vec<T>>> {
        if self.at > 0 {
            return None;
        }
        self.items.take()
    }

    /// What is left of it, as a batch of its own.
    pub(super) fn rest(&mut self) -> Option<Result<View<Vec<T>>, Error>> {
        let items = self.items.take()?;
        let rest: Vec<T> = items.get(self.at..)?.iter().map(T::decode).collect();
        (!rest.is_empty()).then(|| View::new(&rest))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items
            .as_ref()
            .is_none_or(|items| self.at >= items.len())
    }
}

struct Iter<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

struct Channel<T>(tokio::sync::mpsc::Receiver<T>);

impl<T> futures_core::Stream for Channel<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}
