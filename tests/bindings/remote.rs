//! The live matrix on the network: the same scenarios over QUIC, and peers that are turned away.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use cargo_cell::keys::store::Store;
use cargo_cell::keys::{AUTHORITY_KEY_FILE, mint};
use cell_runtime::Vesicle;
use cell_runtime::client::{CallOptions, Client, Target};
use cell_runtime::protein::encode;
use cell_runtime::remote::{AUTHORITY_FILE, Keys, RemoteAddress, identity_file};
use cell_runtime::schema::route_id;
use nix::sys::signal::{Signal, kill};

use crate::matrix::{ENV_ADDRESS, GENERATIONS, PATIENCE, SERVED, Serves, again, snapshot};

/// Whom the clients of the tests are.
pub(crate) const CALLER: &str = "caller";

/// A folder of keys, as `cargo cell keys` makes it, for the service and its caller.
pub(crate) struct Mesh(tempfile::TempDir);

impl Mesh {
    pub(crate) fn new() -> Mesh {
        let mesh = Mesh(tempfile::tempdir().unwrap());
        mesh.store().init(3650).unwrap();
        for name in ["matrix", CALLER] {
            mesh.store().issue(name, 90).unwrap();
        }
        mesh
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn store(&self) -> Store {
        Store::at(self.path().to_owned())
    }

    /// Puts a certificate that ended long ago where that of `name` is.
    pub(crate) fn expire(&self, name: &str) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let long_ago = now.unwrap() - Duration::from_secs(100 * 24 * 3600);
        self.write(name, name, long_ago);
    }

    /// Puts a certificate for somebody else where that of `name` is.
    pub(crate) fn issue_as(&self, name: &str, bears: &str) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.write(name, bears, now.unwrap());
    }

    /// Trusts the other's authority, and nobody else.
    pub(crate) fn trust(&self, other: &Mesh) {
        let (from, to) = (other.path(), self.path());
        std::fs::copy(from.join(AUTHORITY_FILE), to.join(AUTHORITY_FILE)).unwrap();
    }

    /// Lets everybody read the private key of `name`.
    pub(crate) fn show(&self, name: &str) {
        let file = self.path().join(identity_file(name));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn write(&self, name: &str, bears: &str, now: Duration) {
        let authority = std::fs::read_to_string(self.path().join(AUTHORITY_KEY_FILE)).unwrap();
        let made = mint::issue(&authority, bears, now, 1).unwrap();
        let file = self.path().join(identity_file(name));
        std::fs::write(&file, made.identity).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// How a program finds these keys, and who it is.
    pub(crate) fn env(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("CELL_KEYS", self.path().into()),
            ("CELL_IDENTITY", CALLER.into()),
        ]
    }
}

/// A process of the service that is open to the network.
pub(crate) struct Door {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it says on standard error.
    lines: Receiver<String>,
}

impl Door {
    pub(crate) fn open(mesh: &Mesh, role: &str, at: SocketAddr, generation: u32) -> Door {
        Door::open_with(mesh, role, at, generation, |_| ())
    }

    pub(crate) fn open_with(
        mesh: &Mesh,
        role: &str,
        at: SocketAddr,
        generation: u32,
        change: impl FnOnce(&mut Command),
    ) -> Door {
        let mut command = again(role);
        change(&mut command);
        let mut child = command
            .env(ENV_ADDRESS, at.to_string())
            .env("MATRIX_GENERATION", generation.to_string())
            .env("CELL_KEYS", mesh.path())
            .env("CELL_IDENTITY", "matrix")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        // It reads on when nobody listens: the service must not wait for that.
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut door = Door {
            child,
            address: at,
            lines,
        };
        let line = door.says(" serves ");
        let word = line
            .split_whitespace()
            .find_map(|word| word.parse::<SocketAddr>().ok());
        door.address = word.unwrap_or_else(|| panic!("{line}"));
        door
    }

    /// The next line that holds this.
    pub(crate) fn says(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut said = String::new();
        while let Ok(line) = self.lines.recv_timeout(until - Instant::now()) {
            if line.contains(part) {
                return line;
            }
            said = said + &line + "\n";
        }
        panic!("the service never said {part:?}, but:\n{said}");
    }

    /// Tells it to finish, and waits until it has.
    pub(crate) fn drain(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Any port of the loopback.
pub(crate) fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// The service on the network, one process after the other at the same address.
pub(crate) struct Remote {
    pub(crate) mesh: Mesh,
    role: &'static str,
    pub(crate) door: Door,
}

impl Serves for Remote {
    fn start(role: &'static str) -> Remote {
        let mesh = Mesh::new();
        let door = Door::open(&mesh, role, anywhere(), 1);
        Remote { mesh, role, door }
    }

    fn env(&self) -> Vec<(&'static str, OsString)> {
        let mut env = self.mesh.env();
        env.push(("CELL_AT", format!("matrix@{}", self.door.address).into()));
        env
    }

    fn swap(mut self, stdin: &mut impl Write) -> Result<Remote, String> {
        for number in 1..=GENERATIONS {
            self.served(SERVED)
                .map_err(|error| format!("generation {number} was not called: {error}"))?;
            if number < GENERATIONS {
                self = self.restarted(number + 1);
            }
        }
        stdin
            .write_all(b"stop\n")
            .map_err(|error| format!("the client is gone: {error}"))?;
        Ok(self)
    }
}

impl Remote {
    /// Drains the process; another one serves from then on.
    pub(crate) fn restarted(self, generation: u32) -> Remote {
        let Remote { mesh, role, door } = self;
        let at = door.address;
        door.drain();
        let door = Door::open(&mesh, role, at, generation);
        Remote { mesh, role, door }
    }

    /// Kills the process; another one serves from then on.
    pub(crate) fn killed(self, generation: u32) -> Remote {
        let Remote { mesh, role, door } = self;
        let at = door.address;
        drop(door);
        let door = Door::open(&mesh, role, at, generation);
        Remote { mesh, role, door }
    }

    /// Waits until the process has begun so many calls.
    fn served(&self, calls: u64) -> Result<(), String> {
        let address = RemoteAddress::parse(&self.door.address.to_string()).expect("an address");
        let keys = Keys::at(self.mesh.path(), CALLER).map_err(|error| error.to_string())?;
        let snapshot = snapshot();
        let route = route_id(snapshot.route("until_served").expect("a route"));
        let arguments = Vesicle::wrap(encode(&(calls,)).map_err(|error| error.to_string())?);
        let target = Target::remote(address, keys, "matrix", snapshot.fingerprint.0);
        let options = CallOptions {
            deadline: Some(Instant::now() + PATIENCE),
            trace: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = runtime.block_on(Client::new(target).call(route, arguments, options));
        answer.map(drop).map_err(|error| error.to_string())
    }
}
