#!/bin/bash
# Transfers each way through an impaired device are exact, and no sender is silent for longer than its RTO.
. tests/harness/net.sh
need nc python3 sha256sum
net_begin
host python3 tests/harness/stalls.py >"$DIR/stalls" &
stalls=$!
weft_up
head -c 52428800 /dev/urandom >"$DIR/all"

sum() {
	sha256sum <"$1"
}

# same NAME: what came is what was sent.
same() {
	if [ "$(sum "$DIR/file")" = "$(sum "$DIR/came")" ]; then
		pass "$1"
	else
		fail "$1" "$(stat -c %s "$DIR/file") bytes sent, $(stat -c %s "$DIR/came") came, or others"
	fi
}

# to_host NAME LIMIT: weft's snc sends $DIR/file.
to_host() {
	host timeout "$2" nc -l 10.0.0.2 "$port" >"$DIR/came" </dev/null &
	server=$!
	host_listens "$port"
	timeout "$2" "$WEFT" ctl --control "$DIR/control" snc -c "10.0.0.2:$port" <"$DIR/file" >/dev/null
	wait $server
	same "$1"
}

# to_weft NAME LIMIT: the host's nc sends it.
to_weft() {
	timeout "$2" "$WEFT" ctl --control "$DIR/control" snc -b "0.0.0.0:$port" -o "$DIR/came" </dev/null &
	server=$!
	weft_listens "$port"
	host timeout "$2" nc -N 10.0.0.1 "$port" <"$DIR/file" >/dev/null
	wait $server
	same "$1"
}

# quiet NAME SENDER: the checker's verdict on the capture.
quiet() {
	expect "$1" python3 tests/harness/silence.py "$DIR/cap" "$2" "$slack" "$DIR/stalls"
	tail -n 1 "$DIR/out"
}

# through NAME BYTES LIMIT WORDS...: each way, the words on the way of the data; then both ways impaired.
port=2000
slack=100
through() {
	name=$1 size=$2 limit=$3
	shift 3
	head -c "$size" "$DIR/all" >"$DIR/file"
	port=$((port + 2))
	ctl netem tap0 out "$@" seed $port
	weft_capture "$DIR/cap" --cut
	to_host "${name}_to_host_exact" "$limit"
	weft_capture_end
	ctl netem tap0 off
	quiet "${name}_weft_not_silent" 10.0.0.1
	ctl netem tap0 in "$@" seed $port
	rm -f "$DIR/cap"
	weft_capture "$DIR/cap" --cut
	to_weft "${name}_to_weft_exact" "$limit"
	weft_capture_end
	ctl netem tap0 off
	quiet "${name}_host_not_silent" 10.0.0.2
	rm -f "$DIR/cap"
}

through loss_1 52428800 40 loss 1%
through loss_5 5242880 40 loss 5%
through loss_20 512000 50 loss 20%
through reorder_25 20971520 40 delay 2ms reorder 25%
through duplicate_5 20971520 40 duplicate 5%
through corrupt_1 20971520 40 corrupt 1%
through loss_30 100000 60 loss 30%
through reorder_50 10485760 40 delay 2ms reorder 50%
through corrupt_10 1048576 40 corrupt 10%
through bursts 5242880 40 delay 2ms loss gemodel 1% 25%
through blackouts 20971520 60 delay 2ms rate 100mbit blackout 300ms 1500ms
through long 5242880 40 delay 200ms

# Acknowledgements are lost too.
head -c 2097152 "$DIR/all" >"$DIR/file"
port=2100
ctl netem tap0 loss 3% duplicate 2% corrupt 1% delay 1ms 1ms reorder 10% seed 7
to_host all_at_once_to_host_exact 40
port=2101
to_weft all_at_once_to_weft_exact 40
ctl inetd echo
expect echo_200_exact host timeout 60 python3 tests/harness/echo_many.py 10.0.0.1 7 200 50000
ctl netem tap0 off

# A stack whose RTO is longer than it should be is found out, wherever a time-out ends a silence: the checker does look.
head -c 300000 "$DIR/all" >"$DIR/file"
ctl sysctl net.ipv4.tcp_rto_min_us=450000
for seed in 2 3 4 5 6 7 8 9; do
	port=$((2100 + seed))
	ctl netem tap0 out loss 20% seed $seed
	weft_capture "$DIR/cap" --cut
	to_host "slow_rto_exact_$seed" 40
	weft_capture_end
	ctl netem tap0 off
	python3 tests/harness/silence.py "$DIR/cap" 10.0.0.1 "$slack" "$DIR/stalls" >/dev/null || break
done
expect slow_rto_is_seen sh -c "! python3 tests/harness/silence.py '$DIR/cap' 10.0.0.1 $slack '$DIR/stalls'"
echo 0 9999999999 >"$DIR/all_stalled"
expect stalls_are_no_silence python3 tests/harness/silence.py "$DIR/cap" 10.0.0.1 "$slack" "$DIR/all_stalled"
kill $stalls
wait $stalls
expect clean_again host ping -q -c 3 -i 0.01 -W 1 10.0.0.1
expect weft_ends weft_down
exit $failed
