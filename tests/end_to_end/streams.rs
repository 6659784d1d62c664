//! Streams between real cells: edited in, called by a cell and from the command line, and what a swap does to them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Workspace, outcome};

const BUTTON: &str = r#"
    #[cell::handler]
    async fn get_state"#;

const STREAMS: &str = r#"
    /// Counts.
    #[cell::handler]
    async fn count(to: u32) -> cell::Stream<u32> {
        cell::Stream::iter(0..to)
    }

    #[cell::handler]
    async fn sum(mut numbers: cell::Stream<u32>) -> u64 {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number);
        }
        sum
    }

    #[cell::handler]
    async fn halves(mut numbers: cell::Stream<u32>) -> cell::Stream<Result<u32, String>> {
        let (send, halves) = cell::Stream::channel(1);
        tokio::spawn(async move {
            while let Some(number) = numbers.next().await {
                let half = match number % 2 {
                    0 => Ok(number / 2),
                    _ => Err(format!("{number} is odd")),
                };
                if send.send(half).await.is_err() {
                    return;
                }
            }
        });
        halves
    }

    #[cell::handler]
    async fn get_state"#;

const PANEL: &str = r#"
    /// One line of text about a button."#;

const CALLER: &str = r#"
    #[cell::handler]
    async fn total(to: u32) -> Result<u64, String> {
        let told = |error: cell::Error| error.to_string();
        let mut total = button_service::sum(cell::Stream::iter(0..to)).await.map_err(told)?;
        let mut items = button_service::count(to).await.map_err(told)?;
        while let Some(item) = items.next().await {
            total += u64::from(item.map_err(told)?);
        }
        Ok(total)
    }

    /// One line of text about a button."#;

#[test]
fn cells_and_the_command_line_stream() {
    let workspace = Workspace::new("hello");
    workspace.edit("button/src/main.rs", BUTTON, STREAMS);
    let mut dev = workspace.dev();
    workspace.edit("panel/src/main.rs", PANEL, CALLER);
    dev.swapped("panel");
    let total = workspace.call(&["panel", "total", "100000"]).unwrap();
    assert_eq!(total, json!(9_999_900_000_u64));

    let counted = workspace.run(["call", "button_service", "count", "3"]);
    assert_eq!(outcome(&counted), (Some(0), "0\n1\n2\n".to_owned()));
    let sum = given(&workspace, "sum", "1\n2\n\n40\n");
    assert_eq!(sum, (Some(0), "43\n".to_owned()));
    let (code, text) = given(&workspace, "halves", "2\n4\n5\n6\n");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("1\n2\n") && text.contains("\"5 is odd\""),
        "{text}"
    );
    let (code, text) = given(&workspace, "sum", "1\ntwo\n");
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("line 2 of the standard input is not JSON"),
        "{text}"
    );
    let (code, text) = given(&workspace, "sum", "1\n-1\n");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("in line 2"), "{text}");

    // A stream goes on through a swap of its cell until the drain limit; who opens one meanwhile gets the new code.
    let mut open = workspace
        .command(["call", "button_service", "halves"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = open.stdin.take().unwrap();
    let mut output = BufReader::new(open.stdout.take().unwrap());
    let mut half = |number: u32| {
        writeln!(input, "{number}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(half(2), "1\n");
    workspace.edit(
        "button/src/main.rs",
        "Ok(number / 2)",
        "Ok(number / 2 + 1000)",
    );
    dev.wait("the old generation to drain", |event| {
        event["what"] == "draining" && event["cell"] == "button_service"
    });
    assert_eq!(half(4), "2\n");
    assert_eq!(
        given(&workspace, "halves", "4\n"),
        (Some(0), "1002\n".to_owned())
    );
    drop(input);
    assert!(open.wait().unwrap().success());
}

/// What `cargo cell call button_service ROUTE` says to lines on its standard input.
fn given(workspace: &Workspace, route: &str, lines: &str) -> (Option<i32>, String) {
    let mut child = workspace
        .command(["call", "button_service", route])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    outcome(&child.wait_with_output().unwrap())
}
