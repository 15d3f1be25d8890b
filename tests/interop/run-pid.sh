#!/bin/bash
# `weft run`: a program in a pid namespace of its own has connections both ways, and `ss -p` says the numbers that weft sees.
. tests/harness/net.sh
need python3 nc
net_begin
weft_up -c inetd

"$WEFT" run --control "$DIR/control" --mode preload -- unshare --pid --fork python3 -c '
import os, socket
listener = socket.create_server(("", 9000))
if os.fork() == 0:
	child, _ = listener.accept()
	client = socket.create_connection(("10.0.0.1", 7))
	client.sendall(b"echo")
	child.sendall(b"%s %d\n" % (client.recv(4), os.getpid()))
	child.recv(1)
	os._exit(0)
os.wait()' &
run=$!
weft_listens 9000
mkfifo "$DIR/in"
ip netns exec "$NS" nc 10.0.0.1 9000 <"$DIR/in" >"$DIR/echoed" &
exec 3>"$DIR/in"
expect served until_true 10 grep -q '^echo [0-9]*$' "$DIR/echoed"
child=$(cut -d ' ' -f 2 "$DIR/echoed")

# inner KIND PATTERN: the number of that socket, as its own namespace has it.
inner() {
	number=$(ctl ss "-$1np" | grep "$2" | grep -o 'pid=[0-9]*' | head -n 1)
	sed -n 's/^NSpid:\t[0-9]*\t//p' "/proc/${number#pid=}/status"
}
expect of_the_listener test "$(inner tl :9000)" = 1
expect of_what_it_accepted test "$(inner t :9000.*10.0.0.2)" = "$child"
expect of_what_connected test "$(inner t '10.0.0.1:7\b.*users')" = "$child"
echo end >&3
wait $run
expect program_ends test $? = 0
expect weft_ends weft_down
exit $failed
