#!/bin/bash
# sanitize: yes
# snc: both ways at once, -k, -o, UDP, what is refused, a peer that resets.
. tests/harness/commands.sh
need nc cmp socat
net_begin
weft_up
head -c 3000000 /dev/urandom >"$DIR/a"
head -c 2000000 /dev/urandom >"$DIR/b"
snc() {
	exec timeout 60 "$WEFT" ctl --control "$DIR/control" snc "$@"
}

# Files both ways over one connection, whoever ends first.
(snc -d -b 0.0.0.0:1000 <"$DIR/a" >"$DIR/b2" 2>"$DIR/said") &
snc=$!
weft_listens 1000
host timeout 30 socat -t 30 - TCP:10.0.0.1:1000 <"$DIR/b" >"$DIR/a2"
expect duplex_listener_ends wait $snc
expect duplex_to_weft cmp "$DIR/b" "$DIR/b2"
expect duplex_from_weft cmp "$DIR/a" "$DIR/a2"
expect verbose_listening grep -q '^listening on 0.0.0.0:1000$' "$DIR/said"
expect verbose_client grep -Eq '^connection from 10.0.0.2:[0-9]+$' "$DIR/said"
host timeout 30 socat -t 30 - TCP-LISTEN:1001 <"$DIR/b" >"$DIR/a2" &
socat=$!
host_listens 1001
expect duplex_client_ends bash -c "timeout 60 '$WEFT' ctl --control '$DIR/control' snc -c 10.0.0.2:1001 <'$DIR/a' >'$DIR/b2'"
wait $socat
expect duplex_client_sent cmp "$DIR/a" "$DIR/a2"
expect duplex_client_received cmp "$DIR/b" "$DIR/b2"

# What is typed arrives line by line, while the connection stays.
mkfifo "$DIR/typed"
exec 4<>"$DIR/typed"
host timeout 30 nc -l 10.0.0.2 8888 </dev/null >"$DIR/heard" 4<&- &
nc=$!
host_listens 8888
(snc -c 10.0.0.2:8888 <"$DIR/typed" >/dev/null 4<&-) &
snc=$!
for n in 1 2 3; do
	echo 'hello!' >&4
	expect "typed_line_${n}_arrives" until_true 5 bash -c "grep -cx 'hello!' '$DIR/heard' | grep -qx $n"
done
exec 4>&-
expect typed_end_ends wait $snc
wait $nc

# -k serves one after the other; -l is -b; all of it in one file.
(snc -l 10.0.0.1:1002 -k -o "$DIR/many" </dev/null >"$DIR/said" 2>&1) &
snc=$!
weft_listens 1002
for n in 1 2 3; do echo "client $n" | host timeout 5 nc -N 10.0.0.1 1002; done
expect keeps_accepting until_true 5 grep -q 'client 3' "$DIR/many"
expect keeps_the_order bash -c "printf 'client 1\nclient 2\nclient 3\n' | cmp - '$DIR/many'"
host timeout 5 socat -u OPEN:"$DIR/a" TCP:10.0.0.1:1002,linger=0 &
wait $!
echo 'client 4' | host timeout 5 nc -N 10.0.0.1 1002
expect reset_ends_one_client until_true 5 grep -q 'client 4' "$DIR/many"
expect port_in_use bash -c "'$WEFT' ctl --control '$DIR/control' snc -b 0.0.0.0:1002 2>&1 | grep -q 'Address already in use'"
ctl kill "$(ctl jobs | awk '/snc/ { print $1; exit }')"
wait $snc
expect port_is_free until_true 5 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -ltn | grep -q :1002"

# UDP: the listener answers who spoke last; a client ends after its input; a refusal is told.
mkfifo "$DIR/keys"
exec 4<>"$DIR/keys"
(snc -u -b 0.0.0.0:1003 <"$DIR/keys" >"$DIR/heard" 2>&1) &
snc=$!
weft_listens 1003
(echo question; sleep 2) | host timeout 5 nc -u -w 2 10.0.0.1 1003 >"$DIR/answer" &
nc=$!
expect udp_heard until_true 5 grep -q question "$DIR/heard"
echo answer >&4
expect udp_answered until_true 5 grep -q answer "$DIR/answer"
wait $nc
ctl kill "$(ctl jobs | awk '/snc/ { print $1; exit }')"
wait $snc
exec 4>&-
host timeout 10 socat -u UDP-LISTEN:1004 - >"$DIR/heard" &
socat=$!
host_listens 1004
expect udp_client_ends bash -c "printf 'a line\n' | timeout 10 '$WEFT' ctl --control '$DIR/control' snc -u -c 10.0.0.2:1004 -w 0.2"
expect udp_line_arrives until_true 5 grep -qx 'a line' "$DIR/heard"
kill $socat 2>/dev/null
wait $socat
expect udp_refused bash -c "echo x | '$WEFT' ctl --control '$DIR/control' snc -u -c 10.0.0.2:1009 2>&1 |
	grep -q '10.0.0.2:1009: Connection refused'"

# The port of a connection is one of the range, and when all are taken it says so.
ctl sysctl net.ipv4.ip_local_port_range='40000 40001' >/dev/null
host nc -d -l -k 10.0.0.2 1007 >/dev/null &
nc=$!
host_listens 1007
exec 4<>"$DIR/keys"
for n in 1 2; do
	(exec 4>&- && snc -c 10.0.0.2:1007 <"$DIR/keys" >/dev/null 2>&1) &
	expect "port_$n" until_true 5 bash -c "'$WEFT' ctl --control '$DIR/control' ss -tn | grep -Ec '^ESTAB .*:4000[01] .*:1007' | grep -qx $n"
done
fails ports_run_out 1 '10\.0\.0\.2:1007: Cannot assign requested address' snc -c 10.0.0.2:1007
exec 4>&-
kill $nc
wait $nc
expect connections_end until_true 5 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -tn | grep -q '^ESTAB .*:1007'"
ctl sysctl net.ipv4.ip_local_port_range='32768 60999' >/dev/null
fails refused 1 '10\.0\.0\.2:1009: Connection refused' snc -c 10.0.0.2:1009
fails no_route 1 '192\.0\.2\.1:80: Network is unreachable' snc -c 192.0.2.1:80
fails not_ours 1 '10\.0\.0\.9:80: Cannot assign requested address' snc -b 10.0.0.9:80
fails port_0 2 "bad address '0.0.0.0:0': port 0" snc -b 0.0.0.0:0
fails port_large 2 "bad address '0.0.0.0:70000'" snc -b 0.0.0.0:70000
fails address 2 "bad address 'x'" snc -c x
fails neither 2 'one of -b, -l and -c is wanted' snc
fails both 2 'one of -b, -l and -c is enough' snc -b 0.0.0.0:1 -c 10.0.0.2:1
fails keep_client 2 '-k goes with a TCP listener' snc -k -c 10.0.0.2:1
fails value 2 'option -b needs a value' snc -b
fails no_file 1 '/nowhere/x: No such file or directory' snc -b 0.0.0.0:1005 -o /nowhere/x
says help '^usage: snc ' snc -h

# A terminal's worth of trouble: no input, no output, a full one.
host timeout 20 socat -U TCP-LISTEN:1006,fork,reuseaddr OPEN:"$DIR/a" 2>/dev/null &
socat=$!
host_listens 1006
expect closed_input bash -c "exec timeout 10 '$WEFT' ctl --control '$DIR/control' snc -c 10.0.0.2:1006 <&- | cmp - '$DIR/a'"
expect closed_output bash -c "exec timeout 10 '$WEFT' ctl --control '$DIR/control' snc -c 10.0.0.2:1006 </dev/null >&-"
expect broken_pipe bash -c "timeout 10 '$WEFT' ctl --control '$DIR/control' snc -c 10.0.0.2:1006 </dev/null | head -c 1000 >/dev/null; test \${PIPESTATUS[0]} != 124"
expect full_output bash -c "timeout 10 '$WEFT' ctl --control '$DIR/control' snc -c 10.0.0.2:1006 </dev/null 2>&1 >/dev/full | grep -q 'output: No space left'"
expect full_output_of_ping bash -c "timeout 10 '$WEFT' ctl --control '$DIR/control' ping -i 0.01 10.0.0.2 2>&1 >/dev/full | grep -q 'output: No space left'"
kill $socat
wait $socat
no_socket() {
	[ "$(gauge sockets)" = 0 ]
}
expect no_socket_left until_true 5 no_socket
expect weft_ends weft_down
exit $failed
