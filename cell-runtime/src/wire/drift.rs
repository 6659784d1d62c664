/// The sentence for a consumer that has not followed a schema change: the handshake, the generated bindings and the tool
/// say it in the same words.
pub fn drift_message(cell: &str, consumer: u64, authority: u64) -> String {
    format!(
        "schema drift: `{cell}` has fingerprint 0x{authority:016x}, but this binding was generated from 0x{consumer:016x}; \
         run `cargo cell build` (or `cargo cell bind`)"
    )
}
