#!/bin/bash
# A full disk behind `snc -o`: a clear error, and nothing else is harmed.
. tests/harness/net.sh
need nc mount
need_root
if [ "${FULLDISK_INSIDE:-}" != yes ]; then
	FULLDISK_INSIDE=yes exec unshare -m "$0"
fi
net_begin
mkdir "$DIR/small"
trap 'umount "$DIR/small" 2>/dev/null; net_end' EXIT
mount -t tmpfs -o size=64k weft-test "$DIR/small"
weft_up -c inetd
head -c 1000000 /dev/urandom >"$DIR/file"

# full NAME FILE
full() {
	ctl_start snc -b 0.0.0.0:1234 -o "$2" >/dev/null 2>"$DIR/said" </dev/null
	server=$CTL_PID
	weft_listens 1234
	host timeout 10 nc -N 10.0.0.1 1234 <"$DIR/file" >/dev/null 2>&1
	expect "$1_ends" until_true 5 sh -c "! kill -0 $server"
	wait $server
	expect "$1_status" test $? = 1
	expect "$1_is_told" grep -q 'No space left on device' "$DIR/said"
}
full tmpfs "$DIR/small/out"
full dev_full /dev/full
expect what_fitted_is_right cmp -n "$(stat -c %s "$DIR/small/out")" "$DIR/file" "$DIR/small/out"
expect stack_lives host ping -q -c 2 -i 0.01 -W 2 10.0.0.1
expect weft_ends weft_down
exit $failed
