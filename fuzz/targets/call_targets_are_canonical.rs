#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clickbank_gateway_fuzz::check("call_targets_are_canonical", bytes));
