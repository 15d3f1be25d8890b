#!/bin/bash
# Transfers that stand still go on: a reader that stops reading, each way; the host's end of the link down and up.
. tests/harness/net.sh
need nc tcpdump
net_begin
weft_up
head -c 30000000 /dev/urandom >"$DIR/file"

# probes: segments of the stopped sender while the window is shut.
probes() {
	tcpdump -n -r "$DIR/cap" "src $1 and tcp" 2>/dev/null | wc -l
}

closed_window() {
	tcpdump -n -r "$DIR/cap" "src $1 and tcp" 2>/dev/null | grep -q 'win 0,'
}

# The host's nc stops; weft's sender finds the window shut, asks now and then, and goes on.
host timeout 60 nc -l 10.0.0.2 4000 >"$DIR/came" </dev/null &
host_listens 4000
reader=$(host ss -ltnpH 'sport = :4000' | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
kill -STOP "$reader"
host_capture "$DIR/cap" tcp
timeout 60 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:4000 <"$DIR/file" >/dev/null &
sender=$!
expect host_window_shuts until_true 10 closed_window 10.0.0.2
asked=$(probes 10.0.0.1)
asked_more() {
	[ "$(probes 10.0.0.1)" -ge $((asked + 2)) ]
}
expect weft_probes_the_window until_true 10 asked_more
kill -CONT "$reader"
expect weft_goes_on until_true 20 sh -c "! kill -0 $sender"
wait $sender
host_capture_end
expect after_hosts_stop_equal until_true 5 cmp "$DIR/file" "$DIR/came"

# The program at weft's end stops; the host's sender waits and goes on.
rm -f "$DIR/cap"
mkfifo "$DIR/slow"
ctl_start snc -b 0.0.0.0:4001 >"$DIR/slow" 2>/dev/null </dev/null &
exec 5<>"$DIR/slow"
weft_listens 4001
host_capture "$DIR/cap" tcp
host timeout 60 nc -N 10.0.0.1 4001 <"$DIR/file" &
sender=$!
expect weft_window_shuts until_true 10 closed_window 10.0.0.1
head -c 30000000 <&5 >"$DIR/came"
wait $sender
expect after_wefts_stop_equal cmp "$DIR/file" "$DIR/came"
exec 5>&-
host_capture_end

# What both ends know of a connection that stands still.
standing() {
	{
		kill -0 $sender && echo "nc is there"
		host ss -tinoe
		ctl ss -tieo
		ctl stat -d
		ctl netem
		ctl jobs
		ctl ifconfig
		ctl neigh
		cat "$DIR/nc"
	} 2>&1 | sed 's/^/  | /'
}

# The link goes down in the middle of both directions at once, and comes back.
expect echo_serves ctl inetd echo
expect slow_line ctl netem tap0 out rate 100mbit
host timeout 60 nc -v -N 10.0.0.1 7 <"$DIR/file" >"$DIR/came" 2>"$DIR/nc" &
sender=$!
expect echo_begins until_true 10 test -s "$DIR/came"
ip -n "$NS" link set tap0 down
size=$(stat -c %s "$DIR/came")
ip -n "$NS" link set tap0 up
further() {
	[ "$(stat -c %s "$DIR/came")" -gt $((size + 1000000)) ]
}
expect link_back_goes_on until_true 20 further
[ "$failed" = 0 ] || standing
ctl netem tap0 off
wait $sender
expect after_link_down_equal cmp "$DIR/file" "$DIR/came"
expect weft_ends weft_down
exit $failed
