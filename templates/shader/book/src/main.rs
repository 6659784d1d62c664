//! An order book of the last minutes. The orders are made up, by a rule that always makes up the same ones.

use cell_sdk::cell;

#[cell::service]
mod book {
    use cell_sdk::cell;

    /// What is offered at each price, moment by moment.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Depth {
        pub moments: u32,
        pub prices: u32,
        /// Above zero what is bid, below zero what is asked; the prices of a moment lie together, the lowest first.
        pub quantities: Vec<f32>,
    }

    /// The last moments, at most 1024 of them, with at most 1024 prices.
    #[cell::handler]
    async fn depth(moments: u32, prices: u32) -> Depth {
        crate::depth(moments.clamp(1, 1024), prices.clamp(2, 1024))
    }
}

fn depth(moments: u32, prices: u32) -> book::Depth {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut middle = f64::from(prices) / 2.0;
    let mut quantities = Vec::new();
    for _ in 0..moments {
        middle = (middle + random.next() - 0.5).clamp(1.0, f64::from(prices) - 1.0);
        for price in 0..prices {
            let away = f64::from(price) - middle;
            // Most orders wait a few steps away from the middle; now and then a big one lies further out.
            let usual = (-(away.abs() - 4.0).powi(2) / 60.0).exp();
            let big = if random.next() > 0.995 { 1.0 } else { 0.0 };
            let quantity = 100.0 * (usual * random.next() + big);
            quantities.push(if away < 0.0 { quantity as f32 } else { -quantity as f32 });
        }
    }
    book::Depth { moments, prices, quantities }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(book::handlers()).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn bids_lie_below_asks() {
        let depth = super::depth(3, 64);
        assert_eq!(depth.quantities.len(), 3 * 64);
        for moment in depth.quantities.chunks(64) {
            assert!(moment[0] >= 0.0 && moment[63] <= 0.0);
            let first_ask = moment.iter().position(|quantity| *quantity < 0.0);
            assert!(moment[first_ask.unwrap_or(64)..].iter().all(|quantity| *quantity <= 0.0));
        }
    }
}
