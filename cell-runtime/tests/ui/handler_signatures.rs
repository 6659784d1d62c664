extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;

    #[cell::handler]
    fn not_async(name: String) -> u32 {
        name.len() as u32
    }

    #[cell::handler]
    async fn generic<T: Clone>(value: T) -> u32
    where
        T: Send,
    {
        0
    }

    #[cell::handler]
    async fn borrowed(name: &str, list: &[u8], other: &String) -> u32 {
        0
    }

    #[cell::handler]
    async fn machine(count: usize) -> isize {
        0
    }

    #[cell::handler]
    async fn pattern((left, right): (u32, u32), _: u8) -> u32 {
        left + right
    }

    #[cell::handler]
    async fn method(&self) -> u32 {
        0
    }

    #[cell::handler]
    async unsafe fn dangerous() {}

    #[cell::handler]
    async fn hidden() -> impl Clone {
        0
    }

    #[cell::handler]
    async fn alias() -> anyhow::Result<u32> {
        Ok(0)
    }
}

fn main() {
    let _ = shop::handlers();
}
