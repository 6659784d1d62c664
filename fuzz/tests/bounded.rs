//! Every target, on its seeds and on a few thousand inputs that are the same in every run.

use cell_fuzz::{Mutator, TARGETS, seeds};

const RUNS: usize = 3000;

#[test]
fn every_target_holds() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "`{name}` has no seeds");
        seeds.iter().for_each(|seed| target(seed));
        let mut mutator = Mutator::new(1, seeds);
        for _ in 0..RUNS {
            let input = mutator.input();
            let failed = std::panic::catch_unwind(|| target(&input)).is_err();
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!failed, "`{name}` fails on {hex}");
        }
    }
}
