//! The floor under shared memory: a word in a shared page that two processes watch, with the message beside it.

use std::hint::spin_loop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use crate::{Caller, Payload};

/// One direction: the number of the message and the message, on lines of their own.
#[repr(C, align(128))]
struct Lane {
    number: AtomicU64,
    words: [AtomicU64; 8],
}

impl Lane {
    fn put(&self, number: u64, payload: Payload) {
        for (slot, word) in self.words.iter().zip(payload) {
            slot.store(word, Ordering::Relaxed);
        }
        self.number.store(number, Ordering::Release);
    }

    fn take(&self, number: u64) -> Payload {
        while self.number.load(Ordering::Acquire) != number {
            spin_loop();
        }
        std::array::from_fn(|word| self.words[word].load(Ordering::Relaxed))
    }
}

#[repr(C)]
struct Page {
    there: Lane,
    back: Lane,
}

/// A mapping of a file that lives as long as the value.
struct Mapped(*mut Page);

// SAFETY: everything in it is atomic.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    fn open(path: &Path) -> Result<Mapped> {
        use std::os::fd::AsRawFd;
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.set_len(size_of::<Page>() as u64)?;
        // SAFETY: a new mapping of a file that is as long as the page; nobody cuts it.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Page>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Mapped(at.cast()))
    }

    fn page(&self) -> &Page {
        // SAFETY: mapped as long as `self`; all-zero bytes are a valid page, and all of it is atomic.
        unsafe { &*self.0 }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody can have a reference into it any more.
        unsafe { libc::munmap(self.0.cast(), size_of::<Page>()) };
    }
}

pub fn serve(path: &Path) -> Result<()> {
    let mapped = Mapped::open(path)?;
    crate::say_ready();
    let page = mapped.page();
    for number in 1.. {
        page.back.put(number, page.there.take(number));
    }
    Ok(())
}

#[derive(Clone)]
pub struct Client {
    mapped: Arc<Mapped>,
    last: Arc<AtomicU64>,
}

pub fn connect(path: &Path) -> Result<Client> {
    Ok(Client {
        mapped: Arc::new(Mapped::open(path)?),
        last: Arc::default(),
    })
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        let page = self.mapped.page();
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        page.there.put(number, payload);
        Ok(page.back.take(number))
    }
}
