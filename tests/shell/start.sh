#!/bin/sh
# ./start and ./check on a machine where something is missing: in a folder of their own, with a PATH that has
# only what the case gives them.  Nothing is installed: apt-get, sudo, make and id are the test's.
set -u
top=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/tree/tests/harness" "$dir/tree/build" "$dir/bin"
cp start check "$dir/tree"
cp tests/harness/packages.sh "$dir/tree/tests/harness"
failed=0

# has NAME BODY: a command of this machine.
has() {
	printf '#!/bin/sh\n%s\n' "$2" >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}

lacks() {
	rm -f "$dir/bin/$1"
}

# fresh: a machine that has what every Debian has, a build that works, one package that is missing.
fresh() {
	rm -f "$dir/bin"/* "$dir"/*.log
	for tool in cat dirname env grep head mktemp nproc rm sh tail; do
		ln -s "$(command -v $tool)" "$dir/bin/$tool"
	done
	has dpkg-query 'exit 1'
	has id 'echo 0'
	has make "echo \"\$@\" >$dir/make.log; printf '#!/bin/sh\necho ran \"\$@\"\n' >build/weft; /bin/chmod +x build/weft"
	has apt-get "echo \"\$@\" >>$dir/apt.log"
	echo 'build there cmd sh' >"$dir/tree/tests/packages"
	echo 'test tester cmd no-such-tester' >>"$dir/tree/tests/packages"
}

# expect NAME WANTED COMMAND...: status and the whole output.
expect() {
	name=$1 wanted=$2
	shift 2
	got=$(cd / && PATH=$dir/bin "$@" 2>&1)
	got="$got
status $?"
	if [ "$got" = "$wanted" ]; then
		echo "ok $name"
	else
		printf '%s\n' "$got"
		echo "not ok $name: see above"
		failed=1
	fi
}

start=$dir/tree/start
check=$dir/tree/check

fresh
has apt-get "echo called"
expect nothing_missing_no_apt 'ran -c help x
status 0' "$start" -c help x
expect builds_what_run_needs '
status 0' grep -q build/libweft_preload.so "$dir/make.log"

fresh
has apt-get "echo \"\$*\" >>$dir/apt.log; case \"\$*\" in *install*) echo '#!' >$dir/bin/no-such-tester; /bin/chmod +x $dir/bin/no-such-tester;; esac"
mkdir -p "$dir/tree/tests"
echo 'echo tests ran' >"$dir/tree/tests/run.sh"
expect check_installs_what_is_missing 'weft: installing tester
tests ran
status 0' "$check"
if [ "$(cat "$dir/apt.log")" = '-qq -o DPkg::Lock::Timeout=120 update
-qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends tester' ]; then
	echo "ok apt_is_asked_for_that_alone"
else
	echo "not ok apt_is_asked_for_that_alone: $(cat "$dir/apt.log")"
	failed=1
fi

fresh
lacks apt-get
expect no_apt 'weft: packages missing, and no apt-get to install them: tester
status 1' "$check"

fresh
has id 'echo 1000'
expect not_root_no_sudo 'weft: packages missing: run as root: apt-get update && apt-get install -y --no-install-recommends tester
status 1' "$check"

fresh
has id 'echo 1000'
has sudo 'echo "sudo: a password is required" >&2; exit 1'
expect not_root_sudo_refuses 'sudo: a password is required
weft: packages missing: run as root: apt-get update && apt-get install -y --no-install-recommends tester
status 1' "$check"

fresh
has id 'echo 1000'
has true 'exit 0'
has sudo "echo \"\$*\" >>$dir/sudo.log; exec \"\$@\""
expect apt_installs_nothing 'weft: installing tester
weft: installed but not found: tester
status 1' "$check"
[ "$(grep -c apt-get "$dir/sudo.log")" = 2 ] && echo "ok sudo_for_both" || echo "not ok sudo_for_both: see sudo.log"

fresh
has apt-get "case \"\$*\" in *install*) echo 'E: Unable to locate package tester'; exit 100;; esac"
expect apt_fails 'weft: installing tester
weft: apt-get install: E: Unable to locate package tester
status 1' "$check"

fresh
has make 'echo "x.c:1: error" >&2; exit 2'
expect build_fails 'x.c:1: error
weft: build: make failed, see above
status 1' "$start"

fresh
expect check_unknown_argument 'weft: check: unknown argument --fast (see ./check --help)
status 1' "$check" --fast
for script in start check; do
	if "$top/$script" --help | grep -q "^usage: ./$script"; then
		echo "ok ${script}_help"
	else
		echo "not ok ${script}_help: no usage"
		failed=1
	fi
done
exit $failed
