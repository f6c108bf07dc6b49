//! A job for a pool of threads that steal work from each other: sorts, sums and splits, many small ones.

use rayon::prelude::*;

/// A number that depends on all of the seed's bits.
fn mixed(seed: u64) -> u64 {
    let x = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A sum by halves: a tree of tasks.
fn tree(numbers: &[u64]) -> u64 {
    if numbers.len() <= 64 {
        return numbers.iter().fold(7, |sum, n| sum.rotate_left(5) ^ n);
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (left, right) = rayon::join(|| tree(left), || tree(right));
    left.wrapping_mul(31).wrapping_add(right)
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build();
    let Ok(pool) = pool else {
        std::process::exit(1);
    };
    pool.install(|| {
        for round in 0..rounds.unwrap_or(10_u64) {
            let mut numbers: Vec<u64> = (0..40_000_u64)
                .into_par_iter()
                .map(|n| mixed(n ^ (round << 32)))
                .collect();
            let sum = tree(&numbers);
            numbers.par_sort_unstable();
            let words: usize = numbers
                .par_chunks(500)
                .map(|chunk| chunk.iter().map(|n| n.to_string().len()).sum::<usize>())
                .sum();
            println!("{round} {sum:016x} {:016x} {words}", tree(&numbers));
        }
    });
}
