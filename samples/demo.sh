#!/bin/bash
# The main job in under a minute: Debian's own python3 is patched, runs, is checkpointed, killed with
# SIGKILL, restored, and finishes with the output of an undisturbed run.
set -eu
cd "$(dirname "$0")/.."
tests/install.sh python3 gcc libc6-dev
cargo build --release --quiet --package ckpt-patch
tool=${CARGO_TARGET_DIR:-$PWD/target}/release/ckpt-patch
python=$(readlink -f /usr/bin/python3)

# What the caller of this script has left open is not the program's, and could not be carried.
for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then eval "exec $fd>&-"; fi
done

dir=$(mktemp -d)
pid=
clean_up() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

cat >"$dir/job.py" <<'JOB'
import hashlib
digest = b""
for step in range(1, 41):
    primes = [n for n in range(2, 6000) if all(n % d for d in range(2, int(n**0.5) + 1))]
    for n in primes * 200:
        digest = hashlib.sha256(digest + n.to_bytes(4, "little")).digest()
    print(f"step {step:2}  {digest.hex()}", flush=True)
JOB

say() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }
lines() { wc -l <"$1" 2>/dev/null || echo 0; }

cd "$dir"
say "An undisturbed run of $python, for comparison"
/usr/bin/python3 job.py >expected
tail -n 1 expected

say "ckpt-patch $python -o python3.ckpt"
"$tool" "$python" -o python3.ckpt
ls -l "$python" python3.ckpt

say "./python3.ckpt job.py >output &"
./python3.ckpt job.py >output &
pid=$!
wait_for_line() {
    until [ "$(lines output)" -ge "$1" ]; do
        kill -0 "$pid" || { echo "error: it ended on its own" >&2; exit 1; }
        sleep 0.05
    done
}
wait_for_line 15
tail -n 1 output

say "./python3.ckpt --checkpoint $pid -o job.img"
./python3.ckpt --checkpoint "$pid" -o job.img
ls -l job.img

say "It goes on for a while, which is lost now: kill -9 $pid"
wait_for_line 20
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=
tail -n 1 output

say "./python3.ckpt --restore job.img"
./python3.ckpt --restore job.img
tail -n 1 output

if cmp expected output; then
    say "The output is identical: $(lines output) lines, to the byte."
else
    say "The output differs."
    exit 1
fi
