#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clickbank_gateway_fuzz::check("forwarded_requests_obey_the_grammar", bytes));
