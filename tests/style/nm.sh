#!/bin/sh
# libweft has no mutable global but those of writable.allow, and nothing but weft_* leaves it.
set -u
. tests/harness/report.sh
lib=$WEFT_BUILD/libweft

allowed() {
	awk 'NR == FNR { if ($0 !~ /^#/) ok[$1]; next } !($1 in ok)' tests/style/writable.allow -
}

# .data.rel.ro is read-only once it is loaded; a static may have a number behind its name, or .lto_priv.
objdump -t "$lib.a" | awk '$0 ~ /[ \t]\.(data|bss|tdata|tbss)(\.|[ \t])/ && $0 !~ /\.data\.rel\.ro/ && $0 ~ / [OT]? *\./ {
	name = $NF
	sub(/(\.lto_priv)?(\.[0-9]+)*$/, "", name)
	if (name !~ /^\.(data|bss|tdata|tbss)/)
		print name
}' | sort -u | allowed | report no_writable_data
objdump -t "$lib.a" | grep -F '*COM*' | report no_common_data
nm -g --defined-only "$lib.a" | awk 'NF == 3 && $3 !~ /^weft_/ { print $3 }' | report static_library_names
nm -D --defined-only "$lib.so" | awk '$3 !~ /^weft_/ && $3 != "WEFT_0@@WEFT_0" && $3 != "WEFT_0" { print $3 }' |
	report shared_library_names
for name in weft_socket weft_connect weft_poll weft_close; do
	for file in "$lib.a" "$lib.so"; do
		case $file in
		*.so) nm -D --defined-only "$file" ;;
		*) nm -g --defined-only "$file" ;;
		esac | grep -Eq " T $name(@|$)" || echo "$file: $name is missing"
	done
done | report public_names_are_there
report_end
