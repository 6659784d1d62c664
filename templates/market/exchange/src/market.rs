//! The book and the ledger together: a match counts once the ledger has it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;

use crate::book::{Match, OrderBook};
use crate::exchange::{Book, Order, Placed, Refused, Side, Trade};
use crate::ledger;

/// A handle to the one market; cheap to clone.
#[derive(Clone)]
pub struct Market(Arc<Mutex<Inner>>);

struct Inner {
    book: OrderBook,
    next_order: u64,
    /// Batches of this process never carry the number of another's.
    next_batch: u128,
}

impl Market {
    /// A market with an empty book.
    pub fn new() -> Self {
        let started =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Market(Arc::new(Mutex::new(Inner {
            book: OrderBook::default(),
            next_order: 1,
            next_batch: started << 32,
        })))
    }

    /// Matches an order, has the trades written, and only then changes the book.
    pub async fn place(
        &self,
        trader: String,
        side: Side,
        price: u64,
        quantity: u64,
    ) -> Result<Placed, Refused> {
        if price == 0 {
            return Err(Refused::ZeroPrice);
        }
        if quantity == 0 {
            return Err(Refused::ZeroQuantity);
        }
        let market = self.clone();
        // A task of its own: a caller that goes away in the middle must not part the book from the ledger.
        let placing =
            tokio::spawn(async move { market.settle(trader, side, price, quantity).await });
        placing.await.unwrap_or_else(|error| Err(Refused::Ledger(error.to_string())))
    }

    async fn settle(
        &self,
        trader: String,
        side: Side,
        price: u64,
        quantity: u64,
    ) -> Result<Placed, Refused> {
        let mut inner = self.0.lock().await;
        let order = inner.next_order;
        let mut book = inner.book.clone();
        let (matches, resting) = book.place(Order { id: order, trader, side, price, quantity });
        let trades = if matches.is_empty() {
            Vec::new()
        } else {
            let batch = inner.next_batch;
            let trades = record(batch, matches).await?;
            inner.next_batch = batch + 1;
            trades
        };
        inner.next_order = order + 1;
        inner.book = book;
        Ok(Placed { order, trades, resting })
    }

    /// Takes an order out of the book.
    pub async fn cancel(&self, order: u64) -> Result<Order, Refused> {
        self.0.lock().await.book.cancel(order).ok_or(Refused::NoSuchOrder { order })
    }

    /// The best `depth` prices of each side.
    pub async fn book(&self, depth: u32) -> Book {
        self.0.lock().await.book.view(depth)
    }

    /// What the ledger holds.
    pub async fn trades(&self, from: u64, limit: u32) -> Result<Vec<Trade>, Refused> {
        let trades = ledger::trades(from, limit)
            .await
            .map_err(|error| Refused::Ledger(error.to_string()))?;
        Ok(trades.into_iter().map(trade).collect())
    }
}

/// A batch has a number, so a second try writes nothing twice.
async fn record(batch: u128, matches: Vec<Match>) -> Result<Vec<Trade>, Refused> {
    let fills: Vec<ledger::Fill> = matches
        .into_iter()
        .map(|m| ledger::Fill {
            buyer: m.buyer,
            seller: m.seller,
            price: m.price,
            quantity: m.quantity,
        })
        .collect();
    let recorded = match ledger::record(batch, fills.clone()).await {
        Ok(recorded) => Ok(recorded),
        Err(_) => ledger::record(batch, fills).await,
    };
    let trades = recorded.map_err(|error| Refused::Ledger(error.to_string()))?;
    Ok(trades.into_iter().map(trade).collect())
}

fn trade(trade: ledger::Trade) -> Trade {
    let ledger::Fill { buyer, seller, price, quantity } = trade.fill;
    Trade { id: trade.id, buyer, seller, price, quantity }
}
