//! Every misuse is one compile error at the token that causes it, with what to write instead. The expected messages lie
//! beside the cases in `ui/`; `TRYBUILD=overwrite cargo test -p cell-runtime --test compile_errors` writes them anew.

#[test]
fn misuse_is_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
