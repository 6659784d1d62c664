//! The first example of the README, and the design's promise: this compiles unchanged.

// Users' manifests name the crate so; here it is the crate itself.
extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod button_service {
    use cell_sdk::cell;

    #[derive(cell::Protein)]
    pub struct ButtonState {
        pub pressed: bool,
        pub hover_t: f32,
    }

    /// The state of one button.
    #[cell::handler]
    async fn get_state(id: String) -> ButtonState {
        ButtonState { pressed: true, hover_t: 0.42 }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(button_service::handlers()).await
}
