extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[derive(cell::Protein)]
pub struct Borrowed<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub pointer: *const u8,
    pub callback: fn(u8) -> u8,
    pub object: Box<dyn Send>,
}

fn main() {}
