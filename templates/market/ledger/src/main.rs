//! Keeps every trade in one database file. A trade that was answered for is on disk.

mod store;

use cell_sdk::cell;

use store::Store;

#[cell::service]
mod ledger {
    use cell_sdk::cell;

    use crate::store::Store;

    /// What two orders agreed on.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Fill {
        pub buyer: String,
        pub seller: String,
        /// In the smallest unit of the currency.
        pub price: u64,
        pub quantity: u64,
    }

    /// A fill with its place in the ledger.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Trade {
        /// Counts up from 1, without gaps.
        pub id: u64,
        pub fill: Fill,
    }

    /// Writes fills and returns their trades. A batch that is written already is not written again: its trades are
    /// returned, so that a caller may repeat a call whose answer was lost.
    #[cell::handler]
    async fn record(
        store: cell::State<Store>,
        batch: u128,
        fills: Vec<Fill>,
    ) -> Result<Vec<Trade>, String> {
        store.record(batch, fills).await
    }

    /// At most `limit` trades, from the id `from` on.
    #[cell::handler]
    async fn trades(
        store: cell::State<Store>,
        from: u64,
        limit: u32,
    ) -> Result<Vec<Trade>, String> {
        store.trades(from, limit).await
    }

    /// How many trades there are.
    #[cell::handler]
    async fn count(store: cell::State<Store>) -> Result<u64, String> {
        store.count().await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The supervisor names the one folder that this cell may write to.
    let folder =
        std::env::var_os("CELL_DATA_DIR").map_or_else(|| "data".into(), std::path::PathBuf::from);
    let store = Store::open(&folder)?;
    cell::serve_local(ledger::handlers().state(store)).await
}
