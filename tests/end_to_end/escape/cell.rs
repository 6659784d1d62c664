//! A cell that tries to get out of its sandbox: each attempt says `done`, or why it was refused.

use cell_sdk::cell;

#[cell::service]
mod button_service {
    use std::ffi::CString;
    use std::io::{Error, Write as _};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use cell_sdk::cell;

    fn said(result: std::io::Result<impl Sized>) -> String {
        match result {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("refused: {error}"),
        }
    }

    fn called(number: libc::c_long, a: u64, b: u64, c: u64) -> String {
        // SAFETY: the calls that are tried here take numbers, or null where they want memory.
        let result = unsafe { libc::syscall(number, a, b, c, 0_u64, 0_u64) };
        match result {
            -1 => said(Err::<(), _>(Error::last_os_error())),
            // A clone that worked is not to serve calls.
            0 if number == libc::SYS_clone => std::process::exit(0),
            _ => "done".to_owned(),
        }
    }

    /// Reads a file or a folder.
    #[cell::handler]
    async fn read(path: String) -> String {
        let path = Path::new(&path);
        match path.is_dir() {
            true => said(std::fs::read_dir(path)),
            false => said(std::fs::read(path)),
        }
    }

    /// What is in a folder; nothing where there is none.
    #[cell::handler]
    async fn list(path: String) -> String {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.join(" ")
    }

    /// Writes a file.
    #[cell::handler]
    async fn write(path: String) -> String {
        said(std::fs::File::create(path).and_then(|mut file| file.write_all(b"x")))
    }

    /// Opens a file that is there for writing, and writes nothing.
    #[cell::handler]
    async fn open_for_writing(path: String) -> String {
        said(std::fs::File::options().write(true).open(path))
    }

    /// Connects to a socket on disk.
    #[cell::handler]
    async fn connect(path: String) -> String {
        said(UnixStream::connect(path))
    }

    /// Connects to a port of the host.
    #[cell::handler]
    async fn dial(port: u16) -> String {
        said(std::net::TcpStream::connect(("127.0.0.1", port)))
    }

    /// Makes a socket of another kind.
    #[cell::handler]
    async fn socket(domain: i32) -> String {
        called(libc::SYS_socket, domain as u64, libc::SOCK_DGRAM as u64, 0)
    }

    /// Kills a process.
    #[cell::handler]
    async fn kill(pid: i32) -> String {
        called(libc::SYS_kill, pid as u64, libc::SIGKILL as u64, 0)
    }

    /// Makes a system call.
    #[cell::handler]
    async fn system_call(name: String) -> String {
        let new_user = (libc::CLONE_NEWUSER | libc::SIGCHLD) as u64;
        let root = CString::default();
        match name.as_str() {
            "ptrace" => called(libc::SYS_ptrace, libc::PTRACE_ATTACH as u64, 1, 0),
            "x32" => called(0x4000_0000 + 521, libc::PTRACE_ATTACH as u64, 1, 0),
            "mount" => called(libc::SYS_mount, root.as_ptr() as u64, root.as_ptr() as u64, 0),
            "unshare" => called(libc::SYS_unshare, libc::CLONE_NEWUSER as u64, 0, 0),
            "clone" => called(libc::SYS_clone, new_user, 0, 0),
            "setns" => called(libc::SYS_setns, 0, 0, 0),
            "init_module" => called(libc::SYS_init_module, 0, 0, 0),
            "bpf" => called(libc::SYS_bpf, 0, 0, 0),
            "keyctl" => called(libc::SYS_keyctl, 0, 0, 0),
            "io_uring" => called(libc::SYS_io_uring_setup, 1, 0, 0),
            "settime" => called(libc::SYS_clock_settime, 0, 0, 0),
            "type_into_terminal" => called(libc::SYS_ioctl, 0, libc::TIOCSTI, 0),
            other => format!("unknown: {other}"),
        }
    }

    /// Writes to this much memory.
    #[cell::handler]
    async fn allocate(mebibytes: u32) -> String {
        let mut memory: Vec<u8> = Vec::new();
        let bytes = (mebibytes as usize) << 20;
        match memory.try_reserve_exact(bytes) {
            Ok(()) => {
                memory.resize(bytes, 1);
                std::hint::black_box(&memory);
                "done".to_owned()
            }
            Err(error) => format!("refused: {error}"),
        }
    }

    /// Opens this many files at once.
    #[cell::handler]
    async fn open_files(count: u32) -> String {
        let files: Result<Vec<_>, _> = (0..count)
            .map(|_| std::fs::File::open("/dev/null"))
            .collect();
        said(files)
    }

    /// Starts this many threads at once.
    #[cell::handler]
    async fn threads(count: u32) -> String {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let threads: Result<Vec<_>, _> = (0..count)
            .map(|_| {
                let wait = wait.clone();
                std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
                    let _ = wait.lock().map(|wait| wait.recv());
                })
            })
            .collect();
        drop(end);
        said(threads)
    }

    /// A line of `/proc/self/status`.
    #[cell::handler]
    async fn status(name: String) -> String {
        let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.map_or_else(String::new, |value| value.trim().to_owned())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cell::serve_local(button_service::handlers()).await
}
