//! The binding's text.
