//! A consumer: it calls `button_service` through the binding in `cells/` and serves what it made of the answer.

use cell_sdk::cell;

cell::client!("button_service");

#[cell::service]
mod panel {
    use cell_sdk::cell;

    use crate::button_service;

    /// One line of text about a button.
    #[cell::handler]
    async fn describe(id: String) -> Result<String, String> {
        match button_service::get_state(id.clone()).await {
            Ok(state) if state.pressed => {
                Ok(format!("{id} is pressed, hover {:.2}", state.hover_t))
            }
            Ok(state) => Ok(format!("{id} is up, hover {:.2}", state.hover_t)),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(panel::handlers()).await
}
