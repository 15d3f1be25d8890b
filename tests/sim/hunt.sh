#!/bin/sh
# Fresh seeds into the lab, for SOAK_SECONDS (60; 15 where a sanitizer looks on): what fails is told with the line that
# runs it again.  `make soak SECONDS=...` runs this alone.  SEED begins elsewhere.
set -u
weft=$WEFT_BUILD/weft
case $WEFT_BUILD in
*/address,undefined | */thread) seconds=${SOAK_SECONDS:-15} ;;
*) seconds=${SOAK_SECONDS:-60} ;;
esac
seed=${SEED:-$(($(date +%s) % 1000000 * 100000))}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
first=$seed
end=$(($(date +%s) + seconds))
connections=0

while [ "$(date +%s)" -lt "$end" ]; do
	if ! "$weft" sim --find 50 --seed "$seed" --shrink >"$out" 2>&1; then
		cat "$out"
		echo "not ok fresh_seeds: $(grep -m 1 '^replay: ' "$out" || tail -n 1 "$out")"
		exit 1
	fi
	connections=$((connections + $(sed -n 's/.* \([0-9]*\) connections, .* bad$/\1/p' "$out")))
	seed=$((seed + 50))
done
echo "$((seed - first)) seeds from $first, $connections connections"
echo "ok fresh_seeds"
