extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    pub struct Plain;

    #[cell::handler]
    async fn take(plain: Plain) -> u32 {
        0
    }

    #[cell::handler]
    async fn give() -> Plain {
        Plain
    }

    #[cell::handler]
    async fn fail() -> Result<u32, Plain> {
        Err(Plain)
    }
}

fn main() {
    let _ = shop::handlers();
}
