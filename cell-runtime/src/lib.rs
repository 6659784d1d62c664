//! Typed cells: messages, handlers, clients and the wire between them.
