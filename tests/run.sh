#!/bin/sh
# Runs all tests. On a Debian 12 with Rust and a C compiler this is all there is to do: as root it installs
# what else it needs, as another user it says what to install. Arguments go to cargo test.
set -eu
cd "$(dirname "$0")/.."
tests/install.sh
exec cargo test --workspace "$@"
