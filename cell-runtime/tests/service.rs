//! Services end to end in memory: arguments, state, context, views, typed errors, and the low level.

extern crate cell_runtime as cell_sdk;

use cell_sdk::cell::{self, CallError, TestCell};
use cell_sdk::server::StatusCode;
use cell_sdk::{Error, Handlers, Vesicle};

#[cell::service]
mod shop {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use cell_sdk::cell;

    #[derive(Default)]
    pub(super) struct Stock(pub(super) Mutex<BTreeMap<String, u32>>);

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(super) struct Order {
        pub(super) item: String,
        pub(super) count: u32,
        pub(super) notes: Vec<String>,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(super) enum Refused {
        SoldOut { left: u32 },
        NoSuchItem,
    }

    /// Puts something on the shelf.
    #[cell::handler]
    async fn stock(stock: cell::State<Stock>, item: String, count: u32) -> u32 {
        let mut shelf = stock.0.lock().expect("no panics");
        let left = shelf.entry(item).or_default();
        *left += count;
        *left
    }

    #[cell::handler]
    async fn order(order: Order, stock: cell::State<Stock>) -> Result<u32, Refused> {
        let mut shelf = stock.0.lock().expect("no panics");
        let left = shelf.get_mut(&order.item).ok_or(Refused::NoSuchItem)?;
        *left = left
            .checked_sub(order.count)
            .ok_or(Refused::SoldOut { left: *left })?;
        Ok(*left)
    }

    /// Reads the message where it lies.
    #[cell::handler]
    async fn notes(prefix: String, order: cell::View<Order>, mut repeat: u8) -> Vec<String> {
        let mut notes = Vec::new();
        while repeat > 0 {
            notes.extend(order.notes.iter().map(|note| format!("{prefix}{note}")));
            repeat -= 1;
        }
        notes
    }

    #[cell::handler]
    async fn who(context: cell::Context) -> (String, bool) {
        let caller = context.caller();
        (caller.name.to_string(), context.cancelled().is_cancelled())
    }

    #[cell::handler]
    async fn nothing() {}

    #[cell::handler]
    async fn explode(message: String) {
        panic!("{message}");
    }

    #[cfg(any())]
    #[cell::handler]
    async fn not_compiled(nonsense: Missing) -> Missing {}

    #[cfg(not(any()))]
    #[cell::handler]
    async fn compiled(r#type: u8) -> u8 {
        r#type
    }

    #[test]
    fn handlers_stay_plain_functions() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("builds");
        let left = runtime.block_on(stock(cell::State::new(Stock::default()), "pear".into(), 2));
        assert_eq!(left, 2);
        let order = Order {
            item: String::new(),
            count: 0,
            notes: vec!["a".into()],
        };
        let view = cell::View::new(&order).expect("archives");
        assert_eq!(
            runtime.block_on(notes("- ".into(), view, 2)),
            ["- a", "- a"]
        );
    }
}

fn shop() -> TestCell {
    TestCell::serve(shop::handlers().state(shop::Stock::default())).expect("serves")
}

fn order(item: &str, count: u32) -> (shop::Order,) {
    (shop::Order {
        item: item.into(),
        count,
        notes: vec!["gift".into(), "please wrap it well".into()],
    },)
}

#[tokio::test]
async fn state_is_shared_by_all_calls() {
    let shop = shop();
    let left: u32 = shop
        .call("stock", &("pear".to_owned(), 3u32))
        .await
        .expect("answers");
    assert_eq!(left, 3);
    let left: u32 = shop
        .call("stock", &("pear".to_owned(), 4u32))
        .await
        .expect("answers");
    assert_eq!(left, 7);
}

#[tokio::test]
async fn errors_keep_their_type() {
    let shop = shop();
    let refused = shop
        .call_fallible::<_, u32, shop::Refused>("order", &order("pear", 1))
        .await;
    assert_eq!(refused, Err(CallError::App(shop::Refused::NoSuchItem)));
    let _: u32 = shop
        .call("stock", &("pear".to_owned(), 3u32))
        .await
        .expect("answers");
    let refused = shop
        .call_fallible::<_, u32, shop::Refused>("order", &order("pear", 4))
        .await;
    assert_eq!(
        refused,
        Err(CallError::App(shop::Refused::SoldOut { left: 3 }))
    );
    let left = shop
        .call_fallible::<_, u32, shop::Refused>("order", &order("pear", 1))
        .await;
    assert_eq!(left, Ok(2));
}

#[tokio::test]
async fn views_context_and_unit_work() {
    let shop = shop();
    let notes: Vec<String> = shop
        .call("notes", &("- ".to_owned(), order("pear", 1).0, 1u8))
        .await
        .expect("answers");
    assert_eq!(notes, ["- gift", "- please wrap it well"]);
    let (name, cancelled): (String, bool) = shop.call("who", &()).await.expect("answers");
    assert!(!name.is_empty() && !cancelled);
    let () = shop.call("nothing", &()).await.expect("answers");
    let same: u8 = shop.call("compiled", &(7u8,)).await.expect("answers");
    assert_eq!(same, 7);
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let shop = shop();
    let failed = shop
        .call::<_, ()>("explode", &("it broke".to_owned(),))
        .await;
    let Err(Error::Status(status)) = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(status.code, StatusCode::Internal);
    assert!(status.message.contains("it broke"), "{}", status.message);
    let () = shop.call("nothing", &()).await.expect("the cell lives on");
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let shop = shop();
    let failed = shop.call::<_, u32>("stock", &("pear".to_owned(),)).await;
    let Err(Error::Status(status)) = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(status.code, StatusCode::BadRequest);
    assert!(
        status.message.contains("(String,u32)"),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn the_low_level_carries_bytes_and_messages() {
    #[derive(cell::Protein)]
    struct Ping(u64);
    #[derive(cell::Protein, Debug, PartialEq)]
    struct Pong(u64);

    let handlers = Handlers::new()
        .named("echo")
        .raw(|vesicle| async move { vesicle })
        .on::<Ping, _>(|ping| async move { Pong(ping.0 + 1) });
    let cell = TestCell::serve(handlers).expect("serves");
    let synapse = cell.synapse();
    let answer = synapse.fire(Vesicle::wrap("hello")).await.expect("answers");
    assert_eq!(answer.as_slice(), b"hello");
    let pong: Pong = synapse.ask(&Ping(1)).await.expect("answers");
    assert_eq!(pong, Pong(2));
}
