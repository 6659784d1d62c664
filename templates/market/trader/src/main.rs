//! Only calls: it places an order every now and then, around a price that wanders.

use std::time::Duration;

use cell_sdk::cell;

use exchange::Side;

cell::client!("exchange");

/// Two orders a second keep the market alive and the log short.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::run(trade()).await
}

/// Places orders until the cell is told to stop.
async fn trade() -> anyhow::Result<()> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut middle = 10_000;
    let mut turn = tokio::time::interval(PAUSE);
    let mut trouble = false;
    loop {
        turn.tick().await;
        middle = (middle + dice.below(21)).saturating_sub(10).max(100);
        let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let price = middle + dice.below(41) - 20;
        let trader = ["ann", "bob", "cho"][dice.below(3) as usize];
        match exchange::place(trader.to_owned(), side, price, 1 + dice.below(9)).await {
            Ok(_) => trouble = false,
            // One line at the start of a trouble says enough.
            Err(error) if !trouble => {
                eprintln!("the exchange took no order: {error}");
                trouble = true;
            }
            Err(_) => {}
        }
    }
}

/// A xorshift generator: the same orders in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
