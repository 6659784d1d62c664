//! Who calls whom: start order by levels, cycles by name, and who is affected by a change.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

/// The calls between cells. An edge leads from a caller to a cell that it calls.
#[derive(Debug, Default)]
pub struct Graph {
    names: Vec<String>,
    calls: DiGraphMap<usize, ()>,
}

impl Graph {
    /// A graph of callers and what each of them calls. Calls to cells that are not in the map are left out: they live
    /// in another workspace.
    #[must_use]
    pub fn new(calls: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let names: Vec<String> = calls.keys().cloned().collect();
        let mut graph = DiGraphMap::new();
        for index in 0..names.len() {
            graph.add_node(index);
        }
        for (caller, callees) in names
            .iter()
            .enumerate()
            .map(|(index, name)| (index, &calls[name]))
        {
            for callee in callees {
                if let Ok(callee) = names.binary_search(callee) {
                    graph.add_edge(caller, callee, ());
                }
            }
        }
        Graph {
            names,
            calls: graph,
        }
    }

    /// The start order: each level needs only the levels before it, so its cells may start in parallel. Cells that call
    /// each other in a circle share a level.
    #[must_use]
    pub fn levels(&self) -> Vec<Vec<String>> {
        let mut level_of = vec![0_usize; self.names.len()];
        // Tarjan gives the components callees first, so every callee outside a component has its level already.
        for component in tarjan_scc(&self.calls) {
            let level = component
                .iter()
                .flat_map(|&member| self.calls.neighbors(member))
                .filter(|callee| !component.contains(callee))
                .map(|callee| level_of[callee] + 1)
                .max()
                .unwrap_or(0);
            for member in component {
                level_of[member] = level;
            }
        }
        let height = level_of.iter().max().map_or(0, |top| top + 1);
        let mut levels = vec![Vec::new(); height];
        for (name, level) in self.names.iter().zip(level_of) {
            levels[level].push(name.clone());
        }
        levels
    }

    /// The circles of calls, each in the order of its calls where there is one.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let mut cycles: Vec<Vec<String>> = tarjan_scc(&self.calls)
            .into_iter()
            .filter(|component| match component.as_slice() {
                [only] => self.calls.contains_edge(*only, *only),
                _ => true,
            })
            .map(|component| self.walk(&component))
            .collect();
        cycles.sort();
        cycles
    }

    /// The cells that call this one directly.
    #[must_use]
    pub fn callers(&self, name: &str) -> BTreeSet<String> {
        let Ok(index) = self
            .names
            .binary_search_by(|other| other.as_str().cmp(name))
        else {
            return BTreeSet::new();
        };
        self.calls
            .neighbors_directed(index, petgraph::Direction::Incoming)
            .map(|caller| self.names[caller].clone())
            .collect()
    }

    /// Follows calls inside a component from its first name until they come back or run out.
    fn walk(&self, component: &[usize]) -> Vec<String> {
        let Some(&start) = component.iter().min() else {
            return Vec::new();
        };
        let mut path = vec![start];
        while let Some(next) = path.last().and_then(|&last| {
            self.calls
                .neighbors(last)
                .filter(|n| component.contains(n) && !path.contains(n))
                .min()
        }) {
            path.push(next);
        }
        path.into_iter()
            .map(|index| self.names[index].clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let calls = edges
            .iter()
            .map(|(caller, callees)| {
                (
                    (*caller).to_owned(),
                    callees.iter().map(|c| (*c).to_owned()).collect(),
                )
            })
            .collect();
        Graph::new(&calls)
    }

    #[test]
    fn levels_put_callees_first() {
        let diamond = graph(&[
            ("exchange", &["ledger"]),
            ("ledger", &[]),
            ("stats", &["exchange", "ledger"]),
            ("trader", &["exchange", "elsewhere"]),
        ]);
        assert_eq!(
            diamond.levels(),
            [vec!["ledger"], vec!["exchange"], vec!["stats", "trader"]]
        );
        assert!(diamond.cycles().is_empty());
        assert_eq!(
            diamond.callers("exchange"),
            ["stats".to_owned(), "trader".to_owned()].into()
        );
    }

    #[test]
    fn cycles_are_named_and_share_a_level() {
        let circle = graph(&[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["a"]),
            ("d", &["a"]),
            ("e", &["e"]),
        ]);
        assert_eq!(circle.cycles(), [vec!["a", "b", "c"], vec!["e"]]);
        assert_eq!(circle.levels(), [vec!["a", "b", "c", "e"], vec!["d"]]);
    }

    #[test]
    fn an_empty_graph_has_no_level() {
        assert!(graph(&[]).levels().is_empty());
    }
}
