#!/bin/sh
# What weft says to its options: --help and --version, and every mistake with its one line and status 2.
# Nothing here comes as far as opening a device.
set -u
. tests/harness/report.sh
weft=$WEFT_BUILD/weft
failed=0

# expect NAME STATUS TEXT OPTION...: all that it prints on standard error, but for "weft: " before.
expect() {
	name=$1 status=$2 text=$3
	shift 3
	got=$("$weft" "$@" 2>&1 >/dev/null </dev/null)
	rc=$?
	if [ "$rc" = "$status" ] && [ "$got" = "weft: $text" ]; then
		echo "ok $name"
		return
	fi
	echo "status $rc, $got"
	echo "not ok $name: not status $status, weft: $text"
	failed=1
}

# wrong NAME TEXT OPTION...
wrong() {
	name=$1 text=$2
	shift 2
	expect "$name" 2 "$text (see weft --help)" "$@"
}

if "$weft" --help | grep -q '^usage: weft' && "$weft" --version | grep -Eq '^weft [0-9]+\.[0-9]+\.[0-9]+$'; then
	echo "ok help_and_version"
else
	echo "not ok help_and_version: no usage or no version"
	failed=1
fi
for words in 'ctl --help' 'ctl -h' 'host --help' 'run --help' 'doctor --help' 'doctor -h' 'sim --help' '-h'; do
	# shellcheck disable=SC2086
	"$weft" $words 2>&1 </dev/null | grep -q '^usage: weft' && "$weft" $words >/dev/null 2>&1 || echo "$words"
	# shellcheck disable=SC2086
	"$weft" $words >/dev/full 2>/dev/null && echo "$words on a full disk"
done | report every_subcommand_has_help
[ "$report_failed" = 0 ] || failed=1
for words in --help --version 'run --help' 'doctor --help' doctor 'doctor --json' 'sim --help' 'sim --list'; do
	# shellcheck disable=SC2086
	"$weft" $words 2>&1 >/dev/full </dev/null | grep -Eq '^weft: .*standard output: No space left on device$' || echo "$words"
done | report each_full_disk_is_told
[ "$report_failed" = 0 ] || failed=1
for option in --dev --addr --host-addr --mac --mtu --gateway --no-offload --probe --queues --control --dns -c -f -d -v; do
	"$weft" --help | grep -q -e "$option\b" || echo "$option"
done | report help_names_every_option
[ "$report_failed" = 0 ] || failed=1

wrong unknown_long '--nope: unknown option' --nope
wrong unknown_short '-x: unknown option' -x
wrong unknown_short_behind_another '-x: unknown option' -dx
wrong value_missing '--addr: its value is missing' --addr
wrong short_value_missing '-c: its value is missing' -d -c
wrong probe_value '--probe=1: it takes no value' --probe=1
wrong value_not_wanted '--no-offload=1: it takes no value' --no-offload=1
wrong word_alone 'start: unknown command' start
wrong dev_kind '--dev: eth0: not tap:NAME, tun:NAME or packet:NAME' --dev eth0
wrong dev_no_name '--dev: tap:: not a name of 1 to 15 characters' --dev tap:
wrong dev_long_name '--dev: tap:sixteen_is_too_m: not a name of 1 to 15 characters' --dev tap:sixteen_is_too_m
wrong dev_bad_name '--dev: tun:a/b: not a name of 1 to 15 characters' --dev tun:a/b
wrong dev_twice '--dev: tap:a: given twice' --dev tap:a --dev tap:a
wrong addr_text '--addr: 10.0.0: not an IPv4 address with a length, as 10.0.0.1/24' --addr 10.0.0
wrong addr_range '--addr: 10.0.0.256/24: not an IPv4 address with a length, as 10.0.0.1/24' --addr 10.0.0.256/24
wrong addr_six '--addr: fe80::1/64: not an IPv4 address with a length, as 10.0.0.1/24' --addr fe80::1/64
wrong addr_no_length '--addr: 10.0.0.1: its length is missing, as in 10.0.0.1/24' --addr 10.0.0.1
wrong addr_multicast '--addr: 224.0.0.1/24: not an address an interface can have' --addr 224.0.0.1/24
wrong addr_loopback '--addr: 127.0.0.1/8: not an address an interface can have' --addr 127.0.0.1/8
wrong addr_network '--addr: 10.0.0.0/24: the first or last address of its subnet' --addr 10.0.0.0/24
wrong addr_broadcast '--addr: 10.0.0.255/24: the first or last address of its subnet' --addr 10.0.0.255/24
wrong addr_alone '--addr: 10.0.0.1/32: needs a --host-addr' --addr 10.0.0.1/32
wrong host_addr_same '--host-addr: the same address as --addr 10.0.0.1/24' --host-addr 10.0.0.1/24
wrong host_addr_text '--host-addr: no: not an IPv4 address with a length, as 10.0.0.1/24' --host-addr no
wrong devices_overlap '--addr: 10.0.0.7/8 overlaps 10.0.0.1/24 of tap:a' --dev tap:a --dev tap:b --addr 10.0.0.7/8
wrong mac_text '--mac: 02:00:00:00:00: not an address as 02:00:00:00:00:01' --mac 02:00:00:00:00
wrong mac_group '--mac: 01:00:5e:00:00:01: not one station'"'"'s address' --mac 01:00:5e:00:00:01
wrong mtu_small '--mtu: 67: not a number from 68 to 65521' --mtu 67
wrong mtu_large '--mtu: 65522: not a number from 68 to 65521' --mtu 65522
wrong mtu_text '--mtu: 1500b: not a number from 68 to 65521' --mtu 1500b
wrong queues '--queues: 17: not a number from 1 to 16' --queues 17
wrong gateway '--gateway: 0.0.0.0: not an IPv4 address' --gateway 0.0.0.0
wrong control_empty '--control: the path is empty' --control ''
wrong ctl_nothing 'ctl: nothing to run' ctl
wrong ctl_value_missing '--control: its value is missing' ctl --control
wrong ctl_option '--nope: unknown option' ctl --nope jobs
wrong host_nothing 'host: nothing to run' host --control x --
wrong run_mode 'sideways: a mode is preload, notify or both' run --mode sideways -- true
wrong mode_alone '--mode: only of weft run' --mode both
wrong run_nothing 'run: nothing to run' run --control x --
expect run_no_weft 1 'run: /nonexistent: no weft listens there' run --control /nonexistent -- true
dir=$(mktemp -d)
expect ctl_no_socket 1 "ctl: $dir: no weft listens there" ctl --control "$dir" jobs
rmdir "$dir"
expect file_missing 1 '-f: /nonexistent: No such file or directory' -f /nonexistent
expect ctl_no_weft 1 'ctl: /nonexistent: no weft listens there' ctl --control /nonexistent jobs
expect host_no_weft 1 'host: /nonexistent: no weft listens there' host --control /nonexistent -- true
exit $failed
