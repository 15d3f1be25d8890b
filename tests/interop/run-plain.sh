#!/bin/bash
# `weft run`: first client and server programs as textbooks have them, both on weft, over 127.0.0.1 and from the host.
. tests/harness/net.sh
need cc nc
net_begin
weft_up

for program in client server listen; do
	expect "${program}_builds" cc -o "$DIR/$program" "tests/harness/plain/$program.c"
done
run() {
	timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}
# run_start NAME COMMAND...: in the background; $RUN.
run_start() {
	run_log=$DIR/$1.log
	shift
	"$WEFT" run --control "$DIR/control" -- "$@" >"$run_log" 2>&1 <&3 &
	RUN=$!
}
mkfifo "$DIR/stays"
exec 3<>"$DIR/stays"

run_start server "$DIR/server" 3
weft_listens 8080
run "$DIR/client" >"$DIR/client.log"
expect client_said test "$(cat "$DIR/client.log")" = 'Message sent to server
Hello from server'
expect client_again seen '^Hello from server$' run "$DIR/client"
expect host_too seen '^Hello from server$' bash -c "echo -n 'Hello from host' | ip netns exec '$NS' timeout 10 nc 10.0.0.1 8080"
wait $RUN
expect server_ended test $? = 0
expect server_said test "$(cat "$DIR/server.log")" = 'Received message: Hello from client
Received message: Hello from client
Received message: Hello from host'
expect client_without_server seen 'connect: Connection refused' run "$DIR/client"

run_start bind "$DIR/listen" bind
until_true 10 grep -q there "$DIR/bind.log"
expect bound_is_not_reached bash -c "! ip netns exec '$NS' nc -w 5 10.0.0.1 8081 </dev/null"
bound=$RUN
run_start listen "$DIR/listen" listen
until_true 10 grep -q there "$DIR/listen.log"
expect connects_before_accept host nc -z -w 5 10.0.0.1 8082
expect connects_before_accept_on_weft run bash -c ': <>/dev/tcp/127.0.0.1/8082'
run_start fork "$DIR/listen" fork
until_true 10 grep -q there "$DIR/fork.log"
expect child_accepts seen '^child$' run timeout 10 nc 127.0.0.1 8083
wait $RUN
expect child_and_parent_ended test $? = 0
exec 3>&-
kill $bound 2>/dev/null
expect weft_ends weft_down
exit $failed
