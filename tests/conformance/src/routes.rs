//! The cell: for each construct a route that gives back what it gets.
#![expect(
    clippy::box_collection,
    clippy::redundant_allocation,
    clippy::type_complexity,
    reason = "every construct, also those that nobody should write"
)]

use cell_sdk::protein::{Protein, decode, encode};

use crate::edges::Edges;
use crate::values::Collector;

/// Reads an archive and archives its value again; an error where it is none.
pub type Echo = fn(&[u8]) -> Result<Vec<u8>, String>;

fn echo<T: Protein>(archive: &[u8]) -> Result<Vec<u8>, String> {
    let value: T = decode(archive).map_err(|error| error.to_string())?;
    let again = encode(&value).map_err(|error| error.to_string())?;
    Ok(again.to_vec())
}

/// Defines the service, and what lists its routes' edges.
macro_rules! routes {
    ($($route:ident { $($ty:tt)+ })*) => {
        /// One route for each construct.
        ///
        /// Each gives back the value that it gets, so the archive of an answer is that of its request.
        #[cell_sdk::cell::service]
        pub mod conformance {
            use std::collections::{BTreeMap, BTreeSet};
            use std::time::Duration;

            use cell_sdk::cell;

            use crate::messages::*;

            $(
                /// Gives back its argument.
                #[cell::handler]
                async fn $route(value: $($ty)+) -> $($ty)+ {
                    value
                }
            )*
        }

        /// Each route's name, and a function that reads an archive as its type and archives the value again.
        pub const ECHOES: &[(&str, Echo)] = {
            use std::collections::{BTreeMap, BTreeSet};
            use std::time::Duration;

            use crate::messages::*;

            &[$((stringify!($route), echo::<$($ty)+> as Echo)),*]
        };

        /// The edges of every route's type.
        pub(crate) fn collect(collector: &mut Collector) {
            use std::collections::{BTreeMap, BTreeSet};
            use std::time::Duration;

            use crate::messages::*;

            $(
                for (index, value) in <$($ty)+ as Edges>::edges(3).into_iter().enumerate() {
                    collector.add(stringify!($route), &format!("edge {index}"), &value);
                }
            )*
        }
    };
}

routes! {
    echo_bool { bool }
    echo_u8 { u8 }
    echo_u16 { u16 }
    echo_u32 { u32 }
    echo_u64 { u64 }
    echo_u128 { u128 }
    echo_i8 { i8 }
    echo_i16 { i16 }
    echo_i32 { i32 }
    echo_i64 { i64 }
    echo_i128 { i128 }
    echo_f32 { f32 }
    echo_f64 { f64 }
    echo_char { char }
    echo_string { String }
    echo_duration { Duration }
    echo_unit { () }

    echo_vec_bool { Vec<bool> }
    echo_vec_u8 { Vec<u8> }
    echo_vec_u16 { Vec<u16> }
    echo_vec_u64 { Vec<u64> }
    echo_vec_u128 { Vec<u128> }
    echo_vec_f32 { Vec<f32> }
    echo_vec_f64 { Vec<f64> }
    echo_vec_char { Vec<char> }
    echo_vec_string { Vec<String> }
    echo_vec_unit { Vec<()> }
    echo_vec_vec { Vec<Vec<u8>> }
    echo_vec_option { Vec<Option<String>> }
    echo_vec_array { Vec<[u16; 3]> }
    echo_vec_tuple { Vec<(u8, String)> }
    echo_vec_duration { Vec<Duration> }
    echo_vec_padded { Vec<Padded> }
    echo_vec_point { Vec<Point> }
    echo_vec_color { Vec<Color> }
    echo_vec_message { Vec<Message> }
    echo_vec_unit_struct { Vec<Unit> }

    echo_array { [u16; 3] }
    echo_array_of_none { [u8; 0] }
    echo_array_of_strings { [String; 2] }
    echo_array_of_arrays { [[u8; 2]; 3] }
    echo_array_of_structs { [Padded; 2] }
    echo_array_of_options { [Option<u64>; 2] }
    echo_array_of_units { [(); 4] }

    echo_option { Option<u8> }
    echo_option_u64 { Option<u64> }
    echo_option_u128 { Option<u128> }
    echo_option_string { Option<String> }
    echo_option_option { Option<Option<u8>> }
    echo_option_unit { Option<()> }
    echo_option_box { Option<Box<String>> }
    echo_option_struct { Option<Padded> }
    echo_option_maybe { Option<Maybe> }

    echo_box { Box<u8> }
    echo_box_string { Box<String> }
    echo_box_struct { Box<Padded> }
    echo_box_box { Box<Box<u64>> }

    echo_tuple_of_one { (u8,) }
    echo_tuple { (u8, String) }
    echo_tuple_padded { (u8, u64, u8) }
    echo_tuple_nested { ((u8, u16), (), (String, (i8, u128))) }
    echo_tuple_of_result { (Result<u64, String>,) }
    echo_vec_result { Vec<Result<u8, Pair>> }

    echo_map_string { BTreeMap<String, u32> }
    echo_map_u8 { BTreeMap<u8, Vec<u16>> }
    echo_map_u64 { BTreeMap<u64, String> }
    echo_map_u128 { BTreeMap<u128, u8> }
    echo_map_i64 { BTreeMap<i64, Color> }
    echo_map_i128 { BTreeMap<i128, ()> }
    echo_map_bool { BTreeMap<bool, u8> }
    echo_map_char { BTreeMap<char, u64> }
    echo_map_of_maps { BTreeMap<String, BTreeMap<u16, bool>> }
    echo_map_tuple { BTreeMap<(u8, String), f64> }
    echo_map_struct { BTreeMap<Padded, u8> }
    echo_map_newtype { BTreeMap<Name, u8> }
    echo_map_enum { BTreeMap<Color, String> }
    echo_map_array { BTreeMap<[u8; 2], u8> }
    echo_map_option { BTreeMap<Option<u8>, u8> }
    echo_map_vec { BTreeMap<Vec<u8>, u8> }

    echo_set_u8 { BTreeSet<u8> }
    echo_set_i128 { BTreeSet<i128> }
    echo_set_string { BTreeSet<String> }
    echo_set_char { BTreeSet<char> }
    echo_set_tuple { BTreeSet<(u8, char)> }
    echo_set_struct { BTreeSet<Pair> }
    echo_set_enum { BTreeSet<Color> }

    echo_numbers { Numbers }
    echo_padded { Padded }
    echo_wide { Wide }
    echo_point { Point }
    echo_unit_struct { Unit }
    echo_empty { Empty }
    echo_name { Name }
    echo_celsius { Celsius }
    echo_maybe { Maybe }
    echo_pair { Pair }
    echo_triple { Triple }
    echo_options { Options }
    echo_outcomes { Outcomes }
    echo_everything { Everything }

    echo_color { Color }
    echo_single { Single }
    echo_message { Message }
    echo_most { Most }

    echo_tagged_u8 { Tagged<u8> }
    echo_tagged_u128 { Tagged<u128> }
    echo_tagged_string { Tagged<String> }
    echo_tagged_tagged { Tagged<Tagged<Option<u64>>> }
    echo_wrapper { Wrapper<u8> }
    echo_wrapper_vec { Wrapper<Vec<Wrapper<String>>> }
    echo_either { Either<u8, String> }
    echo_either_nested { Either<Either<u8, u64>, Tagged<()>> }
    echo_cache { Cache<String, Point> }
    echo_cache_tuple { Cache<(u8, u8), Option<Color>> }

    echo_tree { Tree }
    echo_chain { Chain }
    echo_json { Json }
    echo_expr { Expr }
    echo_left { Left }
    echo_right { Right }
    echo_page { Page<u8> }
    echo_page_of_pages { Page<Page<Name>> }
    echo_swing { Swing<u8, String> }

    echo_keywords { Keywords }
    echo_words { Words }
    echo_error { Error }
    echo_object { Object }
    echo_symbol { Symbol }
}
