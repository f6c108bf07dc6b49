#!/bin/sh
# Runs the benchmarks: a table of ratios, each to a floor measured in the same run. As root it installs what
# it needs, as another user it says what to install. Arguments go to the program; --help lists them.
set -eu
cd "$(dirname "$0")/../.."
tests/install.sh gcc libc6-dev musl-tools valgrind
cargo build --release --quiet --package ckpt-patch --package ckpt-tests --bin ckpt-patch --bin bench
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
