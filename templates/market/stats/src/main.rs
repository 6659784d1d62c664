//! Reads both sides of the diamond: the book from `exchange`, the trades from `ledger`.

use cell_sdk::cell;

cell::client!("exchange");
cell::client!("ledger");

#[cell::service]
mod stats {
    use cell_sdk::cell;

    use crate::{exchange, ledger};

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Summary {
        pub trades: u64,
        /// The last trade's price.
        pub last: Option<u64>,
        /// The highest bid and the lowest ask.
        pub bid: Option<u64>,
        pub ask: Option<u64>,
    }

    /// The market in numbers.
    #[cell::handler]
    async fn summary() -> Result<Summary, String> {
        let trades = ledger::count().await.map_err(|error| error.to_string())?;
        let last = ledger::trades(trades.max(1), 1).await.map_err(|error| error.to_string())?;
        let book = exchange::book(1).await.map_err(|error| error.to_string())?;
        Ok(Summary {
            trades,
            last: last.first().map(|trade| trade.fill.price),
            bid: book.bids.first().map(|level| level.price),
            ask: book.asks.first().map(|level| level.price),
        })
    }

    /// The market in one line.
    #[cell::handler]
    async fn headline() -> Result<String, String> {
        let trades = ledger::count().await.map_err(|error| error.to_string())?;
        let book = exchange::book(1).await.map_err(|error| error.to_string())?;
        let price = |levels: &[exchange::Level]| {
            levels.first().map_or("-".to_owned(), |level| level.price.to_string())
        };
        Ok(format!("market: {trades} trades, bid {}, ask {}", price(&book.bids), price(&book.asks)))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(stats::handlers()).await
}
