//! A table by call number. Numbers rise one by one and calls hardly ever live long, so that the last digits of a number are
//! nearly always a place of its own: no hashing, no probing. Calls that get in each other's way are kept in a hash table beside.

use std::collections::{HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};

/// Places at first: a connection with one call needs no more.
const PLACES_MIN: usize = 4;

/// The most places; a connection has at most about as many calls.
const PLACES_MAX: usize = 1024;

/// Numbers that are spread already: hashing them further buys nothing.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, id: u64) {
        // Spread over the high bits too: the table takes its tags from there.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A hash table by a number that is one's own, or a hash itself.
pub(crate) type HashedIds<V> = HashMap<u64, V, BuildHasherDefault<IdHasher>>;

/// A table by call number.
#[derive(Debug)]
pub(crate) struct IdMap<V> {
    /// A power of two of places, or none.
    near: Vec<Option<(u64, V)>>,
    near_len: usize,
    far: HashedIds<V>,
}

impl<V> Default for IdMap<V> {
    fn default() -> IdMap<V> {
        IdMap {
            near: Vec::new(),
            near_len: 0,
            far: HashMap::default(),
        }
    }
}

impl<V> IdMap<V> {
    /// The place of a number, where there are places.
    fn place(&self, id: u64) -> usize {
        // Only the last digits count, also where a number is longer than an index.
        (id as usize) & self.near.len().wrapping_sub(1)
    }

    pub(crate) fn len(&self) -> usize {
        self.near_len + self.far.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a number that the table does not have.
    pub(crate) fn insert(&mut self, id: u64, value: V) {
        debug_assert!(!self.contains(id), "call {id} twice");
        let mut place = self.place(id);
        while !matches!(self.near.get(place), Some(None)) {
            if !self.grow() {
                self.far.insert(id, value);
                return;
            }
            place = self.place(id);
        }
        self.near[place] = Some((id, value));
        self.near_len += 1;
    }

    /// More places, where there is more than one call for four of them: fewer are in each other's way by chance.
    fn grow(&mut self) -> bool {
        let places = self.near.len();
        let is_sparse = places > 0 && self.near_len < places / 4;
        if is_sparse || places >= PLACES_MAX {
            return false;
        }
        let more = (2 * places).max(PLACES_MIN);
        let before = std::mem::replace(
            &mut self.near,
            std::iter::repeat_with(|| None).take(more).collect(),
        );
        for held in before.into_iter().flatten() {
            // Those that had places of their own still do.
            let place = self.place(held.0);
            self.near[place] = Some(held);
        }
        true
    }

    pub(crate) fn get(&self, id: u64) -> Option<&V> {
        match self.near.get(self.place(id)) {
            Some(Some((held, value))) if *held == id => Some(value),
            _ if self.far.is_empty() => None,
            _ => self.far.get(&id),
        }
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.get(id).is_some()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut V> {
        let place = self.place(id);
        match self.near.get_mut(place) {
            Some(Some((held, value))) if *held == id => Some(value),
            _ if self.far.is_empty() => None,
            _ => self.far.get_mut(&id),
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<V> {
        let place = self.place(id);
        match self.near.get_mut(place) {
            Some(slot) if slot.as_ref().is_some_and(|(held, _)| *held == id) => {
                self.near_len -= 1;
                slot.take().map(|(_, value)| value)
            }
            _ if self.far.is_empty() => None,
            _ => self.far.remove(&id),
        }
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let near = self.near.iter().flatten();
        let far = self.far.iter().map(|(id, value)| (*id, value));
        near.map(|(id, value)| (*id, value)).chain(far)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let near = self.near.iter_mut().flatten().map(|(_, value)| value);
        near.chain(self.far.values_mut())
    }

    /// All that there is, in no order; nothing is left.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (u64, V)> + use<V> {
        self.near_len = 0;
        let near = std::mem::take(&mut self.near).into_iter().flatten();
        let far: hash_map::IntoIter<u64, V> = std::mem::take(&mut self.far).into_iter();
        near.chain(far)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert,
        /// Far ahead, where it meets the place of one that is there.
        InsertAt(u64),
        Remove(usize),
        Change(usize),
        TakeAll,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => Just(Step::Insert),
            1 => prop_oneof![Just(4u64), Just(8), Just(1024), Just(1 << 40)].prop_map(Step::InsertAt),
            6 => any::<usize>().prop_map(Step::Remove),
            2 => any::<usize>().prop_map(Step::Change),
            1 => Just(Step::TakeAll),
        ];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn it_is_a_table(steps in steps()) {
            let mut table = IdMap::default();
            let mut model = BTreeMap::new();
            let mut next = 1u64;
            for (value, step) in (0u64..).zip(steps) {
                let any = |at: usize, model: &BTreeMap<u64, u64>| {
                    model.keys().nth(at % model.len().max(1)).copied().unwrap_or(7)
                };
                match step {
                    Step::Insert | Step::InsertAt(_) => {
                        if let Step::InsertAt(more) = step {
                            next += more;
                        }
                        table.insert(next, value);
                        model.insert(next, value);
                        next += 1;
                    }
                    Step::Remove(at) => {
                        let id = any(at, &model);
                        prop_assert_eq!(table.remove(id), model.remove(&id));
                    }
                    Step::Change(at) => {
                        let id = any(at, &model);
                        if let Some(held) = table.get_mut(id) {
                            *held = value;
                        }
                        if let Some(held) = model.get_mut(&id) {
                            *held = value;
                        }
                    }
                    Step::TakeAll => {
                        let all: BTreeMap<u64, u64> = table.take_all().collect();
                        prop_assert_eq!(all, std::mem::take(&mut model));
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.is_empty(), model.is_empty());
                let all: BTreeMap<u64, u64> = table.iter().map(|(id, value)| (id, *value)).collect();
                prop_assert_eq!(&all, &model);
                prop_assert!(model.keys().all(|id| table.contains(*id)));
                prop_assert!(!table.contains(next));
            }
        }
    }

    #[test]
    fn calls_that_follow_each_other_have_places_of_their_own() {
        let mut table = IdMap::default();
        for id in 1..100_000u64 {
            table.insert(id, id);
            if id > 64 {
                assert_eq!(table.remove(id - 64), Some(id - 64));
            }
        }
        assert!(table.far.is_empty());
        assert!(table.near.len() <= 256, "{}", table.near.len());
    }
}
