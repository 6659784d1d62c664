//! Types that refer to themselves, straight, through each other, through containers and with parameters.

use std::collections::BTreeMap;

use cell_sdk::cell;

/// Through a vector.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Tree {
    pub value: u32,
    pub children: Vec<Tree>,
}

/// Through an optional box.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Chain {
    pub head: u8,
    pub tail: Option<Box<Chain>>,
}

/// Through a map.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Through boxes, in every shape of a variant.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Expr {
    Const(i64),
    Neg(Box<Expr>),
    Add(Box<Expr>, Box<Expr>),
    Call { name: String, args: Vec<Expr> },
}

/// `Left` and `Right` hold each other.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Left {
    pub rights: Vec<Right>,
}

/// `Left` and `Right` hold each other.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Right {
    Nothing,
    Left(Box<Left>),
    Both { one: u8, other: Option<Box<Left>> },
}

/// With a parameter.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Box<Page<T>>>,
}

/// With parameters that change places on the way down.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Swing<A, B> {
    Rest,
    Over(A, Box<Swing<B, A>>),
}
