//! Maps and sets: a vector of entries on the wire, which every language can write and nobody can attack by hashing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use rkyv::Place;
use rkyv::collections::util::{Entry, EntryAdapter};
use rkyv::vec::{ArchivedVec, VecResolver};

use super::{ArchivedItems, Protein, Sink, Text, Wired};

/// An entry of a map.
type Pair<K, V> = Entry<<K as Protein>::Archived, <V as Protein>::Archived>;

fn encode_map<'a, K: Protein + 'a, V: Protein + 'a, S: Sink + ?Sized>(
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)> + Clone,
    sink: &mut S,
) -> Result<VecResolver, S::Error> {
    let entries = entries.map(|(key, value)| EntryAdapter::new(Wired::new(key), Wired::new(value)));
    ArchivedVec::<Pair<K, V>>::serialize_from_iter::<
        EntryAdapter<&Wired<K>, &Wired<V>, Wired<K>, Wired<V>>,
        _,
        S,
    >(entries, sink)
}

fn encode_set<'a, T: Protein + 'a, S: Sink + ?Sized>(
    values: impl ExactSizeIterator<Item = &'a T> + Clone,
    sink: &mut S,
) -> Result<VecResolver, S::Error> {
    ArchivedVec::<T::Archived>::serialize_from_iter::<Wired<T>, _, S>(values.map(Wired::new), sink)
}

macro_rules! map {
    ($map:ty, [$($generics:tt)*]) => {
        impl<$($generics)*> Protein for $map {
            const TY: &'static str = const { &Text::join(&["Map<", K::TY, ",", V::TY, ">"]) }.as_str();
            type Archived = ArchivedItems<Pair<K, V>>;
            type Resolver = VecResolver;

            fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<VecResolver, S::Error> {
                encode_map(this.iter(), sink)
            }

            fn resolve(this: &Self, resolver: VecResolver, out: Place<Self::Archived>) {
                ArchivedItems::resolve(this.len(), resolver, out);
            }

            fn decode(archived: &Self::Archived) -> Self {
                distinct(archived).map(|entry| (K::decode(&entry.key), V::decode(&entry.value))).collect()
            }
        }
    };
}

macro_rules! set {
    ($set:ty, [$($generics:tt)*]) => {
        impl<$($generics)*> Protein for $set {
            const TY: &'static str = const { &Text::join(&["Set<", T::TY, ">"]) }.as_str();
            type Archived = ArchivedItems<T::Archived>;
            type Resolver = VecResolver;

            fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<VecResolver, S::Error> {
                encode_set(this.iter(), sink)
            }

            fn resolve(this: &Self, resolver: VecResolver, out: Place<Self::Archived>) {
                ArchivedItems::resolve(this.len(), resolver, out);
            }

            fn decode(archived: &Self::Archived) -> Self {
                distinct(archived).map(T::decode).collect()
            }
        }
    };
}

/// The entries that can differ. Eight bytes may say that there are four million without any bytes: all the same, and each of
/// them would be hashed.
fn distinct<A>(entries: &[A]) -> std::slice::Iter<'_, A> {
    let most = if size_of::<A>() == 0 {
        1
    } else {
        entries.len()
    };
    entries[..most.min(entries.len())].iter()
}

map!(HashMap<K, V, H>, [K: Protein + Eq + Hash, V: Protein, H: BuildHasher + Default]);
map!(BTreeMap<K, V>, [K: Protein + Ord, V: Protein]);
set!(HashSet<T, H>, [T: Protein + Eq + Hash, H: BuildHasher + Default]);
set!(BTreeSet<T>, [T: Protein + Ord]);
