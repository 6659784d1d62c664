//! A running call. Its memory is used again, since almost every call of a cell needs as much as the one before.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::wire::{Reply, Status};

type Call = dyn Future<Output = Result<Reply, Status>> + Send;

/// A running call, as [`super::Service::call`] gives it.
pub struct CallFuture(NonNull<Call>);

// SAFETY: it owns what it points to, which is `Send`.
unsafe impl Send for CallFuture {}

impl CallFuture {
    /// A call that `future` works on.
    pub fn new<F>(future: F) -> CallFuture
    where
        F: Future<Output = Result<Reply, Status>> + Send + 'static,
    {
        let place = blocks::take(Layout::new::<F>()).cast::<F>();
        // SAFETY: the block has the layout of an `F`, and nobody else has it.
        unsafe { place.write(future) };
        CallFuture(place as NonNull<Call>)
    }
}

impl Future for CallFuture {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the future lives as long as `self`, which alone has it, and it stays in its block until it is dropped.
        let future = unsafe { Pin::new_unchecked(self.get_mut().0.as_mut()) };
        future.poll(cx)
    }
}

impl Drop for CallFuture {
    fn drop(&mut self) {
        /// Gives the block back also where the future's drop panics.
        struct Block(NonNull<u8>, Layout);

        impl Drop for Block {
            fn drop(&mut self) {
                // SAFETY: it was taken with this layout, and what was in it has been dropped.
                unsafe { blocks::give(self.0, self.1) };
            }
        }

        // SAFETY: the future is valid until the next line drops it.
        let layout = Layout::for_value(unsafe { self.0.as_ref() });
        let _block = Block(self.0.cast(), layout);
        // SAFETY: nobody uses it after this.
        unsafe { self.0.drop_in_place() };
    }
}

impl fmt::Debug for CallFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallFuture")
    }
}

/// Memory by size; each thread keeps its own, up to a limit.
mod blocks {
    use super::*;

    /// Sizes of blocks: powers of two.
    const SMALLEST: usize = 128;
    const SIZES: usize = 7;
    const LARGEST: usize = SMALLEST << (SIZES - 1);
    const ALIGNMENT: usize = 16;
    /// What a thread keeps of each size.
    const KEPT_MAX: usize = 32;

    /// Blocks of one size that nobody uses.
    struct Kept(usize, Vec<NonNull<u8>>);

    impl Drop for Kept {
        fn drop(&mut self) {
            for block in self.1.drain(..) {
                // SAFETY: blocks of this list were allocated with this layout, and nobody uses them.
                unsafe { dealloc(block.as_ptr(), layout_of(self.0)) };
            }
        }
    }

    thread_local! {
        static KEPT: RefCell<[Kept; SIZES]> =
            RefCell::new(std::array::from_fn(|size| Kept(size, Vec::new())));
    }

    /// The list of blocks in which a value of this layout has room; none for one that is unusual.
    fn size_of(layout: Layout) -> Option<usize> {
        let fits = layout.size() <= LARGEST && layout.align() <= ALIGNMENT;
        let block = layout.size().max(SMALLEST).next_power_of_two();
        fits.then(|| (block / SMALLEST).trailing_zeros() as usize)
    }

    const fn layout_of(size: usize) -> Layout {
        match Layout::from_size_align(SMALLEST << size, ALIGNMENT) {
            Ok(layout) => layout,
            Err(_) => panic!("sizes of blocks are far below the largest possible"),
        }
    }

    /// Memory for a value of this layout.
    pub(super) fn take(layout: Layout) -> NonNull<u8> {
        let size = size_of(layout);
        let kept = size.and_then(|size| {
            let kept = KEPT.try_with(|kept| kept.borrow_mut()[size].1.pop());
            kept.ok().flatten()
        });
        kept.unwrap_or_else(|| {
            let layout = size.map_or(layout, layout_of);
            if layout.size() == 0 {
                return NonNull::without_provenance(nonzero(layout.align()));
            }
            // SAFETY: the size is not zero.
            NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
        })
    }

    fn nonzero(align: usize) -> std::num::NonZeroUsize {
        std::num::NonZeroUsize::new(align).unwrap_or(std::num::NonZeroUsize::MIN)
    }

    /// Gives memory back.
    ///
    /// # Safety
    ///
    /// It was taken with this layout, and nobody uses it any more.
    pub(super) unsafe fn give(block: NonNull<u8>, layout: Layout) {
        let size = size_of(layout);
        let kept = size.is_some_and(|size| {
            let kept = KEPT.try_with(|kept| {
                let kept = &mut kept.borrow_mut()[size].1;
                let room = kept.len() < KEPT_MAX;
                if room {
                    kept.push(block);
                }
                room
            });
            kept.unwrap_or(false)
        });
        let layout = size.map_or(layout, layout_of);
        if !kept && layout.size() > 0 {
            // SAFETY: the caller's promise; `take` allocated with this layout.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vesicle::Vesicle;
    use crate::wire::StatusCode;

    fn place(call: &CallFuture) -> usize {
        call.0.cast::<u8>().as_ptr().addr()
    }

    #[tokio::test]
    async fn calls_of_all_sizes_answer_and_drop_what_they_hold() {
        let held = Arc::new(());
        async fn call<const N: usize>(held: &Arc<()>) {
            let own = Arc::clone(held);
            let bytes = [7u8; N];
            let unpolled = CallFuture::new({
                let own = Arc::clone(&own);
                async move {
                    drop(own);
                    Err(Status::new(StatusCode::Internal, "never polled"))
                }
            });
            let answered = CallFuture::new(async move {
                tokio::task::yield_now().await;
                drop(own);
                Ok(Reply::Ok(Vesicle::wrap(bytes)))
            });
            let Ok(Reply::Ok(reply)) = answered.await else {
                panic!("no answer");
            };
            assert_eq!(reply.as_slice(), [7u8; N]);
            drop(unpolled);
        }
        call::<0>(&held).await;
        call::<100>(&held).await;
        call::<5000>(&held).await;
        call::<20_000>(&held).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn a_block_is_used_again_and_by_one_call_at_a_time() {
        let call = |number: u64| {
            CallFuture::new(async move { Ok(Reply::Ok(Vesicle::wrap(number.to_le_bytes()))) })
        };
        let first = call(1);
        let at = place(&first);
        drop(first);
        let (second, third) = (call(2), call(3));
        assert_eq!(place(&second), at);
        assert_ne!(place(&third), at);
    }

    #[test]
    fn what_panics_when_it_is_dropped_gives_its_block_back() {
        struct Grumpy;
        impl Drop for Grumpy {
            fn drop(&mut self) {
                panic!("as asked");
            }
        }
        let grumpy = Grumpy;
        let call = CallFuture::new(async move {
            let _grumpy = &grumpy;
            Ok(Reply::Ok(Vesicle::wrap("")))
        });
        let at = place(&call);
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(call)));
        assert!(dropped.is_err());
        let next = CallFuture::new(async { Ok(Reply::Ok(Vesicle::wrap(""))) });
        assert_eq!(place(&next), at);
    }

    #[repr(align(64))]
    struct Wide(u8);

    #[tokio::test]
    async fn an_unusual_alignment_is_kept() {
        let wide = Wide(9);
        let call = CallFuture::new(async move {
            tokio::task::yield_now().await;
            assert_eq!(std::ptr::from_ref(&wide).addr() % 64, 0);
            Ok(Reply::Ok(Vesicle::wrap([wide.0])))
        });
        assert!(call.await.is_ok());
    }
}
