#!/bin/sh
# tests/script/real.sh - packet scripts on the real clock: the same answers, by the stack's own threads, in as much
# time as the script says.  How exactly in time is not looked at: other programs run here, too.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
flags='ip=4;local=192.168.0.1;prefix=16;gateway=192.168.0.2;remote=192.0.2.1;mtu=1500;clock=real'
status=0

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# real NAME MS: the script and how long it takes at least.
real() {
	{
		echo '--tolerance_usecs=4000000'
		cat "tests/script/$1.pkt"
	} >"$dir/script.pkt"
	begin=$(now_ms)
	"$WEFT_BUILD/tests/script/drill" -l "$WEFT_BUILD/libweft_packetdrill.so" -f "$flags" "$dir/script.pkt" \
		>"$dir/out" 2>&1
	said=$?
	took=$(($(now_ms) - begin))
	if [ $said = 0 ] && [ $took -ge "$2" ]; then
		echo "ok real_clock_$1"
	else
		echo "not ok real_clock_$1: status $said after $took ms: $(head -n 1 "$dir/out")"
		status=1
	fi
}
real close/remote-fin-first 500
real blocking/read 300
real epoll/in-edge 500
real fin_rst/syn-sent-rst-blind 900
exit $status
