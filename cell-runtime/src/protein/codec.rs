//! Between values and the bytes of a message. Every archive from outside is validated here, to a limited depth.

use std::num::NonZeroUsize;

use rkyv::api::access_with_context;
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::{self, Strategy};
use rkyv::ser::{Positional, Writer};
use rkyv::util::AlignedVec;
use rkyv::validation::archive::ArchiveValidator;

use super::{Protein, Wired};
use crate::spare::Draft;
use crate::vesicle::Vesicle;

/// The form in which a `T` lies in a message.
pub type Archived<T> = <T as Protein>::Archived;

/// What archives are validated with.
pub type Validator<'a> = Strategy<ArchiveValidator<'a>, rancor::Error>;

/// How many boxes and vectors deep an archive may be: without a limit, a small message can overflow the stack.
pub const DEPTH_MAX: NonZeroUsize = NonZeroUsize::new(128).expect("128 is not 0");

/// Archives a value. Fails only for a string or archive that is too large for the format.
pub fn encode<T: Protein>(value: &T) -> Result<AlignedVec<16>, rancor::Error> {
    rkyv::to_bytes(Wired::new(value))
}

/// As [`encode`], into a buffer that was used before where there is one.
pub(crate) fn archive<T: Protein>(value: &T) -> Result<Vesicle, rancor::Error> {
    let written = to_bytes_in(Wired::new(value), Written(Draft::take()))?;
    Ok(Vesicle::drafted(written.0))
}

/// An archive that is being written. A large one goes on in a large buffer that was used before.
struct Written(Draft);

impl Positional for Written {
    fn pos(&self) -> usize {
        self.0.len()
    }
}

impl<E> Writer<E> for Written {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        let whole = self.0.len() + bytes.len();
        if self.0.bytes().capacity() < whole {
            self.0.make_room(whole.next_power_of_two());
        }
        self.0.bytes().extend_from_slice(bytes);
        Ok(())
    }
}

/// Validates an archive and gives its root, in place. `bytes` must start on a 16-byte boundary.
pub fn access<T: Protein>(bytes: &[u8]) -> Result<&Archived<T>, rancor::Error> {
    let mut validator = ArchiveValidator::with_max_depth(bytes, Some(DEPTH_MAX));
    access_with_context(bytes, &mut validator)
}

/// Validates an archive and reads the value back. `bytes` must start on a 16-byte boundary.
pub fn decode<T: Protein>(bytes: &[u8]) -> Result<T, rancor::Error> {
    access::<T>(bytes).map(T::decode)
}
