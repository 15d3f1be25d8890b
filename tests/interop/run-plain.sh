#!/bin/bash
# `weft run`: first client and server programs as textbooks have them, both on weft, over 127.0.0.1 and from the host.
. tests/harness/net.sh
need cc nc
net_begin
weft_up

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

# all_of HOW [CC OPTION]: built so, all of it.
all_of() {
	for program in client server listen; do
		expect "${program}_builds$1" cc ${2:+"$2"} -o "$DIR/$program" "tests/harness/plain/$program.c"
	done
	run_start server "$DIR/server" 3
	weft_listens 8080
	run "$DIR/client" >"$DIR/client.log"
	expect "client_said$1" test "$(cat "$DIR/client.log")" = 'Message sent to server
Hello from server'
	expect "client_again$1" seen '^Hello from server$' run "$DIR/client"
	expect "host_too$1" seen '^Hello from server$' bash -c "echo -n 'Hello from host' | ip netns exec '$NS' timeout 10 nc 10.0.0.1 8080"
	wait $RUN
	expect "server_ended$1" test $? = 0
	expect "server_said$1" test "$(cat "$DIR/server.log")" = 'Received message: Hello from client
Received message: Hello from client
Received message: Hello from host'
	expect "client_without_server$1" seen 'connect: Connection refused' run "$DIR/client"

	run_start bind "$DIR/listen" bind
	until_true 10 grep -q there "$DIR/bind.log"
	expect "bound_is_not_reached$1" bash -c "! ip netns exec '$NS' nc -w 5 10.0.0.1 8081 </dev/null"
	bound=$RUN
	run_start listen "$DIR/listen" listen
	until_true 10 grep -q there "$DIR/listen.log"
	expect "connects_before_accept$1" host nc -z -w 5 10.0.0.1 8082
	expect "connects_before_accept_on_weft$1" run bash -c ': <>/dev/tcp/127.0.0.1/8082'
	run_start fork "$DIR/listen" fork
	until_true 10 grep -q there "$DIR/fork.log"
	expect "child_accepts$1" seen '^child$' run timeout 10 nc 127.0.0.1 8083
	wait $RUN
	expect "child_and_parent_ended$1" test $? = 0
	kill $bound
	wait $bound
}
all_of '' ''
all_of _static -static
exec 3>&-
expect weft_ends weft_down
exit $failed
