//! `cargo cell call` of routes with streams: items are lines of JSON.

use std::io::BufRead as _;

use cell_runtime::Vesicle;
use cell_runtime::client::{CallOptions, Client, OpenCall, Received};
use cell_runtime::schema::{Route, Snapshot, Ty, dynamic, route_id};
use cell_runtime::wire::Reply;
use serde_json::Value;
use tokio::sync::mpsc;

use super::call::{failed, told, unreadable};
use crate::cli::Context;
use crate::error::{Error, Result};

/// How many lines are read ahead of the cell.
const LINES_AHEAD: usize = 64;

/// A call whose items are lines.
pub(super) struct Items<'a> {
    pub(super) context: &'a Context,
    pub(super) cell: &'a str,
    pub(super) snapshot: &'a Snapshot,
    pub(super) route: &'a Route,
}

impl Items<'_> {
    /// Sends what the standard input holds, prints what comes, and gives the answer.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        request: Vesicle,
        options: CallOptions,
    ) -> Result<Reply> {
        let call = client
            .open(route_id(self.route), request, options)
            .await
            .map_err(|cause| failed(self.cell, &cause))?;
        let Some(item) = &self.route.takes else {
            return self.receive(&call).await;
        };
        let send = async {
            self.send(&call, item).await?;
            // The answer ends the call.
            std::future::pending().await
        };
        tokio::select! {
            answer = self.receive(&call) => answer,
            failure = send => failure,
        }
    }

    async fn receive(&self, call: &OpenCall) -> Result<Reply> {
        loop {
            let items = match call.next().await {
                Received::Items(items) => items,
                Received::Done(end) => return end.map_err(|cause| failed(self.cell, &cause)),
            };
            let Some(item) = &self.route.yields else {
                continue;
            };
            let list = Ty::Vec(Box::new(item.clone()));
            let values = dynamic::decode(self.snapshot, &list, &items).map_err(unreadable)?;
            for value in values.as_array().into_iter().flatten() {
                self.context.reporter.result(&value.to_string());
            }
        }
    }

    async fn send(&self, call: &OpenCall, item: &Ty) -> Result<()> {
        let list = Ty::Vec(Box::new(item.clone()));
        let mut lines = lines();
        let mut number = 0;
        while let Some(line) = lines.recv().await {
            number += 1;
            let line = line.map_err(|cause| {
                Error::environment("cannot read items from the standard input").because(cause)
            })?;
            if line.trim().is_empty() {
                continue;
            }
            let value: Value = serde_json::from_str(&line).map_err(|cause| {
                Error::usage(format!(
                    "line {number} of the standard input is not JSON: `{line}`"
                ))
                .because(cause)
                .hint(format!("`{}` takes one `{item}` a line", self.route.name))
            })?;
            let bytes = dynamic::encode(self.snapshot, &list, &Value::Array(vec![value]))
                .map_err(|cause| told(Error::usage, &cause).because(format!("in line {number}")))?;
            let goes_on = call
                .send(&Vesicle::wrap(bytes))
                .await
                .map_err(|cause| failed(self.cell, &cause))?;
            if !goes_on {
                return Ok(());
            }
        }
        call.end();
        Ok(())
    }
}

/// The lines of the standard input. They are read in a thread that nobody waits for: a read cannot be given up.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (send, lines) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let failed = line.is_err();
            if send.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    lines
}
