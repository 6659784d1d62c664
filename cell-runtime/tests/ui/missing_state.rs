extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    #[cell::handler]
    async fn name(state: cell::State<String>) -> String {
        state.to_string()
    }
}

fn main() {
    let _ = cell::serve_local(shop::handlers());
}
