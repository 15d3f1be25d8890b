#!/bin/bash
# weft --probe: no address is used before three probes were not answered; one that another host has is refused.
. tests/harness/net.sh
need tcpdump
net_begin
ip -n "$NS" tuntap add dev tap0 mode tap
ip -n "$NS" link set tap0 up
mac=$(host cat /sys/class/net/tap0/address)

# refused NAME TEXT COMMAND...: weft by COMMAND, status 1 and this line alone.
refused() {
	name=$1 text=$2
	shift 2
	got=$("$@" "$WEFT" --control "$DIR/control" --host-addr none --probe -c 'help jobs' 2>&1 </dev/null)
	rc=$?
	if [ $rc = 1 ] && [ "$got" = "$text" ]; then
		pass "$name"
	else
		echo "$got"
		fail "$name" "status $rc, not 1 with: $text"
	fi
	[ ! -e "$DIR/control" ] || fail "$name" 'the control socket is left'
}

ip -n "$NS" addr add 10.0.0.1/24 dev tap0
refused taken_is_refused "weft: tap0: 10.0.0.1: address in use by $mac: name another with --addr" host
ip -n "$NS" addr flush dev tap0
refused ended_by_a_signal 'weft: --probe: ended by a signal' host timeout --preserve-status -s TERM 1

host_capture "$DIR/pcap" arp
weft_up --probe --gateway 10.0.0.2 -v
asked() {
	tcpdump -n -r "$DIR/pcap" 2>/dev/null | sed -n 's/.*\(who-has 10.0.0.1 tell [0-9.]*\),.*/\1/p' >"$DIR/asked"
	[ "$(wc -l <"$DIR/asked")" -ge 5 ]
}
until_true 20 asked # the second announcement comes two seconds after the first (RFC 5227, 2.3)
host_capture_end
cat >"$DIR/wanted" <<'END'
who-has 10.0.0.1 tell 0.0.0.0
who-has 10.0.0.1 tell 0.0.0.0
who-has 10.0.0.1 tell 0.0.0.0
who-has 10.0.0.1 tell 10.0.0.1
who-has 10.0.0.1 tell 10.0.0.1
END
expect probed_then_announced diff "$DIR/wanted" "$DIR/asked"
expect told_with_v grep -qx 'weft: tap0: 10.0.0.1: nobody has it' "$DIR/log"
expect then_used host ping -q -c 1 -W 5 10.0.0.1
expect with_its_route ctl ping -c 1 10.0.0.2
expect weft_ends weft_down

ip -n "$NS" link del tap0

# A tun has no ARP: there is nobody to ask, and nothing to wait for.
weft_up --dev tun:tun0 --probe
expect tun_is_used_at_once host ping -q -c 1 -W 5 10.0.0.1
expect tun_ends weft_down
exit $failed
