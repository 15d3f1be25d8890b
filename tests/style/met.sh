#!/bin/sh
# Each counter, gauge, drop reason, setting and socket option that there is, is named by a test.
set -u
. tests/harness/report.sh

# What tests say; the bench only reads.
words=$WEFT_BUILD/words-of-tests
find tests -path tests/style -prune -o -path tests/bench -prune -o \
	-type f \( -name '*.[ch]' -o -name '*.pkt' -o -name '*.sh' -o -name '*.py' \) -print0 |
	xargs -0 grep -ohE '[A-Za-z_][A-Za-z0-9_.]*' | sort -u >"$words"

# unmet ALTERNATIVES: of each line those names, any of which will do; what no test has.
unmet() {
	awk 'NR == FNR { said[$1]; next } { for (i = 1; i <= NF; i++) if ($i in said) next; print $1 }' "$words" -
}

# enough N NAME: the list on stdin, if it is as long as one that was read rightly.
enough() {
	awk -v least="$1" -v name="$2" '{ print } END { if (NR < least) print "fewer-than-" least "-" name }'
}

# of TcpExt tests say the name alone: no other group has it
sed -n -e 's/^MIB(TcpExt, \([A-Za-z0-9]*\),.*/MIB_TcpExt_\1 TcpExt\1 \1/p' -e t \
	-e 's/^MIB(\([A-Za-z]*\), \([A-Za-z0-9]*\),.*/MIB_\1_\2 \1\2/p' lib/mib.def | enough 150 counters | unmet |
	report each_counter
sed -n 's/^GAUGE(\([a-z_]*\),.*/GAUGE_\1/p' lib/mib.def | enough 10 gauges | unmet | report each_gauge
sed -n 's/^DROP(\([A-Z0-9_]*\),.*/DROP_\1 \1/p' lib/drop_reason.def | sed /^DROP_NONE/d | enough 70 reasons | unmet |
	report each_drop_reason
sed -nE -e 's/^SYSCTL_(PART|KEY)\([a-z0-9_]+, "([^"]+)", "([^"]+)".*/\2.\3 \2/p' \
	-e 's/^SYSCTL(_WORDS)?\([a-z0-9_]+, "([^"]+)".*/\2/p' lib/sysctl.def | enough 90 settings | unmet | report each_setting
grep -ohE '^[^*]*(case|[{]|name == |name != )[ ]*(SO|IP|IPV6|TCP|ICMP)_[A-Z0-9_]+' socket/option.c socket/stream.c ip/inet_opt.c \
	ip/mcast_sock.c ip/raw.c ip/ping.c tcp/tcp_sockopt.c tcp/tcp_fastopen.c |
	grep -oE '(SO|IP|IPV6|TCP|ICMP)_[A-Z0-9_]+$' | sort -u | enough 60 options | unmet | report each_socket_option
report_end
