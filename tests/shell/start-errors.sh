#!/bin/bash
# What keeps weft from starting: one line that says what, why and what to do, status 1, nothing left behind.
. tests/harness/net.sh
need setpriv python3
net_begin
chmod 777 "$DIR"
cp "$WEFT" "$DIR/weft"

# refuses NAME TEXT OPTION...: in the namespace; TEXT is a pattern of the one line there is.
refuses() {
	name=$1 text=$2
	shift 2
	got=$(host "$DIR/weft" --control "$DIR/control" "$@" -c 'help jobs' 2>&1 </dev/null)
	rc=$?
	# shellcheck disable=SC2053 # a pattern
	if [ $rc = 1 ] && [[ $got == $text ]] && [ "$(echo "$got" | wc -l)" = 1 ]; then
		pass "$name"
	else
		echo "$got"
		fail "$name" "status $rc, not 1 with: $text"
	fi
	[ ! -e "$DIR/control" ] || fail "$name" 'the control socket is left'
}

ip -n "$NS" tuntap add dev eth7 mode tap
ip -n "$NS" link set eth7 up

ip -n "$NS" addr add 10.0.0.2/32 dev eth7
refuses host_address_in_use 'weft: tap0: 10.0.0.2: address in use on eth7: free is --addr 10.0.1.1/24 --host-addr 10.0.1.2/24'
ip -n "$NS" addr flush dev eth7
ip -n "$NS" addr add 10.0.0.1/32 dev eth7
refuses own_address_in_use 'weft: tap0: 10.0.0.1: address in use on eth7: free is --addr 10.0.1.1/24 --host-addr 10.0.1.2/24'
ip -n "$NS" addr flush dev eth7
ip -n "$NS" addr add 10.0.0.77/16 dev eth7
refuses subnet_of_an_address 'weft: tap0: 10.0.0.0/24 would shadow the host'"'"'s address 10.0.0.77/16 on eth7: free is --addr 10.1.0.1/24 --host-addr 10.1.0.2/24'
ip -n "$NS" addr flush dev eth7
ip -n "$NS" route add 10.0.0.128/25 dev eth7
refuses route_inside 'weft: tap0: 10.0.0.0/24 would shadow the host'"'"'s route to 10.0.0.128/25 on eth7: free is *'
ip -n "$NS" route flush dev eth7
ip -n "$NS" route add blackhole 10.0.0.0/8
refuses route_around 'weft: tap0: 10.0.0.0/24 would shadow the host'"'"'s route to 10.0.0.0/8 on no interface: free is --addr 192.168.0.1/24 --host-addr 192.168.0.2/24'
if host "$WEFT" --control "$DIR/control" --host-addr none -c 'help jobs' >/dev/null 2>&1; then
	pass host_addr_none_leaves_it_alone
else
	fail host_addr_none_leaves_it_alone 'it did not start'
fi
ip -n "$NS" route del blackhole 10.0.0.0/8
ip -n "$NS" route add default dev eth7
ip -n "$NS" route add 0.0.0.0/1 dev eth7
expect default_route_is_not_in_the_way host "$WEFT" --control "$DIR/control" -c 'help jobs'

refuses other_kind 'weft: lo: there is such an interface, of another kind: name another with --dev' --dev tap:lo
refuses own_gateway 'weft: --gateway: 10.0.0.1: not the address of another host' --gateway 10.0.0.1
refuses gateway 'weft: --gateway: 10.9.9.9: not in the subnet of a device' --gateway 10.9.9.9
refuses control_folder "weft: control: $DIR/no/control: No such file or directory: name another with --control PATH" \
	--control "$DIR/no/control"
long=$(head -c 200 /dev/zero | tr '\0' x)
refuses control_long "weft: control: $long: the path is longer than 107 bytes: name another with --control PATH" \
	--control "$long"
touch "$DIR/file"
refuses control_is_a_file "weft: control: $DIR/file: something else is there, no socket: name another*" --control "$DIR/file"
if [ -f "$DIR/file" ]; then pass control_leaves_a_file; else fail control_leaves_a_file 'it is gone'; fi

weft_up
mv "$DIR/control" "$DIR/first"
refuses device_busy 'weft: tap0: device in use: name another, as --dev tap:tap1'
mv "$DIR/first" "$DIR/control"
got=$(host "$WEFT" --control "$DIR/control" --dev tap:tap1 --addr 10.0.1.1/24 -c jobs 2>&1)
if [ "$got" = "weft: control: $DIR/control: in use by another weft: name another with --control PATH" ]; then
	pass control_in_use
else
	fail control_in_use "$got"
fi
expect the_first_runs_on ctl help jobs

# Another weft has the lock and its socket's name, and listens when the second has looked.
got=$(host python3 - "$DIR" "$WEFT" 2>&1 <<'END'
import fcntl, os, socket, subprocess, sys
folder, weft = sys.argv[1:]
path = folder + "/begun"
lock = os.open(folder, os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(path)
p = subprocess.Popen([weft, "--control", path, "--dev", "tap:tap1", "--addr", "10.0.1.1/24", "-c", "jobs"], stdin=subprocess.DEVNULL)
def waits():
	fds = "/proc/%d/fd/" % p.pid
	try:
		return any(os.readlink(fds + f) == os.path.realpath(folder) for f in os.listdir(fds))
	except FileNotFoundError: # it has closed one meanwhile
		return False
while p.poll() is None and not waits():
	pass
s.listen()
fcntl.flock(lock, fcntl.LOCK_UN)
sys.exit(p.wait() != 1)
END
) || got="status $?: $got"
if [[ $got == "weft: control: $DIR/begun: in use by another weft:"* ]]; then
	pass control_of_one_that_begins
else
	fail control_of_one_that_begins "$got"
fi
expect ends weft_down

# tun NAME TEXT SETUP DEVICE [COMMAND...]: with a /dev/net/tun of its own, run by COMMAND.
tun() {
	name=$1 text=$2 setup=$3 device=$4
	shift 4
	got=$(host unshare -m sh -c "$setup"' && exec "$@"' sh "$@" "$DIR/weft" --control "$DIR/control" \
		--dev "tap:$device" --addr 10.0.5.1/24 -c 'help jobs' 2>&1)
	rc=$?
	if [ $rc = 1 ] && [ "$got" = "weft: $text" ]; then
		pass "$name"
	else
		echo "$got"
		fail "$name" "status $rc, not 1 with: $text"
	fi
}
tun no_tun '/dev/net/tun: No such file or directory: load the driver (modprobe tun), or make the node (mkdir -p /dev/net; mknod /dev/net/tun c 10 200)' \
	'mount -t tmpfs none /dev/net' tap0
tun no_driver '/dev/net/tun: No such device or address: load the driver (modprobe tun), or make the node (mkdir -p /dev/net; mknod /dev/net/tun c 10 200)' \
	'mount -t tmpfs none /dev/net && mknod /dev/net/tun c 250 200' tap0
tun no_permission '/dev/net/tun: Permission denied: run weft as root, or let users open it: chmod 666 /dev/net/tun' \
	'mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200' tap0 \
	setpriv --reuid=65534 --regid=65534 --clear-groups
ip -n "$NS" route flush dev eth7
ip -n "$NS" tuntap add dev tap5 mode tap user 65534
tun made_but_no_permission '/dev/net/tun: Permission denied: run weft as root, or let users open it: chmod 666 /dev/net/tun' \
	'mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200' tap5 \
	setpriv --reuid=65534 --regid=65534 --clear-groups
tun made_but_not_configured "tap5: the host's end: Operation not permitted: run weft as root, or configure tap5 beforehand and give --host-addr none" \
	'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200' tap5 \
	setpriv --reuid=65534 --regid=65534 --clear-groups

# A host whose addresses come and go while they are read: the kernel breaks such a list off.
for i in $(seq 4000); do echo "addr add 172.16.$((i / 250)).$((i % 250))/32 dev eth7"; done | ip -n "$NS" -batch -
while ip -n "$NS" addr add 172.30.0.1/32 dev eth7; do ip -n "$NS" addr del 172.30.0.1/32 dev eth7; done &
changes=$!
twenty_times() {
	for _ in $(seq 20); do host "$WEFT" --control "$DIR/control" -c 'help jobs' || return; done
}
expect changing_host twenty_times
kill $changes
wait $changes 2>/dev/null
exit $failed
