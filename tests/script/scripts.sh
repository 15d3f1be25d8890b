#!/bin/sh
# tests/script/scripts.sh - every packet script through libweft_packetdrill.so, on its virtual clock.
set -u
status=0
for mapped in "" -m; do # AF_INET sockets, then AF_INET6 ones with mapped addresses
	# shellcheck disable=SC2086 # nothing, or one word
	"$WEFT_BUILD/tests/script/drill" $mapped -l "$WEFT_BUILD/libweft_packetdrill.so" tests/script/*/*.pkt || status=1
done
exit $status
