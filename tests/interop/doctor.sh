#!/bin/bash
# `weft doctor`: what this machine lacks, what a program did not get; `weft run`'s hints beyond the host, --dns.
. tests/harness/net.sh
need python3 curl setpriv nft
net_begin

# --- the machine ------------------------------------------------------------------------------------
# doctor STATUS OPTIONS...: its report in $DIR/report.
doctor() {
	doctor_status=$1
	shift
	"$@" >"$DIR/report" 2>"$DIR/errors" </dev/null
	test $? = "$doctor_status"
}
# is KIND NAME: the report says so.
is() {
	grep -Eq "^$1 +$2 " "$DIR/report"
}
expect nothing_is_missing doctor 0 host "$WEFT" doctor
expect tun_is_ok is ok tun
expect library_is_ok is ok library
expect does_not_forward_is_a_note is note uplink
host sysctl -qw net.ipv4.ip_forward=1
expect forwarding_is_seen doctor 0 host "$WEFT" doctor
expect forwarding_is_ok is ok uplink
host sysctl -qw net.ipv4.ip_forward=0
expect json_is_valid host bash -c "'$WEFT' doctor --json | python3 -c 'import json, sys
rows = json.load(sys.stdin)[\"machine\"]
assert [r for r in rows if r[\"name\"] == \"tun\" and r[\"is\"] == \"ok\"]'"
expect no_tun_is_1 doctor 1 ip netns exec "$NS" unshare -m sh -c "mount -t tmpfs none /dev/net && exec '$WEFT' doctor"
expect no_tun_is_missing is missing tun
expect no_tun_has_a_hint grep -q 'modprobe tun' "$DIR/report"
cp "$WEFT" "$DIR/weft"
chmod 755 "$DIR"
expect no_library_is_1 doctor 1 host "$DIR/weft" doctor
expect no_library_is_missing is missing library
cp "$WEFT_BUILD/libweft_preload.so" "$DIR"
odd=$DIR/$'odd"\e[31m\n\xff'
mkdir "$odd"
cp "$DIR/weft" "$DIR/libweft_preload.so" "$odd"
expect odd_path doctor 0 host "$odd/weft" doctor
expect odd_path_is_shown grep -Eq '^ok +library +/.*/odd"\\x1b\[31m\\x0a\\xff/' "$DIR/report"
expect odd_path_in_json doctor 0 host "$odd/weft" doctor --json
expect odd_path_is_valid_json python3 -m json.tool "$DIR/report"
host setpriv --reuid=65534 --regid=65534 --clear-groups "$DIR/weft" doctor >"$DIR/report" 2>&1
expect no_privilege_is_a_note is note rights
expect no_privilege_no_uplink grep -q '^note *uplink *none without privilege' "$DIR/report"
expect mistake_is_2 doctor 2 host "$WEFT" doctor --nonsense
expect help_is_0 doctor 0 "$WEFT" doctor --help

# --- a program ----------------------------------------------------------------------------------------
weft_up
on() {
	host "$WEFT" doctor "$@"
}
asks='import socket
print("said")
for _ in range(3):
	try:
		socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
	except OSError:
		pass
s = socket.socket()
try:
	s.setsockopt(socket.SOL_SOCKET, 26, bytes(16))
except OSError:
	pass'
expect refused_is_1 doctor 1 on --control "$DIR/control" -- python3 -c "$asks"
expect refused_socket_is_counted grep -Eq '^ +3 +EPROTONOSUPPORT +socket\(AF_INET, SOCK_STREAM, 132\)$' "$DIR/report"
expect refused_option_is_named grep -Eq '^ +1 +ENOPROTOOPT +setsockopt\(SOL_SOCKET, SO_ATTACH_FILTER\)$' "$DIR/report"
expect program_writes_aside grep -qx said "$DIR/errors"
expect counts_begin_anew doctor 0 on --control "$DIR/control" -- true
expect nothing_refused_is_told grep -q '^nothing was refused' "$DIR/report"
expect json_of_a_program on --json --control "$DIR/control" -- sh -c 'exit 3' >"$DIR/json"
on --json --control "$DIR/control" -- python3 -c "$asks" 2>/dev/null >"$DIR/json"
expect json_has_counts python3 -c 'import json, sys
found = json.load(open(sys.argv[1]))
assert found["status"] == 0
assert {"call": "socket(AF_INET, SOCK_STREAM, 132)", "answer": "EPROTONOSUPPORT", "times": 3} in found["missed"]' "$DIR/json"
expect no_program_is_127 doctor 127 on --control "$DIR/control" -- "$DIR/nothing"

# --- beyond the host --------------------------------------------------------------------------------------
ip netns add "$NS-far"
trap 'ip netns del "$NS-far"; net_end' EXIT
ip -n "$NS" link add out type veth peer name in netns "$NS-far"
ip -n "$NS" addr add 192.0.2.1/24 dev out
ip -n "$NS" link set out up
ip -n "$NS-far" addr add 192.0.2.2/24 dev in
ip -n "$NS-far" link set in up
mkdir "$DIR/www"
echo over >"$DIR/www/file"
ip netns exec "$NS-far" python3 -m http.server 8000 --bind 192.0.2.2 --directory "$DIR/www" >"$DIR/far.log" 2>&1 &
far=$!
until_true 10 seen ':8000\b' ip netns exec "$NS-far" ss -ltn
fetch=(curl -sS --max-time 5 http://192.0.2.2:8000/file)
host "$WEFT" run --control "$DIR/control" -- "${fetch[@]}" >/dev/null 2>"$DIR/said"
expect no_route_is_told grep -q '^weft: run: 192.0.2.2 lies beyond' "$DIR/said"
expect gateway_is_named grep -q -- '--gateway 10.0.0.2' "$DIR/said"
weft_down
own=(host timeout 60 "$WEFT" run --dev tap:tap0 --gateway 10.0.0.2 --)
"${own[@]}" true 2>"$DIR/said"
expect forwarding_is_missing grep -q -- '--gateway 10.0.0.2 is the host, and it does not forward' "$DIR/said"
sed -n 's/^weft: run:   \(sysctl\|nft\) /\1 /p' "$DIR/said" >"$DIR/commands"
expect two_commands test "$(wc -l <"$DIR/commands")" = 2
expect commands_are_taken host sh "$DIR/commands"
expect beyond_the_host seen '^over$' "${own[@]}" "${fetch[@]}"
expect masqueraded grep -q '^192\.0\.2\.1 ' "$DIR/far.log"
"${own[@]}" true 2>"$DIR/said"
expect then_nothing_is_told test ! -s "$DIR/said"
kill $far
wait $far 2>/dev/null

# --- names ------------------------------------------------------------------------------------------------
weft_up
host python3 tests/harness/run_dns.py 10.0.0.2 10.0.0.1 &
host_listens 53
named() {
	host timeout 30 "$WEFT" run --control "$DIR/control" --dns 10.0.0.2 -- "$@"
}
expect dns_in_getent seen '^10\.0\.0\.1 ' named getent hosts www.test
expect dns_outlives_a_cleared_environment seen '^10\.0\.0\.1 ' named env -i getent hosts www.test
expect dns_must_be_an_address doctor 2 host "$WEFT" run --dns nonsense -- true
expect dns_is_of_run doctor 2 host "$WEFT" --dns 10.0.0.2 -c true
exit $failed
