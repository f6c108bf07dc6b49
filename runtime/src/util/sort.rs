//! Sorting in a few dozen bytes of code; `core`'s takes three thousand.

/// Sorts by heap: never slow, whatever the order.
pub fn sort(list: &mut [u32]) {
    for root in (0..list.len() / 2).rev() {
        sink(list, root);
    }
    let mut heap = list;
    while let Some(last) = heap.len().checked_sub(1) {
        heap.swap(0, last);
        heap = heap.get_mut(..last).unwrap_or(&mut []);
        sink(heap, 0);
    }
}

/// Lets what is at `at` sink to its place among those below it.
fn sink(heap: &mut [u32], mut at: usize) {
    while let Some(&left) = heap.get(2 * at + 1) {
        let right = heap.get(2 * at + 2).copied().unwrap_or(0);
        let below = if right > left { 2 * at + 2 } else { 2 * at + 1 };
        if heap.get(at) >= heap.get(below) {
            return;
        }
        heap.swap(at, below);
        at = below;
    }
}
