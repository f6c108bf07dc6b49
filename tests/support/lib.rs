//! What the tests share: building samples, running them, looking at them from outside.
