//! The server that a user would write; `bench-call` starts it with the core to run on.

use cell_sdk::cell;

#[cell::service]
mod echo {
    use cell_sdk::cell;

    #[derive(cell::Protein)]
    pub struct Message {
        pub words: [u64; 8],
    }

    #[cell::handler]
    async fn echo(message: Message) -> Message {
        message
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(echo::handlers()).await
}
