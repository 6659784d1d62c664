//! A connection in shared memory: whoever waits for an answer looks for it, under the lock that the connection's task takes too.

use std::sync::MutexGuard;

use super::connection::{Inner, QUIET_CALLS_MAX, Shared, Slot};
use crate::gap::{CallerLooks, Glance, Junction, Look, at_once};
use crate::wire::{CallFailure, Reply};

/// Read at once.
const READ_BYTES: usize = 64 << 10;

/// Reads by a caller before the connection's task has to go on, which keeps an eye on the deadlines: a cell could write as fast as it is
/// read. An honest one that has filled its ring is read empty by two.
const READS_IN_A_ROW_MAX: u32 = 4;

/// For so many calls after two callers have met at the lock none of them looks under it.
const MET: u32 = 32;

/// What a connection in shared memory has besides.
pub(super) struct Ring {
    glance: Option<Glance>,
    junction: Junction,
    looks: CallerLooks,
    buf: Vec<u8>,
    /// No bell is asked for, as nothing is expected: what a cell says to no call, its end, comes with a bell in any case. To ask would
    /// take the word from the cell's core, and back with the next call.
    rests: bool,
    /// Calls before the next one may look under the lock.
    met: u32,
}

impl Ring {
    pub(super) fn new(junction: Junction) -> Ring {
        Ring {
            glance: junction.glance(),
            junction,
            looks: CallerLooks::new(),
            buf: vec![0; READ_BYTES],
            rests: false,
            met: 0,
        }
    }

    /// The connection's task reads, which asks for bells.
    pub(super) fn task_reads(&mut self) {
        self.rests = false;
    }
}

impl Shared {
    /// A caller's look for its answer, for a moment: where it comes, the call needed no task, no waker and no system call.
    /// [`Inner::prepare_look`] came before.
    pub(super) fn look(&self, how: Look) -> MutexGuard<'_, Inner> {
        // Without the lock: others may start calls meanwhile.
        let found = self
            .junction
            .as_ref()
            .is_some_and(|junction| junction.look(how));
        let mut inner = self.lock();
        if let Some(ring) = &mut inner.ring {
            ring.looks.learn(how, found);
        }
        if !(found && inner.read_answer()) {
            inner.read_ring();
        }
        inner
    }
}

impl Shared {
    /// The connection is over.
    pub(super) fn leave_ring(&self) {
        self.lock().ring = None;
        if let Some(junction) = &self.junction {
            junction.release();
        }
    }
}

impl Inner {
    /// Moves on into shared memory.
    pub(super) fn enter_ring(&mut self) {
        let Some(junction) = self.junction.take() else {
            return;
        };
        match junction.accept(self.state.out().len()) {
            Ok(()) => {
                let beside = || Box::new(junction.clone());
                self.state.set_beside(beside(), beside());
                self.ring = Some(Box::new(Ring::new(junction)));
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }

    /// Before a call is written: whether its caller will look for the answer itself, as has been worth while. Then the cell
    /// has no bell to ring. [`Inner::read_ring`] has to follow.
    pub(super) fn prepare_look(&mut self) -> Option<Look> {
        let calls = self.state.in_flight();
        match &mut self.ring {
            Some(ring) if calls < QUIET_CALLS_MAX => {
                // The call itself is one of them.
                let look = ring.looks.wants(calls <= 1);
                if look.is_some() && !std::mem::take(&mut ring.rests) {
                    ring.junction.awake();
                }
                look
            }
            Some(ring) => {
                ring.looks.has_company();
                None
            }
            None => None,
        }
    }

    /// Somebody had to wait for the lock.
    pub(super) fn has_met(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.met = MET;
        }
    }

    /// The first look of a lone call's caller, for its answer, as short as it is. Under the lock: nobody else waits for an answer, and
    /// who would start a call waits for about a microsecond, and then sees to it that it does not happen again soon.
    /// [`Shared::look`] has to follow where it brings nothing.
    pub(super) fn look_at_once(&mut self, id: u64) -> Option<Result<Reply, CallFailure>> {
        if self.state.in_flight() != 1 || self.has_output() {
            return None;
        }
        let ring = self.ring.as_mut()?;
        if ring.met > 0 {
            ring.met -= 1;
            return None;
        }
        if !ring.glance.as_ref().is_some_and(at_once) {
            return None;
        }
        ring.looks.learn(Look::Spin, true);
        if !self.read_answer() {
            self.read_ring();
        }
        if !matches!(self.slots.get_mut(id), Some(Slot::Done(_))) {
            return None;
        }
        match self.slots.remove(id) {
            Some(Slot::Done(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Before a call is written whose caller does not look: asks for a bell, if nobody does yet.
    pub(super) fn ask_for_bells(&mut self) {
        if self.ring.as_ref().is_some_and(|ring| ring.rests) {
            self.read_ring();
        }
    }

    /// Takes in what there is. Whether nothing more is expected; otherwise [`Inner::read_ring`] has to follow.
    fn read_answer(&mut self) -> bool {
        let Some(mut ring) = self.ring.take() else {
            return true;
        };
        let taken = match ring.junction.try_take(&mut ring.buf) {
            Ok(Some(len @ 1..)) => match self.take_in(&ring.buf[..len]) {
                Ok(()) => self.failed.is_none(),
                Err(violation) => {
                    self.failed = Some(violation.to_string());
                    false
                }
            },
            // What is wrong with the ring is found again.
            _ => false,
        };
        ring.rests =
            taken && self.state.in_flight() == 0 && !self.state.is_finished() && !self.has_output();
        let rests = ring.rests;
        self.ring = Some(ring);
        rests
    }

    /// Takes in all that there is, and asks for a bell with what comes next; or leaves the rest to the connection's task.
    pub(super) fn read_ring(&mut self) {
        let Some(mut ring) = self.ring.take() else {
            return;
        };
        ring.rests = false;
        let mut reads = 0;
        loop {
            reads += 1;
            if reads > READS_IN_A_ROW_MAX {
                self.wake_driver();
                break;
            }
            match ring.junction.try_read(&mut ring.buf) {
                Ok(Some(len @ 1..)) => {
                    let taken = self.take_in(&ring.buf[..len]);
                    if let Err(violation) = taken {
                        self.failed = Some(violation.to_string());
                        break;
                    }
                }
                Ok(None) => break,
                // The task sees the end too, and closes.
                Ok(Some(_)) => {
                    self.wake_driver();
                    break;
                }
                Err(error) => {
                    self.failed = Some(error.to_string());
                    break;
                }
            }
        }
        self.ring = Some(ring);
        let is_over = self.failed.is_some() || self.state.is_finished();
        if is_over || self.has_output() {
            self.wake_driver();
        }
    }
}
