#!/bin/sh
# tests/fuzz/run.sh - `make fuzz`: FRAMES (2,000,000) mutated frames into the input path under
# address,undefined; SEED=1.
set -eu

cd "$(dirname "$0")/../.."
kind=address,undefined
make -s -j"$(nproc)" SANITIZE=$kind build/$kind/tests/fuzz/fuzz_rx
exec build/$kind/tests/fuzz/fuzz_rx "${FRAMES:-2000000}" "${SEED:-1}"
