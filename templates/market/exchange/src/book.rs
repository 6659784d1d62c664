//! The order book: a pure function of the orders that came in.

use std::collections::{BTreeMap, VecDeque};

use crate::exchange::{Book, Level, Order, Side};

/// Orders by price; within a price the oldest comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderBook {
    bids: BTreeMap<u64, VecDeque<Order>>,
    asks: BTreeMap<u64, VecDeque<Order>>,
}

/// Two orders that met, at the price of the one that waited.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    pub buyer: String,
    pub seller: String,
    pub price: u64,
    pub quantity: u64,
}

impl OrderBook {
    /// Matches an order with the other side; what is left of it waits. Returns the matches and what waits.
    pub fn place(&mut self, mut order: Order) -> (Vec<Match>, u64) {
        let mut matches = Vec::new();
        while order.quantity > 0 {
            let Some(mut level) = (match order.side {
                Side::Buy => self.asks.first_entry().filter(|level| *level.key() <= order.price),
                Side::Sell => self.bids.last_entry().filter(|level| *level.key() >= order.price),
            }) else {
                break;
            };
            let price = *level.key();
            if let Some(resting) = level.get_mut().front_mut() {
                let quantity = order.quantity.min(resting.quantity);
                order.quantity -= quantity;
                resting.quantity -= quantity;
                let (buyer, seller) = match order.side {
                    Side::Buy => (&order.trader, &resting.trader),
                    Side::Sell => (&resting.trader, &order.trader),
                };
                matches.push(Match {
                    buyer: buyer.clone(),
                    seller: seller.clone(),
                    price,
                    quantity,
                });
                if resting.quantity == 0 {
                    level.get_mut().pop_front();
                }
            }
            if level.get().is_empty() {
                level.remove();
            }
        }
        let rest = order.quantity;
        if rest > 0 {
            self.side(order.side).entry(order.price).or_default().push_back(order);
        }
        (matches, rest)
    }

    /// Takes an order out.
    pub fn cancel(&mut self, id: u64) -> Option<Order> {
        for side in [&mut self.bids, &mut self.asks] {
            let found = side.iter().find_map(|(price, orders)| {
                orders.iter().position(|order| order.id == id).map(|place| (*price, place))
            });
            if let Some((price, place)) = found {
                let orders = side.get_mut(&price)?;
                let order = orders.remove(place);
                if orders.is_empty() {
                    side.remove(&price);
                }
                return order;
            }
        }
        None
    }

    /// The best `depth` prices of each side.
    pub fn view(&self, depth: u32) -> Book {
        let level = |(price, orders): (&u64, &VecDeque<Order>)| Level {
            price: *price,
            quantity: orders.iter().map(|order| order.quantity).sum(),
            orders: u32::try_from(orders.len()).unwrap_or(u32::MAX),
        };
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        Book {
            bids: self.bids.iter().rev().take(depth).map(level).collect(),
            asks: self.asks.iter().take(depth).map(level).collect(),
        }
    }

    fn side(&mut self, side: Side) -> &mut BTreeMap<u64, VecDeque<Order>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u64, side: Side, price: u64, quantity: u64) -> Order {
        Order { id, trader: format!("t{id}"), side, price, quantity }
    }

    fn met(matches: &[Match]) -> Vec<(&str, &str, u64, u64)> {
        matches.iter().map(|m| (m.buyer.as_str(), m.seller.as_str(), m.price, m.quantity)).collect()
    }

    #[test]
    fn the_best_price_comes_first_and_then_the_oldest_order() {
        let mut book = OrderBook::default();
        book.place(order(1, Side::Sell, 101, 5));
        book.place(order(2, Side::Sell, 100, 5));
        book.place(order(3, Side::Sell, 100, 5));
        let (matches, rest) = book.place(order(4, Side::Buy, 101, 12));
        assert_eq!(
            met(&matches),
            [("t4", "t2", 100, 5), ("t4", "t3", 100, 5), ("t4", "t1", 101, 2)]
        );
        assert_eq!(rest, 0);
        assert_eq!(book.view(9).asks, [Level { price: 101, quantity: 3, orders: 1 }]);
    }

    #[test]
    fn what_does_not_match_waits() {
        let mut book = OrderBook::default();
        assert_eq!(book.place(order(1, Side::Buy, 99, 4)), (vec![], 4));
        assert_eq!(book.place(order(2, Side::Sell, 100, 3)), (vec![], 3));
        let (matches, rest) = book.place(order(3, Side::Sell, 90, 10));
        assert_eq!(met(&matches), [("t1", "t3", 99, 4)]);
        assert_eq!(rest, 6);
        assert!(book.view(9).bids.is_empty());
    }

    #[test]
    fn a_cancelled_order_is_gone() {
        let mut book = OrderBook::default();
        book.place(order(1, Side::Buy, 99, 4));
        assert_eq!(book.cancel(1).map(|order| order.quantity), Some(4));
        assert_eq!(book.cancel(1), None);
        assert_eq!(book, OrderBook::default());
    }
}
