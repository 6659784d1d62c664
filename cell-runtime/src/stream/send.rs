//! Sending: items are gathered into batches, and wait where the other side does not take them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::protein::{self, Protein};
use crate::server::{Reply, Status, StatusCode};
use crate::service::{Incoming, answer, answer_result};
use crate::vesicle::Vesicle;
use crate::wire::Outlet;

/// A batch is sent once it has about so many bytes: a quarter of the credit that a call starts with.
const BATCH_BYTES: usize = 64 << 10;

/// A batch that came out larger than this is cut.
const BATCH_BYTES_MAX: usize = 4 * BATCH_BYTES;

/// How many items the first batch of a stream may have; later ones as many as fit. It may be of large items, and is archived
/// again in halves where it is too large.
const FIRST_ITEMS: usize = 4;

/// The most items of a batch.
const ITEMS_MAX: usize = 8192;

/// What a stream of a handler or a caller yields: an item, or the error that ends it.
pub(super) trait IntoItem {
    /// The item.
    type Item: Protein + Send;
    /// The error.
    type Error;
    /// Tells them apart.
    fn into_item(self) -> Result<Self::Item, Self::Error>;
}

/// A stream of plain items.
#[derive(Debug)]
pub(super) struct Plain<T>(T);

impl<T: Protein + Send> IntoItem for Plain<T> {
    type Item = T;
    type Error = Infallible;

    fn into_item(self) -> Result<T, Infallible> {
        Ok(self.0)
    }
}

impl<T: Protein + Send, E> IntoItem for Result<T, E> {
    type Item = T;
    type Error = E;

    fn into_item(self) -> Result<T, E> {
        self
    }
}

/// What gathering a batch ended with.
enum Gathered<E> {
    /// There may be more.
    Batch,
    /// The stream is over.
    End(Option<E>),
}

/// Sends a stream until it ends. Gives its error, where it ended with one.
pub(crate) async fn pump<S, I>(outlet: &dyn Outlet, items: S) -> Result<Option<I::Error>, Status>
where
    S: Stream,
    I: IntoItem + From<S::Item>,
{
    let mut items = pin!(items);
    let mut batch: Vec<I::Item> = Vec::new();
    let mut most = FIRST_ITEMS;
    loop {
        // Asked first: what cannot be sent stays with whoever makes it.
        if !poll_fn(|cx| outlet.poll_room(cx)).await {
            return Ok(None);
        }
        let gathered = poll_fn(|cx| gather::<S, I>(items.as_mut(), &mut batch, most, cx)).await;
        if !batch.is_empty() {
            most = send(outlet, std::mem::take(&mut batch), most).await?;
        }
        if let Gathered::End(error) = gathered {
            return Ok(error);
        }
        // A stream that always has more, to a peer that always takes it, lets others run as well.
        tokio::task::consume_budget().await;
    }
}

fn gather<S, I>(
    mut items: Pin<&mut S>,
    batch: &mut Vec<I::Item>,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<Gathered<I::Error>>
where
    S: Stream,
    I: IntoItem + From<S::Item>,
{
    while batch.len() < most {
        match items.as_mut().poll_next(cx) {
            Poll::Ready(Some(item)) => match I::from(item).into_item() {
                Ok(item) => batch.push(item),
                Err(error) => return Poll::Ready(Gathered::End(Some(error))),
            },
            Poll::Ready(None) => return Poll::Ready(Gathered::End(None)),
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(Gathered::Batch)
}

/// Sends a batch, in pieces where it is large. Gives how many items the next one may have.
async fn send<T: Protein + Send>(
    outlet: &dyn Outlet,
    batch: Vec<T>,
    most: usize,
) -> Result<usize, Status> {
    let mut next = most;
    let mut pieces = vec![batch];
    let mut waits = false;
    while let Some(mut piece) = pieces.pop() {
        let bytes = archive(&piece)?;
        next = next_limit(most, piece.len(), bytes.len());
        if bytes.len() > BATCH_BYTES_MAX && piece.len() > 1 {
            let rest = piece.split_off(piece.len() / 2);
            pieces.push(rest);
            pieces.push(piece);
            continue;
        }
        if waits && !poll_fn(|cx| outlet.poll_room(cx)).await {
            return Ok(next);
        }
        outlet.put(&bytes)?;
        waits = true;
    }
    Ok(next)
}

/// How many items make a batch of the right size, going by the last one.
fn next_limit(most: usize, items: usize, bytes: usize) -> usize {
    let fitting = items * BATCH_BYTES / bytes.max(1);
    if bytes > BATCH_BYTES {
        fitting.clamp(1, ITEMS_MAX)
    } else if items == most {
        fitting.min(2 * most).clamp(1, ITEMS_MAX)
    } else {
        most
    }
}

fn archive<T: Protein>(items: &Vec<T>) -> Result<Vesicle, Status> {
    protein::archive(items).map_err(|error| {
        let message = format!("items cannot be archived as `{}`: {error}", T::TY);
        Status::new(StatusCode::Internal, message)
    })
}

impl<T> From<T> for Plain<T> {
    fn from(item: T) -> Plain<T> {
        Plain(item)
    }
}

/// Answers with a stream of items.
pub async fn answer_items<T, S>(call: &Incoming, items: S) -> Result<Reply, Status>
where
    T: Protein + Send,
    S: Stream<Item = T>,
{
    if let Some(port) = call.streams().port() {
        pump::<S, Plain<T>>(&**port, items).await?;
    }
    answer(&())
}

/// Answers with a stream of results; the first error ends it.
pub async fn answer_stream<T, E, S>(call: &Incoming, items: S) -> Result<Reply, Status>
where
    T: Protein + Send,
    E: Protein,
    S: Stream<Item = Result<T, E>>,
{
    let Some(port) = call.streams().port() else {
        return answer(&());
    };
    match pump::<S, Result<T, E>>(&**port, items).await? {
        None => answer(&()),
        Some(error) => answer_result::<(), E>(&Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_and_shrink_towards_their_size() {
        for (most, items, bytes, next) in [
            (64, 64, 512, 128),
            (64, 10, 80, 64),
            (64, 64, BATCH_BYTES, 64),
            (64, 64, 4 * BATCH_BYTES, 16),
            (64, 1, 40 * BATCH_BYTES, 1),
            (8192, 8192, 8192, 8192),
            (64, 64, 0, 128),
        ] {
            assert_eq!(
                next_limit(most, items, bytes),
                next,
                "{most} {items} {bytes}"
            );
        }
    }
}
