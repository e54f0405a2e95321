//! Numbers that look random. The seed is printed; `AMX_TEST_SEED` gives the same ones again.

/// <https://prng.di.unimi.it/splitmix64.c>
pub struct Chance(u64);

impl Default for Chance {
    fn default() -> Chance {
        Chance::new()
    }
}

impl Chance {
    /// Begins with the seed of the environment, else with the time.
    pub fn new() -> Chance {
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("AMX_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        eprintln!("AMX_TEST_SEED={seed}");
        Chance(seed)
    }

    /// Begins with that seed.
    pub fn of(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Another row of numbers, which this one decides: one for each of several that draw at the same time.
    pub fn fork(&mut self) -> Chance {
        Chance(self.next())
    }

    /// Whether something that happens in so many of a hundred cases does.
    pub fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// One of them.
    pub fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number from 0 that is below the end.
    pub fn below(&mut self, end: usize) -> usize {
        (self.part() * end as f64) as usize
    }
}
