//! Draws the order book as a picture, with a compute shader that changes while the cell runs.

mod gpu;
mod painter;

use cell_sdk::cell;

use painter::Painter;

cell::client!("book");

#[cell::service]
mod heat {
    use cell_sdk::cell;

    use crate::painter::Painter;

    /// A picture on disk.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Drawn {
        pub file: String,
        pub width: u32,
        pub height: u32,
        /// What ran the shader.
        pub device: String,
        /// The version of the shader: 0 is what the binary embeds.
        pub shader: u64,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub enum Trouble {
        NoDevice(String),
        Shader(String),
        Book(String),
        File(String),
    }

    /// Draws the book as it is now.
    #[cell::handler]
    async fn draw(painter: cell::State<Painter>) -> Result<Drawn, Trouble> {
        painter.draw().await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let shader = cell::shader!("shaders/heat.wgsl", "shaders/colours.wgsl");
    let painter = Painter::new().await;
    tokio::spawn(painter.clone().follow(shader));
    cell::serve_local(heat::handlers().state(painter)).await
}
