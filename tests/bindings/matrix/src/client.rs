//! The Rust client's side of the matrix: every scenario that the clients of other languages play as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cell_sdk::cell::{self, CallError};
use cell_sdk::server::StatusCode;
use tokio::io::AsyncBufReadExt;

cell::client!("matrix");

/// Plays a scenario; says how many calls it made where that matters.
pub async fn play(scenario: &str) -> Result<Option<u64>> {
    match scenario {
        "call" => call().await?,
        "typed_error" => typed_error().await?,
        "streams" => streams().await?,
        "deadline" => deadline().await?,
        "cancel" => cancel().await?,
        "concurrent" => concurrent().await?,
        "overloaded" => overloaded().await?,
        "drift" => drift().await?,
        "drain" => return drain().await.map(Some),
        other => bail!("there is no scenario `{other}`"),
    }
    Ok(None)
}

async fn call() -> Result<()> {
    let text = "é".repeat(5000);
    ensure!(matrix::echo(text.clone()).await? == text, "another text");
    ensure!(matrix::add(2, 3).await? == 5, "a wrong sum");
    ensure!(matrix::add(u64::MAX, 2).await? == 1, "a wrong sum");
    ensure!(
        matrix::big(1 << 20).await?.len() == 1 << 20,
        "too few bytes"
    );
    ensure!(matrix::generation().await? == 1, "another generation");
    let broken = matrix::panics()
        .await
        .err()
        .context("a panic is no answer")?;
    ensure!(broken.to_string().contains("it broke"), "{broken}");
    ensure!(matrix::add(2, 3).await? == 5, "the connection is gone");
    Ok(())
}

async fn typed_error() -> Result<()> {
    use self::matrix::MatrixError;
    let long = "a name that is long".to_owned();
    for (kind, wanted) in [
        ("not_found", MatrixError::NotFound { id: long }),
        ("refused", MatrixError::Refused(42)),
        ("empty", MatrixError::Empty),
    ] {
        match matrix::fail(kind.to_owned()).await {
            Err(CallError::App(error)) if error == wanted => {}
            other => bail!("{kind}: {other:?}"),
        }
    }
    ensure!(
        matrix::fail("fine".to_owned()).await? == 4,
        "not its length"
    );
    Ok(())
}

async fn streams() -> Result<()> {
    use self::matrix::{MatrixError, Tick};
    for to in [0, 10_000] {
        let mut items = matrix::count(to).await?;
        let mut next = 0;
        while let Some(item) = items.next().await {
            ensure!(item? == next, "not {next}");
            next += 1;
        }
        ensure!(next == to, "{next} items");
    }
    let mut items = matrix::watch("refused".to_owned(), 3).await?;
    for at in 0..3 {
        let name = format!("tick number {at}");
        let item = items.next().await.context("too few ticks")??;
        ensure!(item == Tick { at, name }, "{item:?}");
    }
    match items.next().await {
        Some(Err(CallError::App(MatrixError::Refused(42)))) => {}
        other => bail!("no error: {other:?}"),
    }
    let sum = matrix::sum(5, cell::Stream::iter(1..=10_000)).await?;
    ensure!(sum == 50_005_005, "{sum}");
    ensure!(matrix::sum(5, cell::Stream::iter([])).await? == 5, "not 5");
    let words = ["a".to_owned(), "é".repeat(1000)];
    let joined = matrix::join(cell::Stream::iter(words)).await?;
    ensure!(joined.len() == 2001, "{joined}");
    match matrix::join(cell::Stream::iter([])).await {
        Err(CallError::App(MatrixError::Empty)) => {}
        other => bail!("no error: {other:?}"),
    }
    let endless = (0..).map(|number| if number == 100 { "stop" } else { "x" }.to_owned());
    let joined = matrix::join(cell::Stream::iter(endless)).await?;
    ensure!(joined.len() == 100, "{joined}");
    let (send, numbers) = cell::Stream::channel(1);
    let mut doubled = matrix::double(numbers).await?;
    for number in 0..100_u32 {
        send.send(number).await?;
        let item = doubled.next().await.context("it ended")??;
        ensure!(item == 2 * u64::from(number), "{item}");
    }
    drop(send);
    ensure!(doubled.next().await.is_none(), "it goes on");
    let mut blobs = matrix::blobs(3, 3_000_000).await?;
    let mut sizes = 0;
    while let Some(blob) = blobs.next().await {
        sizes += blob?.len();
    }
    ensure!(sizes == 9_000_000, "{sizes}");
    let mut bytes = matrix::bytes(cell::Stream::iter([1, 2, 255])).await?;
    let mut all = Vec::new();
    while let Some(byte) = bytes.next().await {
        all.push(byte?);
    }
    ensure!(all == [1, 2, 255], "{all:?}");
    let before = matrix::cancelled().await?;
    let mut endless = matrix::forever().await?;
    for number in 0..5 {
        let item = endless.next().await.context("it ended")??;
        ensure!(item == number, "{item}");
    }
    drop(endless);
    while matrix::cancelled().await? == before {
        tokio::task::yield_now().await;
    }
    let hurried = client().await?.deadline(Duration::from_millis(50));
    let mut endless = hurried.forever().await?;
    loop {
        match endless.next().await {
            Some(Ok(_)) => {}
            Some(Err(cell::Error::DeadlineExceeded { .. })) => return Ok(()),
            other => bail!("no deadline: {other:?}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it checks that it does not wait")]
async fn deadline() -> Result<()> {
    let started = Instant::now();
    let client = client().await?.deadline(Duration::from_millis(50));
    match client.slow(5000).await {
        Err(cell::Error::DeadlineExceeded { .. }) => {}
        other => bail!("no deadline: {other:?}"),
    }
    ensure!(started.elapsed() < Duration::from_secs(4), "it waited");
    Ok(())
}

async fn cancel() -> Result<()> {
    let before = matrix::cancelled().await?;
    let running = tokio::spawn(matrix::slow(60_000));
    matrix::until_served(1).await?;
    running.abort();
    ensure!(
        running.await.is_err_and(|error| error.is_cancelled()),
        "it was not cancelled"
    );
    while matrix::cancelled().await? == before {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn concurrent() -> Result<()> {
    let calls: Vec<_> = (0..1000_u64)
        .map(|n| {
            tokio::spawn(async move {
                matrix::add(n, 1_000_000)
                    .await
                    .map(|sum| sum == n + 1_000_000)
            })
        })
        .collect();
    for call in calls {
        ensure!(call.await??, "an answer of another call");
    }
    Ok(())
}

async fn overloaded() -> Result<()> {
    let mut slow = vec![
        tokio::spawn(matrix::slow(60_000)),
        tokio::spawn(matrix::slow(60_000)),
    ];
    // It is the third call itself.
    matrix::until_served(2).await?;
    slow.push(tokio::spawn(matrix::slow(60_000)));
    let status = loop {
        match matrix::add(2, 3).await {
            Ok(_) => {}
            Err(cell::Error::Status(status)) => break status,
            Err(other) => bail!("not overloaded: {other:?}"),
        }
    };
    ensure!(status.code == StatusCode::Overloaded, "{status}");
    let hint = status
        .retry_after
        .context("it says nothing of trying again")?;
    ensure!(hint < Duration::from_secs(1), "{hint:?}");
    // Those that were started are not harmed; without them there is room again.
    for call in &slow {
        ensure!(!call.is_finished(), "a call that was started has ended");
        call.abort();
    }
    while matrix::add(2, 3).await.is_err() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn drift() -> Result<()> {
    let refused = matrix::add(1, 1)
        .await
        .err()
        .context("another schema was not refused")?
        .to_string();
    ensure!(
        refused.contains(&format!("0x{:016x}", matrix::FINGERPRINT)),
        "{refused}"
    );
    ensure!(
        refused.matches("0x").count() >= 2 && refused.contains("cargo cell"),
        "{refused}"
    );
    Ok(())
}

async fn drain() -> Result<u64> {
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4_u64)
        .map(|caller| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    ensure!(
                        matrix::add(calls, caller).await? == calls + caller,
                        "a wrong sum"
                    );
                    calls += 1;
                }
                Ok(calls)
            })
        })
        .collect();
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let said = lines.next_line().await?;
    ensure!(
        said.as_deref() == Some("stop"),
        "{said:?} instead of `stop`"
    );
    stop.store(true, Ordering::SeqCst);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await??;
    }
    Ok(calls)
}

async fn client() -> Result<matrix::Client> {
    let run = std::env::var("CELL_RUN").context("CELL_RUN is not set")?;
    let path = format!("{run}/matrix.sock");
    Ok(matrix::connect(&path).await?)
}
