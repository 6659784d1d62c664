//! Mutation without coverage, for compilers that cannot fuzz: the same inputs in every run.

/// Makes inputs out of seeds.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// The same number and seeds give the same inputs.
    pub fn new(number: u64, seeds: Vec<Vec<u8>>) -> Mutator {
        Mutator {
            state: number,
            seeds,
        }
    }

    /// The next number (SplitMix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let choice = self.below(self.seeds.len() + 1);
        let mut input = match self.seeds.get(choice) {
            Some(seed) => seed.clone(),
            None => (0..self.below(200)).map(|_| self.next() as u8).collect(),
        };
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        const EDGES: [u8; 8] = [0, 1, 4, 16, 127, 128, 254, 255];
        let at = self.below(input.len() + 1);
        let len = self.below(input.len() - at + 1).min(64);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = EDGES[self.below(EDGES.len())],
            2 => input.truncate(at),
            3 => drop(input.drain(at..at + len)),
            4 => {
                let copy = input[at..at + len].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            5 => {
                let other = self.below(self.seeds.len());
                if let Some(other) = self.seeds.get(other) {
                    let tail = other[other.len() / 2..].to_vec();
                    input.splice(at.., tail);
                }
            }
            6 => {
                let value = self.next().to_le_bytes();
                input.splice(at..at, value);
            }
            _ => input.push(self.next() as u8),
        }
        input.truncate(64 << 10);
    }
}
