#!/bin/sh
# Installs the Debian packages that the tests need: those in tests/packages, or those given as arguments.
# Root installs what is missing; anybody else is told what that is, and how to get it.
set -eu
here=$(dirname "$0")

if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH; get Rust 1.90 or later from https://rustup.rs" >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    echo "error: this is no Debian; install what $here/packages lists by your system's means," >&2
    echo "       then run: cargo test --workspace" >&2
    exit 1
fi

[ $# -gt 0 ] || set -- $(sed 's/#.*//; s/ .*//' "$here/packages")
missing=
for package; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=unknown
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "error: these Debian packages are missing:$missing" >&2
    echo "       as root: apt-get install$missing" >&2
    exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word for each package
apt-get install -qq -y --no-install-recommends $missing >/dev/null
