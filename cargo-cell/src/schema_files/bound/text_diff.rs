//! Unified diffs of texts.

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Beyond this many pairs of lines a change is shown as one block: a diff is for reading.
const PAIRS_MAX: usize = 4 << 20;

/// How one line of the result came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Same,
    Gone,
    New,
}

/// A unified diff that `patch -p0` takes; empty where the texts are the same. No text means no file.
#[must_use]
pub fn unified(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let name = |text: Option<&str>| if text.is_some() { path } else { "/dev/null" };
    let mut out = format!("--- {}\n+++ {}\n", name(old), name(new));
    let a: Vec<&str> = old.unwrap_or("").split_inclusive('\n').collect();
    let b: Vec<&str> = new.unwrap_or("").split_inclusive('\n').collect();
    let steps = steps(&a, &b);
    for (start, end) in hunks(&steps) {
        let before = |kind: Step| steps[..start].iter().filter(|step| **step != kind).count();
        let count = |kind: Step| steps[start..end].iter().filter(|s| **s != kind).count();
        let (mut x, mut y) = (before(Step::New), before(Step::Gone));
        let (long_x, long_y) = (count(Step::New), count(Step::Gone));
        out.push_str(&format!(
            "@@ -{} +{} @@\n",
            range(x, long_x),
            range(y, long_y)
        ));
        for step in &steps[start..end] {
            let (sign, line) = match step {
                Step::Same => (' ', a[x]),
                Step::Gone => ('-', a[x]),
                Step::New => ('+', b[y]),
            };
            x += usize::from(*step != Step::New);
            y += usize::from(*step != Step::Gone);
            out.push(sign);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

fn range(start: usize, len: usize) -> String {
    match len {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{len}", start + 1),
    }
}

/// The ranges of steps that are shown together.
fn hunks(steps: &[Step]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (index, _) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| **step != Step::Same)
    {
        let start = index.saturating_sub(CONTEXT);
        let end = (index + 1 + CONTEXT).min(steps.len());
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

/// The longest common subsequence of the lines, after what both start and end with.
fn steps(a: &[&str], b: &[&str]) -> Vec<Step> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[head..], &b[head..]);
    let pairs = rest_a.iter().rev().zip(rest_b.iter().rev());
    let tail = pairs.take_while(|(a, b)| a == b).count();
    let (a, b) = (
        &rest_a[..rest_a.len() - tail],
        &rest_b[..rest_b.len() - tail],
    );
    let mut steps = vec![Step::Same; head];
    if (a.len() + 1).saturating_mul(b.len() + 1) > PAIRS_MAX {
        steps.extend(std::iter::repeat_n(Step::Gone, a.len()));
        steps.extend(std::iter::repeat_n(Step::New, b.len()));
    } else {
        middle(a, b, &mut steps);
    }
    steps.extend(std::iter::repeat_n(Step::Same, tail));
    steps
}

fn middle(a: &[&str], b: &[&str], steps: &mut Vec<Step>) {
    let width = b.len() + 1;
    // common[x * width + y]: the length of the longest common subsequence of a[x..] and b[y..].
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for x in (0..a.len()).rev() {
        for y in (0..b.len()).rev() {
            common[x * width + y] = if a[x] == b[y] {
                common[(x + 1) * width + y + 1] + 1
            } else {
                common[(x + 1) * width + y].max(common[x * width + y + 1])
            };
        }
    }
    let (mut x, mut y) = (0, 0);
    while x < a.len() || y < b.len() {
        if x < a.len() && y < b.len() && a[x] == b[y] {
            steps.push(Step::Same);
            (x, y) = (x + 1, y + 1);
        } else if y == b.len()
            || (x < a.len() && common[(x + 1) * width + y] >= common[x * width + y + 1])
        {
            steps.push(Step::Gone);
            x += 1;
        } else {
            steps.push(Step::New);
            y += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let expected = "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(unified("f", Some(old), Some(new)), expected);
        assert_eq!(unified("f", Some(old), Some(old)), "");
    }

    #[test]
    fn files_come_and_go() {
        assert_eq!(
            unified("f", None, Some("a\nb")),
            "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"
        );
        assert_eq!(
            unified("f", Some("a\n"), None),
            "--- f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
        );
        assert_eq!(unified("f", Some(""), None), "--- f\n+++ /dev/null\n");
    }

    #[test]
    fn far_changes_are_hunks_of_their_own() {
        let lines = |changed: &[usize]| -> String {
            let line = |n: usize| match changed.contains(&n) {
                true => format!("new {n}\n"),
                false => format!("{n}\n"),
            };
            (0..40).map(line).collect()
        };
        let diff = unified("f", Some(&lines(&[])), Some(&lines(&[5, 30])));
        assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
    }
}
