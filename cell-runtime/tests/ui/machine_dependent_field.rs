extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

type Count = usize;

#[derive(cell::Protein)]
pub struct Sizes {
    pub len: usize,
    pub offsets: Vec<Option<isize>>,
    pub hidden: Count,
}

#[derive(cell::Protein)]
pub struct Hidden {
    pub hidden: Count,
}

fn main() {}
