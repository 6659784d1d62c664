//! Shaders as people write them, break them, and as nobody would.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::{Book, Checked, Holder, Key, check};

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
            "automatic conversions cannot convert",
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
            "a.wgsl:1:12",
            "Entry point f at Vertex is invalid",
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

fn function(body: String) -> String {
    format!("fn f(x: f32, b: bool) -> f32 {{ {body} }}")
}

/// Constants of which each needs the next.
fn chain(count: usize) -> String {
    let line = |at: usize| format!("const c{at} = c{};\n", at + 1);
    (0..count).map(line).collect::<String>() + &format!("const c{count} = 1;")
}

/// Functions of which each calls the next.
fn calls(count: usize) -> String {
    let line = |at: usize| format!("fn f{at}() {{ f{}(); }}\n", at + 1);
    (0..count).map(line).collect::<String>() + &format!("fn f{count}() {{}}")
}

#[test]
fn what_nobody_would_write_ends_nothing() {
    let many = |piece: &str, count: usize| piece.repeat(count);
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
        on_a_big_stack(move || drop(checked(&[("a.wgsl", &text)])));
        eprintln!("{what}: survived");
    }
}

#[test]
fn what_the_fence_lets_through_fits_on_the_stack() {
    let table: Vec<(&str, String)> = vec![
        (
            "brackets",
            function(format!("return {}x{};", "(".repeat(250), ")".repeat(250))),
        ),
        (
            "blocks",
            function(format!("{}{} return x;", "{".repeat(250), "}".repeat(250))),
        ),
        (
            "minuses",
            function(format!("return {}x;", "- ".repeat(8000))),
        ),
        (
            "nots",
            function(format!("return f(x, {}b);", "!".repeat(8000))),
        ),
        ("sum", function(format!("return x{};", "+x".repeat(4000)))),
        (
            "calls in a sum",
            function(format!("return x{};", "+max(x, x)".repeat(1300))),
        ),
        (
            "sum of constants",
            format!("const c = 1{};", "+1".repeat(4000)),
        ),
        (
            "members",
            function(format!("return x{};", ".x".repeat(4000))),
        ),
        (
            "indices",
            function(format!("return x{};", "[0]".repeat(2600))),
        ),
        (
            "types",
            format!("var<private> a: {}f32", "array<".repeat(4000)),
        ),
        (
            "else ifs",
            function(format!(
                "if b {{}} {} return x;",
                "else if b {} ".repeat(1600)
            )),
        ),
        ("constants", chain(8000)),
        ("functions", calls(8000)),
    ];
    for (what, text) in table {
        assert_eq!(super::fence::beyond(&text), None, "{what}");
        on_a_big_stack(move || drop(checked(&[("a.wgsl", &text)])));
        eprintln!("{what}: survived");
    }
}

/// Marsaglia's xorshift: the same shaders in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

const SIGNS: &[u8] = b" (){};:,.<>+-*/=&|!~%^@_a0u\n\"#";

/// Bytes changed, removed, doubled, moved elsewhere: what hands, half-written files and merges do.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(40)).min(bytes.len());
        let piece = bytes[at..end].to_vec();
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes[at] = SIGNS[random.below(SIGNS.len())],
            3 => bytes[at] = random.below(256) as u8,
            4 => drop(bytes.splice(at..at, piece)),
            _ => {
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn mutated_shaders_end_nothing_and_the_last_good_one_stays() {
    let count = std::env::var("CELL_TEST_SHADERS").ok();
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(1000);
    let (mut rejected, mut taken, mut panics) = (0, 0, 0);
    let key = Key {
        package: "p".to_owned(),
        path: "heat.wgsl".to_owned(),
    };
    let holder = Holder {
        cell: "c".to_owned(),
        generation: 1,
    };
    let mut book = Book::default();
    assert!(book.hold(&key, &holder));
    assert!(book.good(&key, BTreeSet::new(), GOOD).is_some());
    let mut random = Random(1);
    let mut good = GOOD.to_owned();
    for _ in 0..count {
        let (root, colours) = match random.below(2) {
            0 => (mutated(GOOD, &mut random), COLOURS.to_owned()),
            _ => (GOOD.to_owned(), mutated(COLOURS, &mut random)),
        };
        let checked =
            on_a_big_stack(move || checked(&[("heat.wgsl", &root), ("colours.wgsl", &colours)]));
        match checked.outcome {
            Ok(text) => {
                taken += 1;
                book.good(&key, BTreeSet::new(), &text);
                good = text;
            }
            Err(report) => {
                rejected += 1;
                panics += usize::from(report.message.contains("panicked"));
                book.bad(&key, BTreeSet::new());
                assert!(!plain(&report.rendered).is_empty());
            }
        }
        let current = book
            .current(&key, &holder)
            .expect("there is always a good one");
        assert_eq!(*current.source, *good);
    }
    eprintln!("{rejected} rejected ({panics} by a panic of naga), {taken} taken");
    assert!(rejected > 0 && taken > 0);
}

#[test]
fn holders_get_what_is_good_and_nothing_twice() {
    let key = |path: &str| Key {
        package: "p".to_owned(),
        path: path.to_owned(),
    };
    let holder = |cell: &str, generation| Holder {
        cell: cell.to_owned(),
        generation,
    };
    let (shader, old, new, other) = (key("a"), holder("c", 1), holder("c", 2), holder("d", 3));
    let file = PathBuf::from("/w/a.wgsl");
    let files = BTreeSet::from([file.clone()]);
    let mut book = Book::default();
    assert!(book.hold(&shader, &old) && !book.hold(&shader, &old));
    // Nothing was good so far.
    assert_eq!(book.bad(&shader, files.clone()), None);
    assert_eq!(book.current(&shader, &old), None);
    let (first, pushes) = book.good(&shader, files.clone(), "one").expect("it is new");
    assert_eq!(pushes.len(), 1);
    // The same again is no news, unless it was bad in between.
    assert_eq!(book.good(&shader, files.clone(), "one"), None);
    assert_eq!(book.bad(&shader, files.clone()), Some(first));
    assert!(book.is_bad(&shader));
    let (second, _) = book
        .good(&shader, files.clone(), "one")
        .expect("it is good again");
    assert!(second > first && !book.is_bad(&shader));
    // A save concerns who holds it.
    assert_eq!(
        book.concerned(&[PathBuf::from("/w/b.wgsl"), file.clone()]),
        vec![shader.clone()]
    );
    assert!(book.hold(&shader, &other) && book.hold(&shader, &new));
    let (third, pushes) = book.good(&shader, files.clone(), "two").expect("it is new");
    assert_eq!(pushes.len(), 3);
    // Only the newest answer counts, and once.
    let saved = Instant::now();
    pushes
        .iter()
        .for_each(|push| book.sent(&shader, push, saved));
    assert_eq!(book.answered(&shader, &other, second), None);
    assert_eq!(book.answered(&shader, &other, third), Some(saved));
    assert_eq!(book.answered(&shader, &other, third), None);
    book.gone(&old);
    assert_eq!(book.answered(&shader, &old, third), None);
    // What was good outlives who held it.
    book.gone(&new);
    book.gone(&other);
    assert!(book.concerned(&[file]).is_empty());
    assert!(book.hold(&shader, &holder("c", 4)));
    assert!(
        book.current(&shader, &holder("c", 4))
            .is_some_and(|push| &*push.source == "two")
    );
    // A cell that claims to hold everything is not believed for ever.
    let many = (0..1000)
        .filter(|at| book.hold(&key(&at.to_string()), &new))
        .count();
    assert!((100..1000).contains(&many), "{many}");
}
