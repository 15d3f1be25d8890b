#!/bin/bash
# The example programs on a TAP: the host's programs reach what stands behind the public calls, and it them.
. tests/harness/net.sh
need nc socat python3 cmp
net_begin
EXAMPLES=$WEFT_BUILD/tests/examples
seq 100000 >"$DIR/file"
ip -n "$NS" tuntap add dev tap7 mode tap
ip -n "$NS" addr add 10.7.0.2/24 dev tap7
ip -n "$NS" link set tap7 up

# example NAME ARGS...: at the other end of the host's wire, until it ends or 20 s are over.
example() {
	host timeout 20 "$EXAMPLES/$1" tap:tap7 10.7.0.1/24 "${@:2}"
}

ip netns exec "$NS" "$EXAMPLES/echo_server" tap:tap7 10.7.0.1/24 7 2>"$DIR/said" </dev/null &
server=$!
expect server_ready until_true 10 grep -qx 'echo_server: ready' "$DIR/said"
host timeout 20 nc -N 10.7.0.1 7 <"$DIR/file" >"$DIR/echoed"
expect server_echoes cmp "$DIR/file" "$DIR/echoed"
kill -9 $server
wait $server 2>/dev/null

ip netns exec "$NS" "$EXAMPLES/echo_callback" tap:tap7 10.7.0.1/24 7 2>"$DIR/said" </dev/null &
server=$!
expect callback_server_ready until_true 10 grep -qx 'echo_callback: ready' "$DIR/said"
host timeout 20 nc -N 10.7.0.1 7 <"$DIR/file" >"$DIR/echoed"
expect callback_server_echoes cmp "$DIR/file" "$DIR/echoed"
kill -TERM $server
wait $server
expect callback_server_ends test $? = 0

host timeout 20 socat TCP-LISTEN:4000,bind=10.7.0.2 EXEC:cat &
server=$!
host_listens 4000
expect callback_client_is_echoed seen '^a line$' example client_callback 10.7.0.2 4000 'a line'
wait $server
expect callback_client_refused seen '^client_callback: Connection refused$' \
	example client_callback 10.7.0.2 4009 'a line'

host timeout 20 socat TCP-LISTEN:4000,bind=10.7.0.2 EXEC:cat &
server=$!
host_listens 4000
example echo_client 10.7.0.2 4000 <"$DIR/file" >"$DIR/echoed"
expect client_ends test $? = 0
expect client_is_echoed cmp "$DIR/file" "$DIR/echoed"
wait $server
expect client_refused seen '^echo_client: Connection refused$' example echo_client 10.7.0.2 4009
expect raw_pings_the_host seen '^64 bytes from 10\.7\.0\.2: icmp_seq=3 ' example ping_raw 10.7.0.2

example urgent 4001 >"$DIR/told" 2>"$DIR/said" &
server=$!
until_true 10 grep -qx 'urgent: ready' "$DIR/said"
expect urgent_sent host timeout 10 python3 -c '
import socket
s = socket.create_connection(("10.7.0.1", 4001))
s.send(b"before")
s.send(b"!", socket.MSG_OOB)
s.send(b"behind")
s.shutdown(socket.SHUT_WR)
s.recv(1)'
wait $server
expect urgent_byte_is_told grep -qx 'urgent: !' "$DIR/told"
expect urgent_byte_is_not_in_line test "$(sed -n 's/^data: //p' "$DIR/told" | tr -d '\n')" = beforebehind
expect mark_is_between test "$(grep -v urgent "$DIR/told" | tr '\n' ' ')" = 'data: before mark data: behind '
exit $failed
