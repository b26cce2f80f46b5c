#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyturner::fuzzing::secrets(data));
