//! Two users at once: neither reaches what the other runs, and each is told whose it is.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::daemon::Down;
use crate::support::{Workspace, outcome, success};

/// Somebody else: Debian's `nobody`.
const OTHER: u32 = 65_534;

/// The tool as the other user; nothing where it may not even be read by them.
fn as_other(home: &Path, args: &[&str]) -> Option<(Option<i32>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cell"));
    command
        .args(args)
        .env("CELL_HOME", home)
        .env_remove("CELL_RUN")
        .current_dir("/");
    become_user(&mut command, OTHER);
    match command.output() {
        Ok(output) => Some(outcome(&output)),
        Err(cause) => {
            println!("the other user cannot start the tool here: {cause}");
            None
        }
    }
}

fn become_user(command: &mut Command, uid: u32) {
    let become_other = move || {
        setgroups(&[])?;
        setgid(Gid::from_raw(uid))?;
        setuid(Uid::from_raw(uid))?;
        Ok(())
    };
    // SAFETY: the closure makes system calls alone.
    unsafe { command.pre_exec(become_other) };
}

fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn another_user_is_refused_with_the_owners_name() {
    if !Uid::effective().is_root() {
        println!("only root can try this as two users");
        return;
    }
    let workspace = Workspace::new("hello");
    success(workspace.run(["up"]));
    let _down = Down(&workspace);
    // A place that the other user can look into, down to the sockets.
    let shown = tempfile::tempdir().unwrap();
    open_to_all(shown.path());
    let home = shown.path().join("home");
    std::fs::create_dir_all(home.join("run")).unwrap();
    for args in [
        &["call", "button_service", "get_state", "\"ok\""][..],
        &["status"],
        &["clean"],
        &["attach"],
        &["up"],
        &["down"],
    ] {
        let Some((code, text)) = as_other(&home, args) else {
            return;
        };
        assert_eq!(code, Some(3), "{args:?}: {text}");
        assert!(
            text.contains("belongs to `root` (user 0)") && text.contains("--home DIR"),
            "{args:?}: {text}"
        );
    }
    // Even where a socket lies open to all, the cell hangs up on them.
    let socket = |name: &str| workspace.run_dir().join(name).canonicalize().unwrap();
    for name in ["button_service.sock", "stem.sock"] {
        let open = shown.path().join(name);
        if std::fs::hard_link(socket(name), &open).is_err() {
            println!(
                "the sockets are on another file system: they are not shown to the other user"
            );
            return;
        }
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(hung_up(&open, Some(OTHER)), "hung up", "{name}");
        // Their owner is waited for.
        assert_eq!(hung_up(&open, None), "waits", "{name}");
    }
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
}

/// The variable that names the socket for [`somebody_connects`].
const SOCKET: &str = "CELL_TEST_SOCKET";

/// What a service does with somebody who connects and says nothing.
fn hung_up(socket: &Path, uid: Option<u32>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "users::somebody_connects",
            "--ignored",
            "--nocapture",
        ])
        .env(SOCKET, socket);
    if let Some(uid) = uid {
        become_user(&mut command, uid);
    }
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let found = ["hung up", "waits"]
        .into_iter()
        .find(|word| said.contains(word));
    found.map_or(said.clone(), str::to_owned)
}

#[test]
#[ignore = "another test runs it as a process of its own"]
fn somebody_connects() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let mut stream = UnixStream::connect(socket).unwrap();
    // One that is waited for has to be given up: long enough for a refusal on a busy machine.
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => println!("hung up"),
        Err(cause) if cause.kind() == ErrorKind::ConnectionReset => println!("hung up"),
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => println!("waits"),
        other => println!("{other:?}"),
    }
}
