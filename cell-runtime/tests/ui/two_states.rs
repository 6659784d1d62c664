extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    #[cell::handler]
    async fn first(state: cell::State<String>) {}

    #[cell::handler]
    async fn second(state: cell::State<u32>) {}

    #[cell::handler]
    async fn both(one: cell::State<String>, two: cell::State<String>) {}
}

fn main() {
    let _ = shop::handlers();
}
