//! SIGKILL of the tool: nothing is left.
