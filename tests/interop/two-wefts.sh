#!/bin/bash
# Two wefts side by side (tap0, tap1); one starts again at once after kill -9; the device goes with SIGTERM.
. tests/harness/net.sh
need ping nc
net_begin
weft_up -c inetd
first=$WEFT_PID

: >"$DIR/log2"
ip netns exec "$NS" "$WEFT" -d --control "$DIR/control2" --dev tap:tap1 --addr 10.0.1.1/24 \
	--host-addr 10.0.1.2/24 -c inetd >"$DIR/log2" 2>&1 </dev/null &
second=$!
expect second_starts until_true 10 grep -q '^weft: ready' "$DIR/log2"
expect first_answers host ping -q -c 3 -i 0.01 -W 2 10.0.0.1
expect second_answers host ping -q -c 3 -i 0.01 -W 2 10.0.1.1
head -c 1000000 /dev/urandom >"$DIR/file"
for address in 10.0.0.1 10.0.1.1; do
	host timeout 20 nc -N $address 7 <"$DIR/file" >"$DIR/came"
	expect "echo_$address" cmp "$DIR/file" "$DIR/came"
done

# A third for a device that is taken is refused with a reason.
timeout 10 ip netns exec "$NS" "$WEFT" -d --control "$DIR/control3" >"$DIR/log3" 2>&1 </dev/null
expect busy_device_is_refused test $? != 0
expect busy_device_is_told grep -q '^weft: .*tap0' "$DIR/log3"

kill -9 $first
wait $first 2>/dev/null
WEFT_PID=
weft_up -c inetd
expect starts_again_after_kill host ping -q -c 3 -i 0.01 -W 2 10.0.0.1
host timeout 20 nc -N 10.0.0.1 7 <"$DIR/file" >"$DIR/came"
expect echo_after_kill cmp "$DIR/file" "$DIR/came"
expect second_untouched host ping -q -c 3 -i 0.01 -W 2 10.0.1.1
expect weft_ends weft_down
expect first_device_gone sh -c "! ip -n $NS link show tap0 2>/dev/null"
kill -TERM $second
wait $second
expect second_ends test $? = 0
expect second_device_gone sh -c "! ip -n $NS link show tap1 2>/dev/null"
expect no_control_socket_left test ! -e "$DIR/control" -a ! -e "$DIR/control2"
exit $failed
