#!/bin/sh
# On a terminal: prompt, completion, history, SIGINT at the prompt, a resize, end of input.
. tests/harness/net.sh
need expect
if ! ldd "$WEFT" | grep -q libreadline; then
	echo "skip tty: this weft is built without readline"
	exit 0
fi
net_begin
export HOME="$DIR" WEFT NS DIR TERM=xterm
: >"$DIR/a file"
command expect -f - >"$DIR/out" 2>&1 <<'END'
set timeout 20
proc fails {why} { puts "\nFAILED $why"; exit 1 }
proc see {what} {
	expect -re $what {} timeout { fails "no $what" } eof { fails "ended before $what" }
}
spawn ip netns exec $env(NS) $env(WEFT) --control $env(DIR)/control
see {weft: ready}
see {lo: flags.*inet 127.0.0.1}
see {inet 10.0.0.1  netmask 255.255.255.0}
see {ether ([0-9a-f]{2}:){5}[0-9a-f]{2}  \(tap, 1 queue, offload\)}
see {the host's end: mtu 1500}
see {inet 10.0.0.2/24}
see {routes:.*10\.0\.0\.0 .*arp cache:.*threads:.* net_timer tcp_timer netdev netdev shell}
see {\[net shell\]: }
send "sysctl net.ipv4.tcp_congestion_c\t=cub\t\177\177\177cubic\r"
see {tcp_congestion_control = cubic}
see {\[net shell\]: }
send "netem ta\tof\t; help \"quit\" >\"$env(DIR)/a \t\r"
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
send "ping -i 100 127.0.0.1\r"
see {seq}
send "\003"
see {packets transmitted}
see {\[net shell\]: }
send "snc -l 127.0.0.1:1234\r"
exec timeout 30 sh -c "until $env(WEFT) ctl --control $env(DIR)/control ss -l | grep -q 1234; do :; done"
send "\003"
see {\[net shell\]: }
send "inetd echo\r"
see {\[net shell\]: }
send "snc -c 127.0.0.1:7\r"
exec timeout 30 sh -c "until $env(WEFT) ctl --control $env(DIR)/control ss | grep -q ESTAB; do :; done"
send "typed\r"
see {typed\r\ntyped\r\n}
send "more\r"
see {more\r\nmore\r\n}
send "\004"
see {\[net shell\]: }
send "\033\[A\033\[A\033\[A\033\[A\033\[A\033\[A\r"
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
if [ "$(sed "s/ *$//" "$DIR/.weft_history")" = "sysctl net.ipv4.tcp_congestion_control=cubic
netem tap0 off ; help \"quit\" >\"$DIR/a file\"
help jobs
help kill
ping -i 100 127.0.0.1
snc -l 127.0.0.1:1234
inetd echo
snc -c 127.0.0.1:7
help jobs" ]; then
	pass history_file
else
	fail history_file "$(cat "$DIR/.weft_history")"
fi
exit $failed
