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

/// With an address, such as `127.0.0.1:0`, it serves the network instead of a socket.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1) {
        Some(address) => cell::serve_remote(echo::handlers(), &address).await,
        None => cell::serve_local(echo::handlers()).await,
    }
}
