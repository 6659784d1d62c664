extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    #[cell::handler]
    async fn wait() -> u32 {
        let local = std::rc::Rc::new(5);
        std::future::ready(()).await;
        *local
    }
}

fn main() {
    let _ = shop::handlers();
}
