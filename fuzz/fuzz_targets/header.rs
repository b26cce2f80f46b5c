#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyturner::http::fuzzing::header(data));
