//! Shaders as people write them, break them, and as nobody would.

use super::{Checked, check};

const GOOD: &str = include_str!("../../../templates/shader/heat/shaders/heat.wgsl");

fn checked(files: &[(&str, &str)]) -> Checked {
    check(files[0].0, |path| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| "there is no such file".to_owned())
    })
}

const COLOURS: &str = include_str!("../../../templates/shader/heat/shaders/colours.wgsl");

/// Every shader of these tests must hold on the stack that the loop gives.
fn on_a_big_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(super::STACK_BYTES);
    let thread = thread.spawn(work).expect("a thread");
    thread.join().expect("it does not panic")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_template_is_good_and_whole() {
    let checked = checked(&[("s/heat.wgsl", GOOD), ("s/colours.wgsl", COLOURS)]);
    let text = checked.outcome.expect("it is valid");
    assert!(text.contains("fn colour(") && !text.contains("#import"));
    assert_eq!(checked.files, ["s/heat.wgsl", "s/colours.wgsl"]);
}

/// Files, and what must be said of them.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static str,
);

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    // Each row: the files, the place, the message, and a line of the rendering.
    let table: [Case; 6] = [
        (
            &[("a.wgsl", "fn f() -> u32 {\n    return 1.5;\n}\n")],
            "a.wgsl:2:12",
            "the type of the return value does not match",
            "2 |     return 1.5;",
        ),
        (
            &[("a.wgsl", "// ä\nfn f() { let x = ; }\n")],
            "a.wgsl:2:18",
            "expected expression",
            "2 | fn f() { let x = ; }",
        ),
        (
            &[
                ("a.wgsl", "#import \"b.wgsl\"\nfn a() { b(); }\n"),
                ("b.wgsl", "fn b() { nothing(); }\n"),
            ],
            "b.wgsl:1:10",
            "no definition in scope",
            "1 | fn b() { nothing(); }",
        ),
        (
            &[("a.wgsl", "\n  #import \"c.wgsl\"\n")],
            "a.wgsl:2:3",
            "cannot import `c.wgsl`: there is no such file",
            "2 |   #import \"c.wgsl\"",
        ),
        (
            &[("a.wgsl", "@compute @workgroup_size(1) fn f() { f(); }\n")],
            "a.wgsl:1:",
            "declaration of `f` is recursive",
            "fn f() { f(); }",
        ),
        (
            &[(
                "a.wgsl",
                "@vertex fn f() -> @builtin(position) vec3<f32> { return vec3(0.0); }\n",
            )],
            "a.wgsl:1:1",
            "",
            "@vertex fn f()",
        ),
    ];
    for (files, at, message, line) in table {
        let report = checked(files).outcome.expect_err(files[0].1);
        let rendered = plain(&report.rendered);
        assert!(
            report
                .at
                .as_deref()
                .is_some_and(|place| place.starts_with(at)),
            "{report:?}"
        );
        assert!(report.message.contains(message), "{report:?}");
        assert!(rendered.contains(line), "{rendered}");
        assert!(
            rendered.contains(&format!("--> {}", report.at.unwrap_or_default())),
            "{rendered}"
        );
        assert!(rendered.contains('^'), "{rendered}");
    }
}

#[test]
fn what_nobody_would_write_ends_nothing() {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let function = |body: String| format!("fn f(x: f32, b: bool) -> f32 {{ {body} }}");
    let chain = |count: usize| -> String {
        let line = |at: usize| format!("const c{at} = c{};\n", at + 1);
        (0..count).map(line).collect::<String>() + &format!("const c{count} = 1;")
    };
    let calls = |count: usize| -> String {
        let line = |at: usize| format!("fn f{at}() {{ f{}(); }}\n", at + 1);
        (0..count).map(line).collect::<String>() + &format!("fn f{count}() {{}}")
    };
    let table: Vec<(&str, String)> = vec![
        (
            "brackets",
            function(format!("return {}x", many("(", 100_000))),
        ),
        ("blocks", function(many("{", 100_000))),
        (
            "minuses",
            function(format!("return {}x;", many("- ", 100_000))),
        ),
        (
            "nots",
            function(format!("return f(x, {}b);", many("!", 100_000))),
        ),
        ("sum", function(format!("return x{};", many("+x", 100_000)))),
        (
            "sum of constants",
            format!("const c = 1{};", many("+1", 100_000)),
        ),
        (
            "members",
            function(format!("return x{};", many(".x", 100_000))),
        ),
        (
            "indices",
            function(format!("return x{};", many("[0]", 100_000))),
        ),
        (
            "types",
            format!("var<private> a: {}f32", many("array<", 50_000)),
        ),
        (
            "else ifs",
            function(format!(
                "if b {{}} {} return x;",
                many("else if b {} ", 50_000)
            )),
        ),
        ("constants", chain(20_000)),
        ("calls", calls(20_000)),
        ("comments", many("/*", 100_000)),
        ("attributes", many("@align(1) ", 50_000)),
        ("zeros", many("\0", 1000)),
        ("nothing", String::new()),
    ];
    for (what, text) in table {
        // The answer may be yes or no.
        let _ = on_a_big_stack(move || checked(&[("a.wgsl", &text)]).outcome.is_ok());
        eprintln!("{what}: survived");
    }
}
