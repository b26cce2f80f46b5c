//! What the binary can be asked to do. Thin shells; the work is done elsewhere.

pub mod sim;
