#!/bin/sh
# What a build folder has was compiled with the options that it is asked for now, or is compiled again.
set -u
. tests/harness/report.sh
unset MAKEFLAGS MAKELEVEL MFLAGS V DEBUG
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

# compiled NAME OPTIONS...: what of one object's folder is compiled with these
compiled() {
	name=$1
	shift
	make --no-print-directory B="$folder" PROFILE=no LTO=no SANITIZE= "$@" "$folder/obj/lib/text.o" >"$folder/said" 2>&1 ||
		echo "make failed" >>"$folder/said"
	sed 's/  */ /g' "$folder/said" >"$folder/$name"
}

compiles() {
	grep -q 'CC lib/text.c' "$folder/$1" || echo "not compiled: $(cat "$folder/$1")"
}

compiled first
compiles first | report first_is_compiled
compiled same
grep '^ CC \|failed' "$folder/same" | report same_is_not_compiled_again
compiled other DEBUG=no
compiles other | report other_options_are
compiled back
compiles back | report and_back_again
report_end
