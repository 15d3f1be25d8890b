#!/bin/sh
# tests/script/scripts.sh - every packet script through libweft_packetdrill.so, on its virtual clock: AF_INET sockets,
# then AF_INET6 ones with mapped addresses.  The wire sees no difference: both runs send the same bytes at the same
# times.  Several at a time: each is a process of its own.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# run NAME OPTIONS...: its results; its digests, which come first, into a file.
run() {
	out=$dir/$1
	shift
	printf '%s\n' tests/script/*/*.pkt |
		xargs -n 8 -P "$(nproc)" "$WEFT_BUILD/tests/script/drill" -d "$@" -l "$WEFT_BUILD/libweft_packetdrill.so" \
			>"$out.all" || status=1
	grep -v '^digest' "$out.all"
	grep '^digest' "$out.all" | sort >"$out"
}
run plain
run mapped -m
differ=$(sort "$dir/plain" "$dir/mapped" | uniq -u | awk '{ print $3 }' | sort -u | tr '\n' ' ')
if [ -z "$differ" ]; then
	echo "ok same_packets_and_times_on_every_run"
else
	echo "not ok same_packets_and_times_on_every_run: $differ"
	status=1
fi
exit $status
