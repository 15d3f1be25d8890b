#!/bin/bash
# `weft ctl`: the client's descriptors, folder, words, status and SIGINT; who may; clients that vanish.
# sanitize: yes
. tests/harness/net.sh
need prlimit python3 setpriv
net_begin
weft_up

# is NAME CONDITION...: test(1).
is() {
	is_name=$1
	shift
	if [ "$@" ]; then pass "$is_name"; else fail "$is_name" "not $*"; fi
}

# shows FILE TEXT: returns when a line of FILE has TEXT.
shows() {
	timeout 60 sh -c "tail -n +1 -F '$1' 2>/dev/null | grep -q -m1 '$2'"
}

ctl help jobs >"$DIR/one" 2>"$DIR/two"
is output_and_status "$?,$(head -n 1 "$DIR/one"),$(cat "$DIR/two")" = '0,usage: jobs,'
ctl nosuch >"$DIR/one" 2>"$DIR/two"
is errors_and_status "$?,$(cat "$DIR/one" "$DIR/two")" = '127,weft: nosuch: unknown command (help lists them)'
is one_word_is_a_line "$(ctl 'nosuch; help jobs' 2>/dev/null | head -n 1)" = 'usage: jobs'
is words_are_words "$(ctl help "a; b \"c\\d" 2>&1)" = 'weft: help: a; b "c\d: unknown command (see help)'
is empty_word "$(ctl help '' 2>&1)" = 'weft: help: : unknown command (see help)'
is operators_in_words "$(ctl help 'a;exit' 'b&' 2>&1 | head -n 1)" = 'weft: help: b&: one command at a time'
is operators_alone "$(ctl nosuch \; help jobs 2>/dev/null | head -n 1)" = 'usage: jobs'
is no_escapes_in_errors "$(ctl help $'\e[2J\tx' 2>&1)" = 'weft: help: \x1b[2J\x09x: unknown command (see help)'
long=$(head -c 60000 /dev/zero | tr '\0' x)
is long_word "$(ctl help "$long" 2>&1 | wc -c)" -gt 60000
is too_long "$(ctl help "$long" "$long" 2>&1)" = 'weft: ctl: the command is longer than 65535 bytes'

mkdir "$DIR/there"
(cd "$DIR/there" && ctl 'help jobs > file' && ctl "snc -l 127.0.0.1:1000 -o out < /dev/null &")
is relative_to_the_client "$(head -n 1 "$DIR/there/file")" = 'usage: jobs'
printf 'some\ndata' | ctl snc -c 127.0.0.1:1000
is input_and_status "$?" = 0
timeout 60 "$WEFT" ctl --control "$DIR/control" wait >/dev/null
is input_arrived "$(cat "$DIR/there/out")" = 'some
data'

: >"$DIR/one"
"$WEFT" ctl --control "$DIR/control" $'ping -i 0.01 127.0.0.1 # \e[2J\x9b' >"$DIR/one" 2>&1 &
client=$!
shows "$DIR/one" 'seq'
is no_escapes_in_jobs "$(ctl jobs | sed -E 's/^[0-9]+ +//')" = 'client     ping -i 0.01 127.0.0.1 # \x1b[2J\x9b'
kill -INT $client
wait $client
is interrupt_is_the_commands "$?,$(grep -c 'packets transmitted' "$DIR/one")" = 0,1 # as ping ends
is interrupt_leaves_the_stack "$(ctl jobs | awk '{ print $2, $3 }')" = ''

: >"$DIR/one"
"$WEFT" ctl --control "$DIR/control" ping -i 0.01 127.0.0.1 >"$DIR/one" 2>&1 &
client=$!
shows "$DIR/one" 'seq'
id=$(ctl jobs | awk '/ping/ { print $1 }')
kill -9 $client
wait $client 2>/dev/null
timeout 60 "$WEFT" ctl --control "$DIR/control" "wait $id" >/dev/null 2>&1
is lost_client_takes_its_command "$?,$(ctl jobs)" != '124,'
is lost_client_is_gone "$(ctl jobs)" = ''

# Blocked in the stack, then in the kernel: a pipe that nobody reads, and input that does not come.
mkfifo "$DIR/pipe" "$DIR/input"
exec 3<>"$DIR/pipe" 4<>"$DIR/input"
ctl 'inetd chargen'
"$WEFT" ctl --control "$DIR/control" snc -c 127.0.0.1:19 <&4 >&3 2>/dev/null &
client=$!
expect pipe_is_full until_full <&3
kill -INT $client
wait $client
is interrupt_when_blocked_in_a_pipe "$?" = 130
exec 3>&- 4>&-

# --- who may -------------------------------------------------------------------------------------------
is socket_mode "$(stat -c '%a %F' "$DIR/control")" = '600 socket'
cp "$WEFT" "$DIR/weft"
chmod 755 "$DIR" "$DIR/weft"
nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
is other_user_by_mode "$(nobody "$DIR/weft" ctl --control "$DIR/control" jobs 2>&1)" = \
	"weft: ctl: $DIR/control: Permission denied"
chmod 666 "$DIR/control"
is other_user_by_credentials "$(nobody "$DIR/weft" ctl --control "$DIR/control" jobs 2>&1)" = \
	'weft: ctl: weft has ended, or takes nothing from this user'
chmod 600 "$DIR/control"
mkdir "$DIR/theirs"
chown 65534 "$DIR/theirs"
PATH=/usr/bin:/bin nobody python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
s.listen()
print("listens", flush=True)
s.accept()[0].recv(1)
' "$DIR/theirs/socket" >"$DIR/one" &
shows "$DIR/one" listens
is other_users_weft "$(ctl --control "$DIR/theirs/socket" jobs 2>&1)" = \
	"weft: ctl: $DIR/theirs/socket: another user's weft"
wait $!

# --- clients that say something else ----------------------------------------------------------------------
python3 -c '
import array, os, socket, struct, sys
def client():
	s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	s.connect(sys.argv[1])
	return s
def send(s, data, nfd):
	fds = array.array("i", [os.open("/dev/null", os.O_RDWR) for _ in range(nfd)])
	s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if nfd else [])
idle = [client() for _ in range(70)]
for s in idle:
	s.close()
for data in (b"",) * 10 + (b"x", b"tfew", struct.pack("<II", 0x77656674, 99), struct.pack("<II", 0x77656674, 0),
             struct.pack("<II", 0x77656674, 1), struct.pack("<II", 0x77656674, 0) + b"x" * 70000):
	for nfd in (0, 1, 3, 4, 5, 100):
		s = client()
		send(s, data, nfd)
		s.close()
' "$DIR/control"
is bad_clients_do_no_harm "$(ctl help jobs | head -n 1)" = 'usage: jobs'
is bad_clients_leave_no_descriptor "$(($(find "/proc/$WEFT_PID/fd" | wc -l) < 40))" = 1

# Who waits while there is no descriptor to accept with is not asked for again and again.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$WEFT_PID/stat"
}
full=0
while [ -e "/proc/$WEFT_PID/fd/$full" ]; do full=$((full + 1)); done
prlimit --pid "$WEFT_PID" --nofile=$full:
spent=$(ticks)
timeout 2 "$WEFT" ctl --control "$DIR/control" help jobs >"$DIR/one"
is no_descriptor_waits "$?,$(cat "$DIR/one")" = 124,
is no_descriptor_no_spin $(($(ticks) - spent)) -lt 40
prlimit --pid "$WEFT_PID" --nofile=1024:
is descriptors_again "$(ctl help jobs | head -n 1)" = 'usage: jobs'

"$WEFT" ctl --control "$DIR/control" ping -i 100 127.0.0.1 >"$DIR/one" 2>"$DIR/two" &
client=$!
shows "$DIR/one" 'seq'
expect ends weft_down
wait $client
is end_of_weft_ends_its_clients "$(grep -c 'packets transmitted' "$DIR/one")" = 1
is ctl_without_weft "$(ctl jobs 2>&1)" = "weft: ctl: $DIR/control: no weft listens there"
exit $failed
