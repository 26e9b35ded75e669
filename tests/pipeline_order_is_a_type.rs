//! Leaving out a stage, or swapping two, does not compile.
