#!/bin/sh
# The example programs that need no device and no privilege, and what the others say without their arguments.
# sanitize: yes
set -u
examples=$WEFT_BUILD/tests/examples
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0

# expect NAME STATUS LAST-LINE COMMAND...
expect() {
	name=$1 want=$2 line=$3
	shift 3
	timeout 60 "$@" >"$out" 2>&1 </dev/null
	got=$?
	if [ "$got" != "$want" ] || [ "$(tail -n 1 "$out")" != "$line" ]; then
		sed 's/^/  | /' "$out"
		echo "not ok $name: status $got, expected $want and \`$line'"
		failed=1
	else
		echo "ok $name"
	fi
}

expect udp_echo 0 '1000 datagrams came back' "$examples/udp_echo"
expect ping_raw 0 '64 bytes from 127.0.0.1: icmp_seq=3 ttl=64' "$examples/ping_raw"
expect two_stacks 0 'stack 2 says second' "$examples/two_stacks"
expect echo_server_usage 2 'usage: echo_server DEVICE ADDRESS/PREFIX [PORT]' "$examples/echo_server"
expect echo_client_usage 2 'usage: echo_client DEVICE ADDRESS/PREFIX SERVER PORT' "$examples/echo_client"
expect urgent_usage 2 'usage: urgent DEVICE ADDRESS/PREFIX PORT' "$examples/urgent"
expect bad_device 1 'echo_server: eth0: Invalid argument' "$examples/echo_server" eth0 10.0.0.1/24

# They see nothing of weft but its public header.
if grep -n '^#include "' tests/examples/*.c; then
	echo "not ok public_header_only: see above"
	failed=1
else
	echo "ok public_header_only"
fi
exit $failed
