#!/bin/sh
# tests/script/scripts.sh - every packet script through libweft_packetdrill.so, on its virtual clock: AF_INET sockets,
# then AF_INET6 ones with mapped addresses.  Several at a time: each is a process of its own.
set -u
run() {
	printf '%s\n' tests/script/*/*.pkt |
		xargs -n 8 -P "$(nproc)" "$WEFT_BUILD/tests/script/drill" "$@" -l "$WEFT_BUILD/libweft_packetdrill.so" || status=1
}
status=0
run
run -m
exit $status
