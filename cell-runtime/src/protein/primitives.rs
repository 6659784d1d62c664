//! Types without parts: exactly rkyv's archived forms.

use std::time::Duration;

use rkyv::string::{ArchivedString, StringResolver};
use rkyv::time::ArchivedDuration;
use rkyv::{Archive, Place};

use super::{Protein, Sink};

macro_rules! primitives {
    ($($ty:ident => |$archived:ident| $read:expr),* $(,)?) => {$(
        impl Protein for $ty {
            const TY: &'static str = stringify!($ty);
            const COPY: bool = <$ty as Archive>::COPY_OPTIMIZATION.is_enabled();
            type Archived = <$ty as Archive>::Archived;
            type Resolver = ();

            fn encode<S: Sink + ?Sized>(_: &Self, _: &mut S) -> Result<(), S::Error> {
                Ok(())
            }

            fn resolve(this: &Self, (): (), out: Place<Self::Archived>) {
                Archive::resolve(this, (), out);
            }

            fn decode($archived: &Self::Archived) -> Self {
                $read
            }
        }
    )*};
}

primitives! {
    bool => |archived| *archived,
    u8 => |archived| *archived,
    i8 => |archived| *archived,
    u16 => |archived| archived.to_native(),
    u32 => |archived| archived.to_native(),
    u64 => |archived| archived.to_native(),
    u128 => |archived| archived.to_native(),
    i16 => |archived| archived.to_native(),
    i32 => |archived| archived.to_native(),
    i64 => |archived| archived.to_native(),
    i128 => |archived| archived.to_native(),
    f32 => |archived| archived.to_native(),
    f64 => |archived| archived.to_native(),
    char => |archived| archived.to_native(),
}

impl Protein for () {
    const TY: &'static str = "()";
    type Archived = ();
    type Resolver = ();

    fn encode<S: Sink + ?Sized>(_: &Self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }

    fn resolve(_: &Self, (): (), _: Place<()>) {}

    fn decode((): &()) -> Self {}
}

impl Protein for String {
    const TY: &'static str = "String";
    type Archived = ArchivedString;
    type Resolver = StringResolver;

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(this, sink)
    }

    fn resolve(this: &Self, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(this, resolver, out);
    }

    fn decode(archived: &ArchivedString) -> Self {
        archived.as_str().to_owned()
    }
}

impl Protein for Duration {
    const TY: &'static str = "Duration";
    type Archived = ArchivedDuration;
    type Resolver = ();

    fn encode<S: Sink + ?Sized>(_: &Self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }

    fn resolve(this: &Self, (): (), out: Place<ArchivedDuration>) {
        Archive::resolve(this, (), out);
    }

    fn decode(archived: &ArchivedDuration) -> Self {
        Duration::new(archived.as_secs(), archived.subsec_nanos())
    }
}
