//! A simulated radio.
