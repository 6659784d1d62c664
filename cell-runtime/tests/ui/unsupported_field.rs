extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[derive(cell::Protein)]
pub struct Connection {
    pub name: String,
    pub socket: std::net::TcpStream,
}

#[derive(cell::Protein)]
pub enum Event {
    Opened(Box<Connection>),
    Failed { error: std::io::Error },
}

fn main() {}
