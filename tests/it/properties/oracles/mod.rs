//! What holds for any bytes at all. Each oracle takes bytes, asks the gateway about them, and panics when the answer
//! breaks a promise. The tests beside this folder try them with inputs of their own making on every run; `fuzz/` has
//! libFuzzer try them for as long as anybody likes.
//!
//! Where it matters what is right, an oracle works it out anew, slowly and with means of its own: [`grammar`] shares no
//! code with the gateway.

pub(crate) mod answer_bodies;
pub(crate) mod answer_heads;
pub(crate) mod call_targets;
pub(crate) mod forwarded_requests;
pub(crate) mod gateway_files;
pub(crate) mod grammar;
pub(crate) mod key_files;
pub(crate) mod naive_rows;
pub(crate) mod presented_keys;
pub(crate) mod request_heads;
pub(crate) mod rows;
pub(crate) mod secret_masks;
pub(crate) mod setup;
pub(crate) mod simulated_requests;

/// The name of an oracle's fuzz target and corpus, and what panics when bytes break its promise.
pub(crate) type Oracle = (&'static str, fn(&[u8]));

/// Every oracle.
pub(crate) const ALL: [Oracle; 12] = [
    ("answer_bodies_are_what_they_say", answer_bodies::check),
    ("answer_heads_read_one_way", answer_heads::check),
    ("call_targets_are_canonical", call_targets::check),
    ("forwarded_requests_obey_the_grammar", forwarded_requests::check),
    ("gateway_files_tell_no_secret", gateway_files::check),
    ("json_rows_are_cut_cleanly", rows::check_json),
    ("key_files_tell_no_secret", key_files::check),
    ("no_key_survives_masking", secret_masks::check),
    ("only_whole_keys_identify", presented_keys::check),
    ("request_heads_read_one_way", request_heads::check),
    ("the_simulator_reads_anything", simulated_requests::check),
    ("xml_rows_are_cut_cleanly", rows::check_xml),
];
