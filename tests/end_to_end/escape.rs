//! What a cell tries against its sandbox is refused; the same attempts without one show that they would work.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::cgroups::with_one_version;
use crate::podman;
use crate::support::{Dev, Workspace};

const CELL: &str = include_str!("escape/cell.rs");
const LIMITS: &str = "[limits]\nmemory = \"256MiB\"\nfiles = 128\nprocesses = 64\n";

/// The hello workspace with a cell that tries to get out; its panel calls nobody.
fn workspace() -> Workspace {
    let workspace = Workspace::new("hello");
    workspace.write("button/src/main.rs", CELL);
    workspace.edit(
        "button/Cargo.toml",
        "[dependencies]\n",
        "[dependencies]\nlibc = \"0.2\"\n",
    );
    workspace.edit(
        "panel/src/main.rs",
        "match button_service::get_state(id.clone()).await {",
        "match Ok::<String, String>(id.clone()) {",
    );
    workspace.edit(
        "panel/src/main.rs",
        "            Ok(state) if state.pressed => {\n                Ok(format!(\"{id} is pressed, hover {:.2}\", state.hover_t))\n            }\n            Ok(state) => Ok(format!(\"{id} is up, hover {:.2}\", state.hover_t)),\n",
        "            Ok(same) => Ok(same),\n",
    );
    workspace.edit(
        "panel/src/main.rs",
        "cell::client!(\"button_service\");\n",
        "",
    );
    workspace.edit("panel/src/main.rs", "    use crate::button_service;\n", "");
    for file in ["button_service.rs", "button_service.lock"] {
        std::fs::remove_file(workspace.root().join("panel/cells").join(file)).unwrap();
    }
    let devices = serde_json::to_string(&devices()).unwrap();
    let settings = format!("{LIMITS}[sandbox]\ndevices = {devices}\n");
    workspace.write("button/Cell.toml", &settings);
    workspace
}

/// Devices that a sandbox does not show of its own accord and that this test may open.
fn devices() -> Vec<&'static str> {
    let opens = |path: &&str| File::options().read(true).write(true).open(path).is_ok();
    let found: Vec<&str> = ["/dev/fuse", "/dev/kvm", "/dev/net/tun"]
        .into_iter()
        .filter(opens)
        .collect();
    if found.is_empty() {
        println!("there is no device here to show in a sandbox");
    }
    found
}

struct Attempts<'a> {
    workspace: &'a Workspace,
    _dev: Dev<'a>,
    /// Somebody else's process.
    innocent: Child,
    port: TcpListener,
}

impl<'a> Attempts<'a> {
    fn new(workspace: &'a Workspace, sandbox: &str) -> Self {
        Attempts {
            workspace,
            _dev: started(workspace, sandbox),
            innocent: Command::new("sleep").arg("1000").spawn().unwrap(),
            port: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn try_out(&self, route: &str, argument: &Value) -> String {
        let answer = self
            .workspace
            .call(&["button_service", route, &argument.to_string()]);
        answer.unwrap().as_str().unwrap().to_owned()
    }

    fn refused(&self, route: &str, argument: Value) {
        let said = self.try_out(route, &argument);
        assert!(said.starts_with("refused: "), "{route} {argument}: {said}");
    }

    fn done(&self, route: &str, argument: Value) {
        assert_eq!(self.try_out(route, &argument), "done", "{route} {argument}");
    }

    /// Paths and a port of the host that no cell has a right to.
    fn outside(&self) -> Vec<(&'static str, Value)> {
        let (workspace, home) = (self.workspace, self.workspace.home());
        let secret = workspace.marker().join("secret");
        std::fs::write(&secret, "s").unwrap();
        let others = home
            .join("data")
            .read_dir()
            .unwrap()
            .flatten()
            .map(|entry| entry.path().join("panel"))
            .next()
            .unwrap();
        let path = |path: &Path| json!(path.to_str().unwrap());
        vec![
            ("read", path(&secret)),
            ("read", path(&home.join("schema"))),
            ("read", path(&others)),
            ("read", path(&workspace.root().join("panel/src/main.rs"))),
            ("write", path(&workspace.root().join("button/src/new"))),
            ("write", path(&workspace.marker().join("new"))),
            ("connect", path(&workspace.run_dir().join("panel.sock"))),
            ("dial", json!(self.port.local_addr().unwrap().port())),
        ]
    }
}

fn started<'a>(workspace: &'a Workspace, sandbox: &str) -> Dev<'a> {
    let mut dev = workspace.dev_with_command(|command| {
        command.args(["--sandbox", sandbox]);
        if sandbox == "podman" {
            with_one_version(command);
        }
    });
    dev.wait("every cell to serve", |event| event["reason"] == "timings");
    let status = workspace.status();
    assert!(
        status.iter().all(|row| row["sandbox"] == sandbox),
        "{status:?}"
    );
    dev
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        let _ = self.innocent.kill();
        let _ = self.innocent.wait();
    }
}

#[test]
fn a_cell_does_not_get_out_of_its_sandbox() {
    does_not_get_out(&workspace(), "bwrap");
}

#[test]
fn a_cell_does_not_get_out_of_its_container() {
    let workspace = workspace();
    match podman::missing(&workspace) {
        None => does_not_get_out(&workspace, "podman"),
        // That it is refused then is tested beside the other tests of podman.
        Some(why) => println!("no container can be had here: {why}"),
    }
}

fn does_not_get_out(workspace: &Workspace, sandbox: &str) {
    let mut attempts = Attempts::new(workspace, sandbox);
    let data = attempts.workspace.home().join("data");
    for (route, argument) in attempts.outside() {
        if route == "write" {
            // In a temporary folder of its own it may.
            attempts.try_out(route, &argument);
            let path = Path::new(argument.as_str().unwrap());
            assert!(!path.exists(), "{path:?}");
        } else {
            attempts.refused(route, argument);
        }
    }
    // What it does have a right to.
    attempts.done("read", json!(workspace.root().join("button/src/main.rs")));
    let own = data.read_dir().unwrap().flatten().next().unwrap().path();
    attempts.done("write", json!(own.join("button_service/mine")));
    attempts.done("write", json!("/tmp/mine"));
    // Podman puts a file of its own there that says that it is a container.
    let run = attempts.try_out("list", &json!("/run"));
    assert!(run.is_empty() || run == ".containerenv", "/run holds {run}");
    for path in ["/home", "/root", "/etc/shadow", "/dev/mem", "/dev/kmsg"] {
        attempts.refused("read", json!(path));
    }
    for device in devices() {
        attempts.done("open_for_writing", json!(device));
    }
    for path in ["/new", "/usr/new", "/cell/bin/new"] {
        attempts.refused("write", json!(path));
    }
    for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname"] {
        attempts.refused("open_for_writing", json!(path));
    }
    attempts.refused("connect", json!("/cell/run/panel.sock"));
    for domain in [
        libc::AF_NETLINK,
        libc::AF_VSOCK,
        libc::AF_PACKET,
        libc::AF_ALG,
    ] {
        attempts.refused("socket", json!(domain));
    }
    for name in [
        "ptrace",
        "mount",
        "unshare",
        "clone",
        "setns",
        "init_module",
        "bpf",
        "keyctl",
        "settime",
        "type_into_terminal",
    ] {
        let said = attempts.try_out("system_call", &json!(name));
        assert!(said.contains("not permitted"), "{name}: {said}");
    }
    for name in ["io_uring", "x32"] {
        let said = attempts.try_out("system_call", &json!(name));
        assert!(said.contains("not implemented"), "{name}: {said}");
    }
    attempts.refused("kill", json!(attempts.innocent.id()));
    assert_eq!(attempts.innocent.try_wait().unwrap(), None);
    for set in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
        assert_eq!(attempts.try_out("status", &json!(set)), "0000000000000000");
    }
    assert_eq!(attempts.try_out("status", &json!("NoNewPrivs")), "1");
    used_up(&attempts);
}

/// Limits hold with and without a sandbox.
fn used_up(attempts: &Attempts<'_>) {
    attempts.refused("allocate", json!(512));
    attempts.done("allocate", json!(64));
    attempts.refused("open_files", json!(200));
    attempts.done("open_files", json!(50));
    attempts.done("threads", json!(8));
    // SAFETY: it only returns a number.
    if unsafe { libc::geteuid() } != 0 {
        attempts.refused("threads", json!(100));
    }
}

#[test]
fn without_a_sandbox_the_same_attempts_work_but_for_the_limits() {
    let workspace = workspace();
    let attempts = Attempts::new(&workspace, "none");
    for (route, argument) in attempts.outside() {
        attempts.done(route, argument);
    }
    assert_eq!(attempts.try_out("status", &json!("NoNewPrivs")), "1");
    used_up(&attempts);
}
