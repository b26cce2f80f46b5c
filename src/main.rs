//! The `keyturner` command.

fn main() {}
