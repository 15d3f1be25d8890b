#!/bin/sh
# On a terminal: prompt, completion, history, SIGINT at the prompt, a resize, end of input.
. tests/harness/net.sh
need expect
net_begin
export HOME="$DIR" WEFT NS DIR TERM=xterm
command expect -f - >"$DIR/out" 2>&1 <<'END'
set timeout 20
proc fails {why} { puts "\nFAILED $why"; exit 1 }
proc see {what} {
	expect -re $what {} timeout { fails "no $what" } eof { fails "ended before $what" }
}
spawn ip netns exec $env(NS) $env(WEFT) --control $env(DIR)/control
see {weft: ready}
see {\[net shell\]: }
send "he\tjobs\r"
see {list what runs in the background}
see {\[net shell\]: }
send "no such command"
see {command}
send "\003"
see {\^C\r\n}
see {\[net shell\]: }
exec stty rows 20 columns 50 < $spawn_out(slave,name)
send "help ki\t\r"
see {end jobs}
see {\[net shell\]: }
send "\033\[A\033\[A\r"
see {list what runs in the background}
see {\[net shell\]: }
send "\004"
expect eof
lassign [wait] pid spawn_id os status
puts "\nstatus $status"
END
if grep -q '^status 0' "$DIR/out"; then
	pass session
else
	cat "$DIR/out"
	fail session "$(grep FAILED "$DIR/out")"
fi
if [ "$(sed "s/ *$//" "$DIR/.weft_history")" = "help jobs
help kill
help jobs" ]; then
	pass history_file
else
	fail history_file "$(cat "$DIR/.weft_history")"
fi
exit $failed
