#!/bin/bash
# Frames made by hand that weft must not take: what it answers to each, if at all, and where it is counted.
. tests/harness/net.sh
need python3 ping
net_begin
weft_up -c 'inetd echo'
ctl neigh add 10.0.0.50 lladdr "$(host cat /sys/class/net/tap0/address)" dev tap0

# counted NAME N COMMAND...: the counter's row in the command's output has N.
counted() {
	expect "$1" until_true 5 seen "^$1 +$2( |\$)" ctl "${@:3}"
}

expect ip_headers host python3 tests/harness/frames.py tap0 10.0.0.1 ip_bad
for reason in IP_VERSION IP_HDRLEN IP_LENGTH IP_CSUM IP_SHORT; do
	counted $reason 1 stat -d
done
counted IpInHdrErrors 4 nstat -a
counted IpExtInCsumErrors 1 nstat -a

# What is for somebody else, when weft is no router.
ctl sysctl net.ipv4.ip_forward=0 >/dev/null
ip -n "$NS" route add 10.0.9.0/24 via 10.0.0.1
host ping -q -c 1 -W 0.1 10.0.9.1 >/dev/null
counted IP_NOT_FOR_US 1 stat -d
counted IpInAddrErrors 1 nstat -a

expect tcp_to_a_listener host python3 tests/harness/frames.py tap0 10.0.0.1 tcp_listen_bad
for reason in TCP_LISTEN_RST TCP_SYN_FIN TCP_LISTEN_FLAGS TCP_CSUM TCP_SHORT TCP_LISTEN_ACK; do
	counted $reason 1 stat -d
done
counted TcpInCsumErrors 1 nstat -a
counted TcpInErrs 2 nstat -a
counted TcpOutRsts 1 nstat -a

expect tcp_syn_again host python3 tests/harness/frames.py tap0 10.0.0.1 tcp_syn_again
counted TcpExtTCPACKSkippedSynRecv 1 nstat -a
counted TcpExtEmbryonicRsts 1 nstat -a
counted TcpAttemptFails 1 nstat -a
counted TcpPassiveOpens 0 nstat -a
expect padding_is_no_data host python3 tests/harness/frames.py tap0 10.0.0.1 tcp_padded
expect weft_ends weft_down
exit $failed
