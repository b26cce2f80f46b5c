//! The real radio: BlueZ over D-Bus.
