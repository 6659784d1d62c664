//! The macros of Cell.
