# shellcheck shell=sh
# tests/harness/packages.sh - for ./start and ./check: `need_packages KIND...` installs what tests/packages
# names and is missing.  apt is called only when something is.

die() {
	echo "weft: $*" >&2
	exit 1
}

# found PACKAGE PROBE ARG
found() {
	PATH=$PATH:/usr/sbin:/sbin
	case $2 in
	cmd) command -v "$3" >/dev/null && return ;;
	pc) pkg-config --exists "$3" 2>/dev/null && return ;;
	header) echo "#include <$3>" | cc -E -x c - >/dev/null 2>&1 && return ;;
	esac
	# shellcheck disable=SC2016 # dpkg's own variable
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing KIND...: the packages of these kinds that are not there, on one line.
missing() {
	while read -r kind package probe arg; do
		case " $* " in
		*" $kind "*) found "$package" "$probe" "$arg" || printf ' %s' "$package" ;;
		esac
	done <tests/packages
}

# as_root COMMAND...
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# may_be_root: asks for the password, if there is one to ask for, before anything is hidden.
may_be_root() {
	[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo true; }
}

# apt ARGS...: quiet; when it fails, $why is its own first complaint, the cause of the others.
apt() {
	log=$(mktemp) || exit 1
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1
	status=$?
	why=$(grep -E '^(E|Err):' "$log" | head -n 1)
	[ -n "$why" ] || why=$(tail -n 1 "$log")
	rm -f "$log"
	return $status
}

need_packages() {
	packages=$(missing "$@")
	[ -n "$packages" ] || return 0
	command -v apt-get >/dev/null || die "packages missing, and no apt-get to install them:$packages"
	may_be_root ||
		die "packages missing: run as root: apt-get update && apt-get install -y --no-install-recommends$packages"
	echo "weft: installing$packages" >&2
	apt update || echo "weft: apt-get update: $why" >&2
	# shellcheck disable=SC2086 # a list of words
	apt install -y --no-install-recommends $packages || die "apt-get install: $why"
	packages=$(missing "$@")
	[ -z "$packages" ] || die "installed but not found:$packages"
}

build() {
	make -s -j"$(nproc)" "$@" >&2 || die "build: make failed, see above"
}
