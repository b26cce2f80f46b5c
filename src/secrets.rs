//! Keys, PINs and tokens: one file, readable by its owner alone.
