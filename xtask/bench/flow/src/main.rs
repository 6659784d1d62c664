//! The receiving side of streams and large messages, as a user would write it. Everything that arrives is added up.

use cell_sdk::cell;

#[cell::service]
mod flow {
    use cell_sdk::cell;

    /// 64 bytes; the first word is its number.
    #[derive(cell::Protein)]
    pub struct Item {
        pub words: [u64; 8],
    }

    /// 64 bytes of a game.
    #[derive(cell::Protein)]
    pub struct Entity {
        pub id: u64,
        pub place: [f64; 3],
        pub heading: [f32; 4],
        pub health: u32,
        pub kind: u32,
        pub seen: u64,
    }

    /// What arrived.
    #[derive(cell::Protein)]
    pub struct Tally {
        pub count: u64,
        /// The sum of all words.
        pub sum: u64,
        /// How many did not have the number that was next.
        pub astray: u64,
    }

    /// Takes items to the end of their stream.
    #[cell::handler]
    async fn pour(mut items: cell::Stream<Item>) -> Tally {
        let mut tally = Tally {
            count: 0,
            sum: 0,
            astray: 0,
        };
        while let Some(Ok(batch)) = items.next_batch().await {
            for item in batch.iter() {
                tally.astray += u64::from(item.words[0].to_native() != tally.count);
                tally.count += 1;
                let words = item.words.iter().map(|word| word.to_native());
                tally.sum = tally.sum.wrapping_add(sum(words));
            }
        }
        tally
    }

    /// Adds the words of a large message up, where they lie.
    #[cell::handler]
    async fn weigh(words: cell::View<Vec<u64>>) -> u64 {
        sum(words.iter().map(|word| word.to_native()))
    }

    /// Adds the words of many large messages up.
    #[cell::handler]
    async fn weigh_all(mut pieces: cell::Stream<Vec<u64>>) -> u64 {
        let mut total = 0u64;
        while let Some(Ok(batch)) = pieces.next_batch().await {
            for piece in batch.iter() {
                let words = piece.iter().map(|word| word.to_native());
                total = total.wrapping_add(sum(words));
            }
        }
        total
    }

    /// Adds up what must not be lost of a frame.
    #[cell::handler]
    async fn frame(entities: cell::View<Vec<Entity>>) -> u64 {
        sum(entities
            .iter()
            .map(|entity| entity.id.to_native().wrapping_add(entity.seen.to_native())))
    }

    fn sum(words: impl Iterator<Item = u64>) -> u64 {
        words.fold(0, u64::wrapping_add)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(flow::handlers()).await
}
