//! Matches orders by price, then by time, and has every trade written by `ledger` before it answers.

mod book;
mod market;

use cell_sdk::cell;

use market::Market;

cell::client!("ledger");

#[cell::service]
mod exchange {
    use cell_sdk::cell;

    use crate::market::Market;

    #[derive(cell::Protein, Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Side {
        Buy,
        Sell,
    }

    /// An order that waits in the book.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Order {
        pub id: u64,
        pub trader: String,
        pub side: Side,
        /// In the smallest unit of the currency.
        pub price: u64,
        /// What is left of it.
        pub quantity: u64,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Trade {
        pub id: u64,
        pub buyer: String,
        pub seller: String,
        pub price: u64,
        pub quantity: u64,
    }

    /// What became of an order.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Placed {
        pub order: u64,
        pub trades: Vec<Trade>,
        /// What waits in the book.
        pub resting: u64,
    }

    /// All orders of one price.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Level {
        pub price: u64,
        pub quantity: u64,
        pub orders: u32,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Book {
        /// The highest price first.
        pub bids: Vec<Level>,
        /// The lowest price first.
        pub asks: Vec<Level>,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub enum Refused {
        ZeroPrice,
        ZeroQuantity,
        NoSuchOrder {
            order: u64,
        },
        /// The trade could not be written, so it did not happen.
        Ledger(String),
    }

    /// Matches an order with the book; what is left of it waits there.
    #[cell::handler]
    async fn place(
        market: cell::State<Market>,
        trader: String,
        side: Side,
        price: u64,
        quantity: u64,
    ) -> Result<Placed, Refused> {
        market.place(trader, side, price, quantity).await
    }

    /// Takes an order out of the book.
    #[cell::handler]
    async fn cancel(market: cell::State<Market>, order: u64) -> Result<Order, Refused> {
        market.cancel(order).await
    }

    /// The best `depth` prices of each side.
    #[cell::handler]
    async fn book(market: cell::State<Market>, depth: u32) -> Book {
        market.book(depth).await
    }

    /// At most `limit` trades, from the id `from` on.
    #[cell::handler]
    async fn trades(
        market: cell::State<Market>,
        from: u64,
        limit: u32,
    ) -> Result<Vec<Trade>, Refused> {
        market.trades(from, limit).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(exchange::handlers().state(Market::new())).await
}
