#!/bin/bash
# Without offload: what tcpdump and tshark say of every frame on tap0, in both directions.
. tests/harness/net.sh
. tests/harness/traffic.sh
need tcpdump tshark nc curl python3
net_begin
weft_up --no-offload -c 'inetd; httpd 80'

# dump FILTER...: tcpdump -vvv of the capture.
dump() {
	tcpdump -n -S -vvv -r "$DIR/cap" "$@" 2>/dev/null
}

host_capture "$DIR/cap"
traffic
host_capture_end
grep -Eq '^[1-9][0-9]* packets* dropped by kernel' "$DIR/host_capture.log" && echo "tcpdump lost frames"

# The host's own stack leaves checksums to the TAP, which without offload finishes them.
dump >"$DIR/dump"
expect dump_is_not_empty test "$(grep -c 'cksum' "$DIR/dump")" -gt 100
grep -E '\(incorrect|bad (udp |icmp )?cksum|wrong' "$DIR/dump" >"$DIR/wrong"
if [ -s "$DIR/wrong" ]; then
	fail every_checksum_right "$(wc -l <"$DIR/wrong") wrong: $(head -n 1 "$DIR/wrong")"
else
	pass every_checksum_right
fi

syn='tcp[tcpflags] & tcp-syn != 0'
dump "src 10.0.0.1 and $syn and tcp[tcpflags] & tcp-ack != 0" >"$DIR/synack"
dump "src 10.0.0.1 and $syn and tcp[tcpflags] & tcp-ack == 0" >"$DIR/syn"
for word in 'mss 1460' 'sackOK' 'TS val' 'wscale'; do
	name=$(echo "$word" | tr -d ' ')
	expect "client_syn_$name" grep -q "$word" "$DIR/syn"
	expect "server_synack_$name" grep -q "$word" "$DIR/synack"
done

# The end of what a program wrote is pushed (RFC 9293, 3.9.1.2).
dump 'src 10.0.0.1 and tcp[tcpflags] & tcp-push != 0' >"$DIR/pushed"
expect data_is_pushed grep -q 'Flags \[P\.\]' "$DIR/pushed"

# Segments are full: MTU - 40 - the 12 bytes of the timestamps.
longest=$(dump 'src 10.0.0.1 and tcp' | sed -n 's/^.*, length \([0-9]*\)$/\1/p' | sort -n | tail -n 1)
expect segments_of_1448 test "$longest" = 1448

# tshark_count FILTER: frames that match, checksums looked at.
tshark_count() {
	tshark -r "$DIR/cap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-Y "$1" 2>/dev/null
}

none() {
	tshark_count "$2" >"$DIR/found"
	if [ -s "$DIR/found" ]; then
		fail "$1" "$(wc -l <"$DIR/found") frames: $(head -n 1 "$DIR/found")"
	else
		pass "$1"
	fi
}
expect tshark_reads_all test "$(tshark_count frame | wc -l)" -gt 100
none tshark_no_malformed '_ws.malformed'
none tshark_no_error '_ws.expert.severity == 8388608'
bad='ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0 or icmp.checksum.status == 0'
# Where Linux finishes a TCP checksum that is zero it writes the other zero, which tshark calls bad.
none tshark_checksums "($bad) and not (ip.src == 10.0.0.2 and tcp.checksum == 0xffff)"
# Nothing is lost.  A probe for an ACK that a busy machine holds up is no loss (RFC 8985, 7), and the kernel sends some as well.
none tshark_no_loss 'tcp.analysis.fast_retransmission or tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment'

# Identifications: none comes twice among datagrams that may be cut (RFC 6864, 4.3).
dump 'src 10.0.0.1 and ip[6:2] & 0x4000 == 0 and ip[6:2] & 0x1fff == 0' |
	sed -n 's/^.*, id \([0-9]*\),.*proto \([A-Z]*\).*$/\1 \2/p' >"$DIR/ids"
expect ip_ids_unique test -z "$(sort "$DIR/ids" | uniq -d)"

# Initial sequence numbers, those of SYN-ACKs to 200 connections, and of 20 with one four-tuple.
host_capture "$DIR/isn" 'src 10.0.0.1 and tcp[tcpflags] & tcp-syn != 0'
host python3 tests/harness/connect_from.py 10.0.0.1 9 200
host_capture_end
expect isn_of_200_not_predictable \
	sh -c "tcpdump -n -S -tt -r '$DIR/isn' 2>/dev/null | python3 tests/harness/isn.py many 200"
host_capture "$DIR/isn" 'tcp[tcpflags] & tcp-syn != 0'
host python3 tests/harness/connect_from.py 10.0.0.1 9 20 40000
host_capture_end
expect isn_of_one_tuple_goes_ahead \
	sh -c "tcpdump -n -S -tt -r '$DIR/isn' 2>/dev/null | python3 tests/harness/isn.py one 20"
expect weft_ends weft_down
exit $failed
