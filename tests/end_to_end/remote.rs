//! Cells on the network: the walk of `docs/remote.md`, with the code that stands there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use cargo_cell::keys::{AUTHORITY_KEY_FILE, mint};
use cell_runtime::Vesicle;
use cell_runtime::client::{CallOptions, Client, Target};
use cell_runtime::protein::encode;
use cell_runtime::remote::identity_file;
use cell_runtime::schema::{Snapshot, route_id};
use cell_runtime::wire::Reply;
use serde_json::{Value, json};

use crate::support::{Workspace, eventually, outcome, success};

const GUIDE: &str = include_str!("../../docs/remote.md");

/// The block of the guide in this language that holds `part`.
fn block(language: &str, part: &str) -> String {
    let fence = format!("```{language}\n");
    let mut blocks = GUIDE
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks
        .find(|block| block.contains(part))
        .unwrap_or_else(|| panic!("no {language} block holds {part:?}"))
        .to_owned()
}

/// A UDP port of the loopback that nobody has now.
fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn keys(workspace: &Workspace, args: &[&str]) -> String {
    let output = success(workspace.run(["keys"].iter().chain(args)));
    outcome(&output).1
}

/// Puts a certificate that was good for a day, long ago, where that of `name` is.
fn expire(workspace: &Workspace, name: &str) {
    let dir = workspace.home().join("keys");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let long_ago = now.unwrap() - Duration::from_secs(100 * 24 * 3600);
    let authority = std::fs::read_to_string(dir.join(AUTHORITY_KEY_FILE)).unwrap();
    let made = mint::issue(&authority, name, long_ago, 1).unwrap();
    // The file is there: it keeps its mode, which is its owner's alone.
    std::fs::write(dir.join(identity_file(name)), made.identity).unwrap();
}

fn call_from(workspace: &Workspace, identity: &str, address: &str) -> (Option<i32>, String) {
    let mut call = workspace.command(["call", address, "get_state", "\"ok\""]);
    outcome(&call.env("CELL_IDENTITY", identity).output().unwrap())
}

fn door(workspace: &Workspace) -> Value {
    let status = success(workspace.run(["status", "--json"]));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["remote"]["button_service"].clone()
}

fn is_open(workspace: &Workspace, address: &str) {
    eventually("the door to be open", || {
        let door = door(workspace);
        if door == json!({"address": address, "open": true, "reason": null}) {
            Ok(())
        } else {
            Err(door.to_string())
        }
    });
}

/// A client of its own, outside the workspace, as the guide writes it.
fn client(workspace: &Workspace, port: u16) -> PathBuf {
    let folder = workspace.marker().join("client");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cell-runtime");
    let dependency = block("toml", "cell-sdk").replace(
        "version = \"0.1\"",
        &format!("path = {:?}", runtime.canonicalize().unwrap()),
    );
    std::fs::write(
        folder.join("Cargo.toml"),
        format!(
            "[package]\nname = \"client\"\nversion = \"0.{}.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nanyhow = \"1\"\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n{dependency}",
            std::process::id()
        ),
    )
    .unwrap();
    let lock = workspace.root().join("Cargo.lock");
    std::fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    let source = block("rust", "connect(").replace("4433", &port.to_string());
    std::fs::write(folder.join("src/main.rs"), source).unwrap();
    let served = workspace.read("button/src/main.rs");
    let (service, _) = served.split_once("#[tokio::main]").unwrap();
    let main = block("rust", "serve_remote").replace("0.0.0.0:4433", "127.0.0.1:0");
    std::fs::create_dir_all(folder.join("src/bin")).unwrap();
    std::fs::write(folder.join("src/bin/server.rs"), format!("{service}{main}")).unwrap();
    let out = folder.join("cells");
    let out = out.to_str().unwrap();
    success(workspace.run(["bind", "--lang", "rust", "--out", out, "button_service"]));
    success(workspace.cargo_in(&folder, ["build"]));
    folder.join("target/debug")
}

#[test]
fn a_cell_is_called_over_the_network_by_whom_the_authority_knows() {
    let workspace = Workspace::new("hello");
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let remote = block("toml", "[remote]").replace("0.0.0.0:4433", &address);
    workspace.write("button/Cell.toml", &remote);
    let mut dev = workspace.dev();

    // Nothing is open without keys, and it says what to run; once they are there nobody has to start anything again.
    let failure = dev.sees("the door's failure", |event| event["reason"] == "failure");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("`button_service` is not open to the network")
            && message.contains("cargo cell keys init"),
        "{message}"
    );
    assert_eq!(door(&workspace)["open"], false);
    keys(&workspace, &["init"]);
    let issued = keys(&workspace, &["issue", "button_service", "laptop"]);
    assert!(issued.contains("issued `laptop` for 90 days"), "{issued}");
    is_open(&workspace, &address);
    let status = outcome(&workspace.run(["status"])).1;
    assert!(
        status.contains(&format!("open to the network at {address}")),
        "{status}"
    );

    let at = format!("button_service@{address}");
    let (code, text) = call_from(&workspace, "laptop", &at);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\"pressed\":true"), "{text}");
    let (code, text) = call_from(&workspace, "nobody", &at);
    assert!(
        code == Some(3) && text.contains("cargo cell keys issue nobody"),
        "{text}"
    );

    relayed(&workspace, &at);

    // The guide's client; nobody else builds QUIC.
    let tree = workspace.cargo(["tree", "--offline", "-i", "quinn"]);
    assert!(!tree.status.success(), "{tree:?}");
    let built = client(&workspace, port);
    let run = |identity: &str| {
        let mut command = Command::new(built.join("client"));
        let command = command
            .env("CELL_HOME", workspace.home())
            .env("CELL_IDENTITY", identity);
        outcome(&command.output().unwrap())
    };
    assert_eq!(run("laptop"), (Some(0), "pressed: true\n".to_owned()));

    // An edit swaps the cell behind its door.
    workspace.edit("button/src/main.rs", "pressed: true", "pressed: false");
    dev.swapped("button_service");
    assert_eq!(run("laptop"), (Some(0), "pressed: false\n".to_owned()));

    // After a rotation the former certificate is refused, and the cell says whom it refused.
    let former = std::fs::read(workspace.home().join("keys/laptop.pem")).unwrap();
    keys(&workspace, &["rotate"]);
    keys(&workspace, &["issue", "button_service"]);
    assert_eq!(run("laptop").0, Some(0), "both are trusted");
    let retired = keys(&workspace, &["retire"]);
    assert!(
        retired.contains("not accepted any more: laptop"),
        "{retired}"
    );
    let (code, text) = run("laptop");
    assert!(
        code != Some(0) && text.contains("another authority"),
        "{text}"
    );
    dev.sees("the refusal", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains("`button_service` refused 127.0.0.1") && message.contains("UnknownIssuer")
    });
    let renewed = keys(&workspace, &["issue", "laptop"]);
    assert!(renewed.contains("renewed `laptop`"), "{renewed}");
    assert_ne!(
        std::fs::read(workspace.home().join("keys/laptop.pem")).unwrap(),
        former
    );
    assert_eq!(run("laptop").0, Some(0));

    // Without the table it is closed.
    std::fs::remove_file(workspace.root().join("button/Cell.toml")).unwrap();
    eventually("the door to be closed", || match door(&workspace) {
        Value::Null => Ok(()),
        door => Err(door.to_string()),
    });
    eventually("the address to be free", || {
        let bound = std::net::UdpSocket::bind(&address);
        bound.map(drop).map_err(|error| error.to_string())
    });
    drop(dev);
    serves_alone(&workspace, &built);
}

/// `cargo cell relay`: a client of this machine, which knows nothing of QUIC.
fn relayed(workspace: &Workspace, at: &str) {
    let run = workspace.marker().join("relayed");
    let mut relay = workspace
        .command(["relay", at])
        .env("CELL_IDENTITY", "laptop")
        .env("CELL_RUN", &run)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(relay.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("`button_service` serves "), "{line}");
    let snapshot = workspace.read("schema/button_service.json");
    let snapshot = Snapshot::from_json(&snapshot).unwrap();
    let route = route_id(snapshot.route("get_state").unwrap());
    let socket = run.join("button_service.sock").display().to_string();
    let fingerprint = snapshot.fingerprint.0;
    let call = |fingerprint: u64| {
        let target = Target::at(&socket, "button_service", fingerprint).unwrap();
        let arguments = Vesicle::wrap(encode(&("ok".to_owned(),)).unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = Client::new(target);
        runtime.block_on(client.call(route, arguments, CallOptions::default()))
    };
    assert!(matches!(call(fingerprint), Ok(Reply::Ok(_))));
    let stale = call(fingerprint ^ 1).unwrap_err().to_string();
    assert!(stale.contains("schema drift"), "{stale}");
    let pid = nix::unistd::Pid::from_raw(relay.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(relay.wait().unwrap().success());
    assert_eq!(
        std::fs::read_dir(&run).unwrap().count(),
        0,
        "nothing is left"
    );
}

/// `serve_remote` without a supervisor: the port is the system's choice, so the client is `cargo cell call`.
fn serves_alone(workspace: &Workspace, built: &Path) {
    let mut server = Command::new(built.join("server"))
        .env("CELL_HOME", workspace.home())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(server.stderr.take().unwrap());
    let line = said.lines().next().unwrap().unwrap();
    let address = line
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"));
    let at = format!(
        "button_service@{}",
        address.unwrap_or_else(|| panic!("{line}"))
    );
    let answer = call_from(workspace, "laptop", &at);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(answer.0, Some(0), "{answer:?}");
}

#[test]
fn certificates_that_have_expired_are_refused_with_what_to_do() {
    let workspace = Workspace::new("hello");
    let address = format!("127.0.0.1:{}", free_port());
    let remote = format!("[remote]\nlisten = \"{address}\"\n");
    workspace.write("button/Cell.toml", &remote);
    keys(&workspace, &["init"]);
    keys(&workspace, &["issue", "button_service", "laptop"]);

    // The cell's own, when the door would be opened: no peer has to find that out.
    expire(&workspace, "button_service");
    let mut dev = workspace.dev();
    let failure = dev.sees("the door's failure", |event| event["reason"] == "failure");
    let renew = "its certificate is expired; run `cargo cell keys issue button_service`";
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("`button_service` is not open to the network") && message.contains(renew),
        "{message}"
    );
    let shut = door(&workspace);
    assert_eq!(
        shut,
        json!({"address": address, "open": false, "reason": renew})
    );
    keys(&workspace, &["issue", "button_service"]);
    is_open(&workspace, &address);

    // A client's: both sides say so.
    let at = format!("button_service@{address}");
    expire(&workspace, "laptop");
    let (code, text) = call_from(&workspace, "laptop", &at);
    assert_ne!(code, Some(0), "{text}");
    let renew = "this side's certificate has expired; renew it with `cargo cell keys issue`";
    assert!(text.contains(renew), "{text}");
    dev.sees("the refusal", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains("`button_service` refused 127.0.0.1") && message.contains("expired")
    });
    keys(&workspace, &["issue", "laptop"]);
    assert_eq!(call_from(&workspace, "laptop", &at).0, Some(0));

    // The cell's own, behind a door that is open: clients refuse it, until it is renewed.
    expire(&workspace, "button_service");
    let (code, text) = call_from(&workspace, "laptop", &at);
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("expired") && text.contains("renewed with `cargo cell keys issue`"),
        "{text}"
    );
    keys(&workspace, &["issue", "button_service"]);
    assert_eq!(call_from(&workspace, "laptop", &at).0, Some(0));
}

#[test]
fn a_door_that_cannot_be_opened_says_why_and_opens_when_it_can() {
    let workspace = Workspace::new("hello");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    workspace.write(
        "button/Cell.toml",
        &format!("[remote]\nlisten = \"{address}\"\n"),
    );
    keys(&workspace, &["init"]);
    keys(&workspace, &["issue", "button_service"]);
    let mut dev = workspace.dev();
    let failure = dev.sees("the door's failure", |event| event["reason"] == "failure");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains(&address) && message.contains("in use"),
        "{message}"
    );
    // The cell itself serves all the same.
    workspace
        .call(&["button_service", "get_state", "\"ok\""])
        .unwrap();
    drop(taken);
    is_open(&workspace, &address);

    workspace.write("button/Cell.toml", "[remote]\nlisten = \"here\"\n");
    let failure = dev.wait("the mistake to be named", |event| {
        event["reason"] == "failure"
    });
    assert!(
        failure["message"].as_str().unwrap().contains("`listen`"),
        "{failure}"
    );
}
