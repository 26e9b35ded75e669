#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clickbank_gateway_fuzz::check("key_files_tell_no_secret", bytes));
