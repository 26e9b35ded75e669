#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clickbank_gateway_fuzz::check("request_heads_read_one_way", bytes));
