//! Vectors, arrays, boxes, `Option` and `Result`: rkyv's archived forms.

use rkyv::Place;
use rkyv::boxed::{ArchivedBox, BoxResolver};
use rkyv::option::ArchivedOption;
use rkyv::result::ArchivedResult;
use rkyv::vec::{ArchivedVec, VecResolver};

use super::{ArchivedItems, Protein, Sink, Text, Wired, resolve_field};

impl<T: Protein> Protein for Vec<T> {
    const TY: &'static str = const { &Text::join(&["Vec<", T::TY, ">"]) }.as_str();
    type Archived = ArchivedItems<T::Archived>;
    type Resolver = VecResolver;

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<VecResolver, S::Error> {
        ArchivedVec::<T::Archived>::serialize_from_slice(Wired::slice(this), sink)
    }

    fn resolve(this: &Self, resolver: VecResolver, out: Place<Self::Archived>) {
        ArchivedItems::resolve(this.len(), resolver, out);
    }

    fn decode(archived: &Self::Archived) -> Self {
        if T::COPY {
            // SAFETY: `COPY` means that archived bytes are a `T`'s bytes, and they have been validated.
            return unsafe { copy_all(archived) };
        }
        archived.iter().map(T::decode).collect()
    }
}

/// Copies values whose archived bytes are their bytes in memory.
///
/// # Safety
///
/// `T::COPY` must hold, and the archive must have been validated.
unsafe fn copy_all<T: Protein>(archived: &[T::Archived]) -> Vec<T> {
    let mut values: Vec<T> = Vec::with_capacity(archived.len());
    // SAFETY: there is room for all of them, and each archived value's bytes are a valid `T`.
    unsafe {
        std::ptr::copy_nonoverlapping(
            archived.as_ptr().cast::<T>(),
            values.as_mut_ptr(),
            archived.len(),
        );
        values.set_len(archived.len());
    }
    values
}

impl<T: Protein, const N: usize> Protein for [T; N] {
    const TY: &'static str =
        const { &Text::join(&["[", T::TY, ";", Text::number(N).as_str(), "]"]) }.as_str();
    const COPY: bool = T::COPY;
    type Archived = [T::Archived; N];
    type Resolver = [T::Resolver; N];

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<Self::Resolver, S::Error> {
        let mut resolvers = [const { None }; N];
        for (value, resolver) in this.iter().zip(&mut resolvers) {
            *resolver = Some(T::encode(value, sink)?);
        }
        Ok(resolvers.map(|resolver| resolver.expect("every element was written above")))
    }

    fn resolve(this: &Self, resolvers: Self::Resolver, out: Place<Self::Archived>) {
        for (index, (value, resolver)) in this.iter().zip(resolvers).enumerate() {
            // SAFETY: `index` is below `N`.
            T::resolve(value, resolver, unsafe { out.index(index) });
        }
    }

    fn decode(archived: &Self::Archived) -> Self {
        std::array::from_fn(|index| T::decode(&archived[index]))
    }
}

impl<T: Protein> Protein for Box<T> {
    const TY: &'static str = const { &Text::join(&["Box<", T::TY, ">"]) }.as_str();
    type Archived = ArchivedBox<T::Archived>;
    type Resolver = BoxResolver;

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<BoxResolver, S::Error> {
        ArchivedBox::serialize_from_ref(Wired::new(&**this), sink)
    }

    fn resolve(this: &Self, resolver: BoxResolver, out: Place<Self::Archived>) {
        ArchivedBox::resolve_from_ref(Wired::new(&**this), resolver, out);
    }

    fn decode(archived: &Self::Archived) -> Self {
        Box::new(T::decode(archived.get()))
    }
}

/// A variant of a `repr(u8)` enum with one field: the tag, then the payload on its own alignment.
#[repr(C)]
struct Tagged<A>(u8, A);

/// Writes a variant with one field.
fn resolve_tagged<T: Protein, A>(tag: u8, value: &T, resolver: T::Resolver, out: Place<A>) {
    // SAFETY: `A` is a `repr(u8)` enum, which lays this variant out as `Tagged<T::Archived>`.
    unsafe {
        let out = out.cast_unchecked::<Tagged<T::Archived>>();
        (&raw mut (*out.ptr()).0).write(tag);
        resolve_field(value, resolver, out, &raw mut (*out.ptr()).1);
    }
}

impl<T: Protein> Protein for Option<T> {
    const TY: &'static str = const { &Text::join(&["Option<", T::TY, ">"]) }.as_str();
    type Archived = ArchivedOption<T::Archived>;
    type Resolver = Option<T::Resolver>;

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<Self::Resolver, S::Error> {
        this.as_ref()
            .map(|value| T::encode(value, sink))
            .transpose()
    }

    fn resolve(this: &Self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        match (this, resolver) {
            (Some(value), Some(resolver)) => resolve_tagged(1, value, resolver, out),
            // SAFETY: `ArchivedOption` is `repr(u8)` and `None` is its first variant.
            _ => unsafe { out.ptr().cast::<u8>().write(0) },
        }
    }

    fn decode(archived: &Self::Archived) -> Self {
        archived.as_ref().map(T::decode)
    }
}

impl<T: Protein, E: Protein> Protein for Result<T, E> {
    const TY: &'static str = const { &Text::join(&["Result<", T::TY, ",", E::TY, ">"]) }.as_str();
    type Archived = ArchivedResult<T::Archived, E::Archived>;
    type Resolver = Result<T::Resolver, E::Resolver>;

    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<Self::Resolver, S::Error> {
        Ok(match this {
            Ok(value) => Ok(T::encode(value, sink)?),
            Err(error) => Err(E::encode(error, sink)?),
        })
    }

    fn resolve(this: &Self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        match (this, resolver) {
            (Ok(value), Ok(resolver)) => resolve_tagged(0, value, resolver, out),
            (Err(error), Err(resolver)) => resolve_tagged(1, error, resolver, out),
            _ => unreachable!("a resolver belongs to the value that it was made of"),
        }
    }

    fn decode(archived: &Self::Archived) -> Self {
        match archived {
            ArchivedResult::Ok(value) => Ok(T::decode(value)),
            ArchivedResult::Err(error) => Err(E::decode(error)),
        }
    }
}
