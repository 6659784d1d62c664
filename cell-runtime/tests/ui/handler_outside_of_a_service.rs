extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::handler]
async fn lonely(name: String) -> String {
    name
}

#[cell::handler]
struct NotAFunction;

fn main() {}
