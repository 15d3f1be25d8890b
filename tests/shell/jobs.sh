#!/bin/bash
# Background jobs: `&`, jobs, wait, kill, and what "has been run" means for those that listen.
# sanitize: yes
. tests/harness/net.sh
net_begin
weft_up

# run LINE: in the stack; its output is in $DIR/text, its status in $rc.
run() {
	timeout 60 "$WEFT" ctl --control "$DIR/control" "$@" >"$DIR/text" 2>&1
	rc=$?
}

# gives NAME STATUS TEXT: of the last run.
gives() {
	if [ $rc = "$2" ] && [ "$(cat "$DIR/text")" = "$3" ]; then
		pass "$1"
	else
		cat "$DIR/text"
		fail "$1" "status $rc, not $2 with: $3"
	fi
}

# is NAME CONDITION...: test(1).
is() {
	is_name=$1
	shift
	if [ "$@" ]; then pass "$is_name"; else fail "$is_name" "not $*"; fi
}

# table: the jobs but for this client, one a line: STATE WORDS.
table() {
	run jobs
	sed -E -i 's/^[0-9]+ +//; s/ +/ /' "$DIR/text"
}

run 'ping -q -i 100 127.0.0.1 > /dev/null &'
gives goes_on_in_the_background 0 ''
table
gives is_listed 0 'running ping -q -i 100 127.0.0.1'
id=$(ctl jobs | awk '/ping/ { print $1 }')
run wait "$id" x
gives wait_takes_one 2 "weft: wait: x: one job at a time
usage: wait [ID]"
run kill "%$id"
gives kill_ends_it 0 ''
table
gives it_is_gone 0 ''
run kill "$id"
gives kill_no_job 1 "weft: kill: $id: no such job"
run wait "$id"
gives wait_no_job 1 "weft: wait: $id: no such job"
run wait 0
gives wait_no_number 2 'weft: wait: 0: not a job'"'"'s number
usage: wait [ID]'
# A weft of weeks: each line of `weft ctl` has taken a number.
run kill 2000000000
gives kill_high_number 1 'weft: kill: 2000000000: no such job'
run wait 2000000000
gives wait_high_number 1 'weft: wait: 2000000000: no such job'
run kill 3000000000
gives kill_no_number 2 "weft: kill: 3000000000: not a job's number
usage: kill ID..."
run kill
gives kill_nothing 2 'weft: kill: which job?
usage: kill ID...'

run 'snc -l 127.0.0.1:1234 > /dev/null &'
gives listens_when_told 0 ''
table
gives is_listed_as_listening 0 'listening snc -l 127.0.0.1:1234'
run 'snc -l 127.0.0.1:1234 &'
is cannot_listen_is_the_status "$((rc != 0)),$(grep -c 'weft: snc: ' "$DIR/text")" = 1,1
id=$(ctl jobs | awk '/snc/ { print $1 }')
timeout 60 "$WEFT" ctl --control "$DIR/control" wait "$id" >"$DIR/waited" 2>&1 &
waiting=$!
run 'snc -c 127.0.0.1:1234' </dev/null
wait "$waiting"
rc=$?
gives wait_until_it_ends 0 ''

run 'ping -c 1 -W 1 10.0.0.77 > /dev/null & wait'
gives wait_for_all 0 ''
out=$(host "$WEFT" --control "$DIR/second" --dev tap:tap1 --addr 10.0.1.1/24 \
	-c 'nosuch & ping -q -c 1 -W 1 10.0.1.77 & wait 1' 2>&1)
rc=$?
echo "$out" >"$DIR/text"
is wait_gives_the_status $rc = 1
timeout 60 ip netns exec "$NS" "$WEFT" --control "$DIR/second" --dev tap:tap1 --addr 10.0.1.1/24 \
	-c 'inetd; ping -i 100 127.0.0.1 > /dev/null &' >"$DIR/text" 2>&1
rc=$?
gives the_end_takes_jobs_along 0 'weft: ready'

got=$(timeout 60 "$WEFT" ctl --control "$DIR/control" 'inetd echo')
is inetd_returns "$?,$got" = 0,
expect inetd_answers sh -c "echo hello | timeout 20 ip netns exec $NS nc -N 10.0.0.1 7 | grep -q hello"
run "kill $(ctl jobs | awk '/inetd/ { print $1 }')"
gives inetd_is_killed 0 ''
host nc -N -w 20 10.0.0.1 7 </dev/null >/dev/null 2>&1
is inetd_listens_no_more $? != 0
for _ in 1 2 3 4 5 6 7 8 9 10; do ctl 'jobs &
jobs & jobs & jobs &' >/dev/null; done
run wait
gives many 0 ''
table
is ended_ones_are_bounded "$(wc -l <"$DIR/text")" -le 33
expect ends weft_down
exit $failed
