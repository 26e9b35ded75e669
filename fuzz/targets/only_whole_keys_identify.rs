#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clickbank_gateway_fuzz::check("only_whole_keys_identify", bytes));
