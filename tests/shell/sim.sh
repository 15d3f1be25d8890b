#!/bin/sh
# weft sim: its command line, a scene from each source, the same bytes twice, statuses.
set -u
. tests/harness/report.sh
weft=$WEFT_BUILD/weft
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

is() {
	if [ "$2" = "$3" ]; then
		echo "ok $1"
	else
		echo "not ok $1: $2, expected $3"
		failed=1
	fi
}

# says NAME TEXT ARGS...: status 2, one line on standard error, nothing on standard output.
says() {
	name=$1 text=$2
	shift 2
	got=$("$weft" sim "$@" 2>&1 >"$dir/out" </dev/null)
	is "$name" "$? $(wc -c <"$dir/out") $got" "2 0 weft: sim: $text"
}

want='--seed and --find want a number, --until a time as 10s, --pcap a file'
says no_file "nowhere.txt: neither a file nor a name of --list" nowhere.txt
says no_option "--nothing: no such option" --nothing
says two_scenes "lossy: one scene is enough" clean lossy
says no_number "--seed: $want" clean --seed x
says no_value "--find: $want" clean --find
says no_time "--until: $want" clean --until 10
says unwritable "$dir/no/such: No such file or directory" clean --pcap "$dir/no/such"
says empty "<stdin>:0: there is no link, as 'link a b delay 10ms'" -

says a_folder "$dir: Is a directory" "$dir"
head -c 1100000 /dev/zero | tr '\0' '\n' >"$dir/long"
says too_long "$dir/long: File too large" "$dir/long"
says pcap_of_a_hunt "--pcap: is of one run, not of a hunt" clean --find 2 --pcap "$dir/x"
says report_of_a_scene "--report: takes --seed and --json only" clean --report

says no_escapes_in_errors '\x1b[2J: neither a file nor a name of --list' "$(printf '\033[2J')"

printf 'host a b\nlink a b delay 5ms loss 1%%\nbulk a b 100KB\n' >"$dir/net"
printf 'host a b\nlink a b\nbluk a b\n' >"$dir/bad"
says bad_line "$dir/bad:3: no statement 'bluk'; there are host, router, link, sysctl, seed, until, \
bulk, rr, many, slowreader, halfclose, reset" "$dir/bad"

"$weft" sim "$dir/net" --seed 4 --pcap "$dir/1.pcap" >"$dir/1" && "$weft" sim - --seed 4 --pcap "$dir/2.pcap" \
	<"$dir/net" >"$dir/2"
is from_file_and_stdin $? 0
cmp -s "$dir/1.pcap" "$dir/2.pcap"
is same_bytes_twice $? 0
cmp -s "$dir/1" "$dir/2"
is same_words_twice $? 0
"$weft" sim "$dir/net" --seed 4 --print | "$weft" sim - | cmp -s "$dir/1" -
is print_is_a_scene $? 0
is json "$("$weft" sim "$dir/net" --json | grep -c '^{"seed":1,"ok":true,.*"digest":"[0-9a-f]*"}$')" 1
is list "$("$weft" sim --list | awk '{ print $1 }' | head -n 1)" clean
for word in --help -h; do
	is "help_$word" "$("$weft" sim $word | head -c 15)" "usage: weft sim"
done
is hunt "$("$weft" sim "$dir/net" --find 5 --seed 9 2>"$dir/err" | sed 's/,.*: / ... /')" "5 seeds from 9 ... 0 bad"
is hunt_is_quiet_in_a_file "$(wc -c <"$dir/err")" 0
"$weft" sim clean >/dev/full 2>/dev/null
is full_output $? 2
"$weft" sim --list >/dev/full 2>/dev/null
is full_list $? 2
"$weft" sim -h >/dev/full 2>/dev/null
is full_help $? 2
exit $failed
