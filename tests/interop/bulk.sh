#!/bin/bash
# 1 GB each way between the host's nc and weft's snc, byte for byte; UDP both ways; typed lines at once.
. tests/harness/net.sh
need nc cmp sha256sum
net_begin
weft_up
size=$((1024 * 1024 * 1024))
head -c $size /dev/urandom >"$DIR/file"

ctl snc -b 0.0.0.0:12345 -o "$DIR/to_weft" >"$DIR/snc.log" 2>&1 &
snc=$!
weft_listens 12345
expect nc_to_snc host timeout 120 nc -N 10.0.0.1 12345 <"$DIR/file"
expect snc_ends wait $snc
expect host_to_weft_1gb_equal cmp "$DIR/file" "$DIR/to_weft"
rm -f "$DIR/to_weft"

host timeout 120 nc -l 10.0.0.2 12346 >"$DIR/to_host" </dev/null &
nc=$!
host_listens 12346
expect snc_to_nc timeout 120 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:12346 <"$DIR/file"
wait $nc
expect weft_to_host_1gb_equal cmp "$DIR/file" "$DIR/to_host"
rm -f "$DIR/to_host" "$DIR/file"

ctl_start snc -u -b 0.0.0.0:5000 >"$DIR/udp_in" 2>/dev/null </dev/null
udp=$CTL_PID
weft_listens 5000
echo 'hello over udp' | host timeout 1 nc -u -w1 10.0.0.1 5000
until_true 5 grep -q 'hello over udp' "$DIR/udp_in"
expect udp_to_weft grep -q 'hello over udp' "$DIR/udp_in"
kill -INT $udp 2>/dev/null
wait $udp

host timeout 5 nc -u -l 10.0.0.2 5001 >"$DIR/udp_out" </dev/null &
nc=$!
host_listens 5001
(echo 'hello from weft'; sleep 1) | timeout 5 "$WEFT" ctl --control "$DIR/control" snc -u -c 10.0.0.2:5001 &
snc=$!
until_true 5 grep -q 'hello from weft' "$DIR/udp_out"
expect udp_to_host grep -q 'hello from weft' "$DIR/udp_out"
kill $nc $snc 2>/dev/null
wait $nc $snc

# A typed line is at the other end before the next one is typed.
mkfifo "$DIR/keys"
host timeout 20 nc -l 10.0.0.2 5002 >"$DIR/typed" </dev/null &
nc=$!
host_listens 5002
timeout 20 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:5002 <"$DIR/keys" &
snc=$!
exec 3>"$DIR/keys"
typed=0
for word in one two three; do
	echo $word >&3
	until_true 3 grep -q $word "$DIR/typed" && typed=$((typed + 1))
done
exec 3>&-
expect typed_lines_at_once test $typed = 3
wait $snc $nc
expect weft_ends weft_down
exit $failed
