extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    #[cell::handler]
    async fn fine(name: String) -> u32 {
        name.len() as u32
    }

    #[cell::handler]
    async fn fine(count: u32) -> u32 {
        count
    }
}

fn main() {
    let _ = shop::handlers();
}
