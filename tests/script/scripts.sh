#!/bin/sh
# tests/script/scripts.sh - every packet script through libweft_packetdrill.so, on its virtual clock.
set -u
exec "$WEFT_BUILD/tests/script/drill" -l "$WEFT_BUILD/libweft_packetdrill.so" tests/script/*/*.pkt
