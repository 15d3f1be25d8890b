# shellcheck shell=sh disable=SC2034
# tests/harness/traffic.sh - some of everything, for scripts that look at the wire meanwhile; sourced after net.sh.
#
# The data are digits: tshark takes random ones for some protocol now and then.  weft runs with -c 'inetd; httpd 80'.

traffic() {
	seq 1000000 | head -c 3000000 >"$DIR/traffic"
	host ping -q -c 3 -i 0.01 -W 2 10.0.0.1 >/dev/null || fail traffic_ping "no answer"
	host ping -q -c 2 -i 0.01 -s 60000 -W 2 10.0.0.1 >/dev/null || fail traffic_ping_60000 "no answer"
	ctl ping -c 2 -i 0.01 -s 3000 10.0.0.2 >/dev/null || fail traffic_ping_out "no answer"
	host timeout 20 nc -N 10.0.0.1 7 <"$DIR/traffic" >"$DIR/echoed"
	cmp "$DIR/traffic" "$DIR/echoed" || fail traffic_echo "other bytes"
	host curl -s --max-time 20 -o "$DIR/page" http://10.0.0.1/bytes/3000000 || fail traffic_http "no page"
	traffic_out
	host python3 tests/harness/udp_echo.py 10.0.0.1 7 1 100 1472 1473 9000 || fail traffic_udp "other bytes"
	host nc -w 2 10.0.0.1 9999 </dev/null && fail traffic_refused "port 9999 is open"
	return 0
}

# One connection that weft opens.
traffic_out() {
	host timeout 20 nc -l 10.0.0.2 4001 >"$DIR/traffic_out" </dev/null &
	traffic_nc=$!
	host_listens 4001
	timeout 20 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:4001 <"$DIR/traffic" >/dev/null
	wait $traffic_nc
	cmp "$DIR/traffic" "$DIR/traffic_out" || fail traffic_snc "other bytes"
}
