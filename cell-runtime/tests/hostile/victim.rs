//! The process that is attacked.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cell_sdk::__private::client::TypedClient;
use cell_sdk::cell;
use cell_sdk::schema::own_service;
use cell_sdk::server::{self, ServerOptions};
use cell_sdk::transport::UdsListener;
use tempfile::TempDir;

#[cell::service]
pub(crate) mod prey {
    use cell_sdk::cell;

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub(crate) struct Chain {
        pub(crate) head: u32,
        pub(crate) tail: Option<Box<Chain>>,
    }

    #[cell::handler]
    async fn echo(text: String) -> String {
        text
    }

    #[cell::handler]
    async fn length(chain: Chain) -> u32 {
        let (mut length, mut rest) = (1, &chain.tail);
        while let Some(next) = rest {
            (length, rest) = (length + 1, &next.tail);
        }
        length
    }

    #[cell::handler]
    async fn big(bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    #[cell::handler]
    async fn waits() {
        std::future::pending::<()>().await;
    }

    #[cell::handler]
    async fn sum(mut numbers: cell::Stream<u32>) -> u64 {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number);
        }
        sum
    }

    /// Takes none of them.
    #[cell::handler]
    async fn ignores(numbers: cell::Stream<u32>) {
        std::future::pending::<()>().await;
        drop(numbers);
    }

    #[cell::handler]
    async fn numbers() -> cell::Stream<u32> {
        cell::Stream::iter(0..u32::MAX)
    }
}

/// The number of a route.
pub(crate) fn route(name: &str) -> u64 {
    let schema = own_service("hostile::victim::prey").unwrap();
    schema.route(name).unwrap().fingerprint.0
}

pub(crate) fn fingerprint() -> u64 {
    own_service("hostile::victim::prey").unwrap().fingerprint.0
}

const SERVE: &str = "CELL_TEST_PREY";

/// The cell, in the process that the other tests start. It lives as long as its input is open.
#[test]
fn serve() {
    let Some(path) = std::env::var_os(SERVE) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = UdsListener::bind(Path::new(&path)).unwrap();
        println!("serves");
        let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        let options = ServerOptions::default();
        let service = prey::handlers().into_server().unwrap();
        let run = server::run(listener, service, options, async { drop(asked.await) });
        run.await.unwrap();
    });
}

/// A cell that is about to be attacked.
pub(crate) struct Victim {
    folder: TempDir,
    child: Child,
    /// Neither breaks before the process ends.
    _pipes: (ChildStdin, BufReader<ChildStdout>),
}

impl Victim {
    pub(crate) fn start() -> Victim {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim::serve", "--nocapture"])
            .env(SERVE, folder.path().join("prey.sock"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.ends_with("serves\n") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it starts");
        }
        Victim {
            folder,
            child,
            _pipes: (input, output),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("prey.sock")
    }

    /// Somebody who means no harm.
    pub(crate) fn friend(&self) -> TypedClient {
        let address = self.path().display().to_string();
        TypedClient::at(&address, "prey", fingerprint()).unwrap()
    }

    /// The most memory that it ever had, in MiB.
    pub(crate) fn peak(&mut self) -> u64 {
        assert_eq!(self.child.try_wait().unwrap(), None, "it lives");
        peak(self.child.id())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that a process ever had, in MiB.
pub(crate) fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<u64>().unwrap() / 1024
}
