#!/bin/bash
# ECN with the host's TCP: each end asks and is answered, so that text comes marked as capable (RFC 3168).
. tests/harness/net.sh
need nc python3 sha256sum nstat
net_begin
weft_up
head -c 5000000 /dev/urandom >"$DIR/file"

same() {
	if [ "$(sha256sum <"$DIR/file")" = "$(sha256sum <"$DIR/came")" ]; then
		pass "$1"
	else
		fail "$1" "$(stat -c %s "$DIR/came") bytes came, or others"
	fi
}

all_came() {
	[ "$(stat -c %s "$DIR/came" 2>/dev/null)" = 5000000 ]
}

# many NAME COUNT: of super-frames there are not many.
many() {
	if [ "${2:-0}" -gt 10 ]; then
		pass "$1"
	else
		fail "$1" "InECT0Pkts is ${2:-none}"
	fi
}

# The host asks.
host sysctl -qw net.ipv4.tcp_ecn=1
ctl_start snc -b 0.0.0.0:3000 -o "$DIR/came"
weft_listens 3000
host timeout 60 nc -N 10.0.0.1 3000 <"$DIR/file" >/dev/null
expect all_came until_true 10 all_came
same host_asks_exact
many text_from_host_is_capable "$(ctl nstat -a | awk '/InECT0Pkts/ { print $2 }')"

# Weft asks.
ctl sysctl net.ipv4.tcp_ecn=1 >/dev/null
: >"$DIR/came"
host timeout 60 nc -l 10.0.0.2 3001 >"$DIR/came" </dev/null &
server=$!
host_listens 3001
timeout 60 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:3001 <"$DIR/file" >/dev/null
wait $server
same weft_asks_exact
many text_from_weft_is_capable "$(host nstat -asz IpExtInECT0Pkts | awk '/InECT0Pkts/ { print $2 }')"
exit $failed
