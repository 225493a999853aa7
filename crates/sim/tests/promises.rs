//! The promises hold for a few hundred seeds, and planted bugs show that the checks would notice if they did not.

use tapeline_sim::{Run, Sabotage};

#[test]
fn a_seed_run_twice_gives_the_same_trace() {
    for seed in 0..20 {
        let run = Run { traced: true, ..Run::of(seed) };
        let (first, second) = (run.run().trace, run.run().trace);
        assert!(first.len() > 20);
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn the_promises_hold() {
    for seed in 0..1_000 {
        if let Some(failure) = Run::of(seed).run().failure {
            panic!("{failure}\nagain: cargo run --release -p tapeline-sim -- --seed {seed} --trace");
        }
    }
}

/// How many seeds it takes until a planted bug is noticed.
fn seeds_until_noticed(sabotage: Sabotage) -> Option<u64> {
    (0..2_000).find(|&seed| Run { sabotage: Some(sabotage), ..Run::of(seed) }.run().failure.is_some())
}

#[test]
fn every_planted_bug_is_noticed() {
    for sabotage in Sabotage::ALL {
        let seeds = seeds_until_noticed(sabotage);
        assert!(seeds.is_some(), "{} goes unnoticed", sabotage.name());
    }
}
