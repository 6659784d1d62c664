extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[derive(cell::Protein)]
#[protein(rename = "Other")]
pub struct A {
    pub x: u32,
}

#[derive(cell::Protein)]
#[protein(name = "not a name")]
pub struct B {
    #[protein(skip)]
    pub x: u32,
}

#[cell::service(port = 8080)]
mod shop {
    use cell_sdk::cell;

    #[cell::handler(timeout = 5)]
    async fn fine(name: String) -> u32 {
        name.len() as u32
    }
}

fn main() {}
