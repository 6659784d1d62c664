//! Tuples, up to twelve parts: exactly rkyv's archived forms. The request of a route is the tuple of its arguments.

use rkyv::Place;
use rkyv::tuple::*;

use super::{Protein, Sink, Text, resolve_field};

macro_rules! tuples {
    ($($archived:ident($($part:ident $index:tt),*);)*) => {$(
        impl<$($part: Protein),*> Protein for ($($part,)*) {
            const TY: &'static str = {
                let text = const { &tuple_text(&[$($part::TY),*]) };
                text.as_str()
            };
            type Archived = $archived<$($part::Archived),*>;
            type Resolver = ($($part::Resolver,)*);

            fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<Self::Resolver, S::Error> {
                Ok(($($part::encode(&this.$index, sink)?,)*))
            }

            fn resolve(this: &Self, resolver: Self::Resolver, out: Place<Self::Archived>) {
                // SAFETY: each pointer is that of the part's own place inside of `out`.
                unsafe {
                    $(resolve_field(&this.$index, resolver.$index, out, &raw mut (*out.ptr()).$index);)*
                }
            }

            fn decode(archived: &Self::Archived) -> Self {
                ($($part::decode(&archived.$index),)*)
            }
        }
    )*};
}

/// `(A,B)`, and `(A,)` for a tuple of one.
const fn tuple_text(parts: &[&str]) -> Text {
    let mut text = Text::join(&["(", parts[0], if parts.len() == 1 { "," } else { "" }]);
    let mut index = 1;
    while index < parts.len() {
        text = Text::join(&[text.as_str(), ",", parts[index]]);
        index += 1;
    }
    Text::join(&[text.as_str(), ")"])
}

tuples! {
    ArchivedTuple1(T0 0);
    ArchivedTuple2(T0 0, T1 1);
    ArchivedTuple3(T0 0, T1 1, T2 2);
    ArchivedTuple4(T0 0, T1 1, T2 2, T3 3);
    ArchivedTuple5(T0 0, T1 1, T2 2, T3 3, T4 4);
    ArchivedTuple6(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5);
    ArchivedTuple7(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6);
    ArchivedTuple8(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6, T7 7);
    ArchivedTuple9(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6, T7 7, T8 8);
    ArchivedTuple10(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6, T7 7, T8 8, T9 9);
    ArchivedTuple11(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6, T7 7, T8 8, T9 9, T10 10);
    ArchivedTuple12(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5, T6 6, T7 7, T8 8, T9 9, T10 10, T11 11);
}
