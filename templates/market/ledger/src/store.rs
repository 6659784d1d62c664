//! The database file: trades by id, and the range of ids of each batch.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::ledger::{Fill, Trade};

/// Buyer, seller, price, quantity.
type Row<'a> = (&'a str, &'a str, u64, u64);

const TRADES: TableDefinition<'_, u64, Row<'static>> = TableDefinition::new("trades");
/// The first id and the number of a batch's trades.
const BATCHES: TableDefinition<'_, u128, (u64, u64)> = TableDefinition::new("batches");
/// One answer holds at most this many trades.
const TRADES_MAX: u32 = 10_000;

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Database>);

impl Store {
    /// Opens or creates the database in a folder.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        let file = folder.join("trades.redb");
        let database =
            Database::create(&file).with_context(|| format!("cannot open `{}`", file.display()))?;
        let write = database.begin_write()?;
        write.open_table(TRADES)?;
        write.open_table(BATCHES)?;
        write.commit()?;
        Ok(Store(Arc::new(database)))
    }

    /// Writes a batch once; the commit is on disk when this returns.
    pub async fn record(&self, batch: u128, fills: Vec<Fill>) -> Result<Vec<Trade>, String> {
        self.run(move |database| {
            let write = database.begin_write()?;
            let trades = {
                let mut batches = write.open_table(BATCHES)?;
                let mut trades = write.open_table(TRADES)?;
                let known = batches.get(batch)?.map(|entry| entry.value());
                match known {
                    Some((first, count)) => read(&trades, first, first.saturating_add(count))?,
                    None => {
                        let first = trades.last()?.map_or(1, |(id, _)| id.value() + 1);
                        batches.insert(batch, (first, fills.len() as u64))?;
                        let mut written = Vec::with_capacity(fills.len());
                        for (id, fill) in (first..).zip(fills) {
                            trades.insert(
                                id,
                                (
                                    fill.buyer.as_str(),
                                    fill.seller.as_str(),
                                    fill.price,
                                    fill.quantity,
                                ),
                            )?;
                            written.push(Trade { id, fill });
                        }
                        written
                    }
                }
            };
            write.commit()?;
            Ok(trades)
        })
        .await
    }

    /// At most `limit` trades, from the id `from` on.
    pub async fn trades(&self, from: u64, limit: u32) -> Result<Vec<Trade>, String> {
        let to = from.saturating_add(u64::from(limit.min(TRADES_MAX)));
        self.run(move |database| read(&database.begin_read()?.open_table(TRADES)?, from, to)).await
    }

    /// How many trades there are.
    pub async fn count(&self) -> Result<u64, String> {
        self.run(|database| Ok(database.begin_read()?.open_table(TRADES)?.len()?)).await
    }

    /// A commit waits for the disk, so it must not hold up a thread that serves calls.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let database = self.0.clone();
        match tokio::task::spawn_blocking(move || work(&database)).await {
            Ok(done) => done.map_err(|error| format!("the ledger cannot be used: {error:#}")),
            Err(error) => Err(format!("the ledger's work was lost: {error}")),
        }
    }
}

fn read(
    table: &impl ReadableTable<u64, Row<'static>>,
    from: u64,
    to: u64,
) -> anyhow::Result<Vec<Trade>> {
    let mut trades = Vec::new();
    for entry in table.range(from..to)? {
        let (id, row) = entry?;
        let (buyer, seller, price, quantity) = row.value();
        let fill = Fill { buyer: buyer.to_owned(), seller: seller.to_owned(), price, quantity };
        trades.push(Trade { id: id.value(), fill });
    }
    Ok(trades)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(quantity: u64) -> Fill {
        Fill { buyer: "ann".to_owned(), seller: "bob".to_owned(), price: 100, quantity }
    }

    #[tokio::test]
    async fn what_was_recorded_is_there_after_a_restart() {
        let folder = std::env::temp_dir().join(format!("ledger-test-{}", std::process::id()));
        let store = Store::open(&folder).expect("a database");
        assert_eq!(store.record(7, vec![fill(1), fill(2)]).await.expect("it records").len(), 2);
        drop(store);

        let store = Store::open(&folder).expect("the same database");
        assert_eq!(store.count().await, Ok(2));
        // The same batch again is the same trades.
        let again = store.record(7, vec![fill(1), fill(2)]).await.expect("it records");
        assert_eq!(again.iter().map(|trade| trade.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(store.record(8, vec![fill(3)]).await, Ok(vec![Trade { id: 3, fill: fill(3) }]));
        assert_eq!(store.trades(2, 1).await, Ok(vec![Trade { id: 2, fill: fill(2) }]));
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
