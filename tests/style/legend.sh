#!/bin/sh
# A struct with a LOCKING legend of letters has one of them in the comment of each field.  Locks themselves need
# none, nor does a struct inside that has a legend of its own, or a field that says where to look ("see ...").
set -u
. tests/harness/report.sh

# shellcheck disable=SC2046 # names without blanks
awk '
function note(text, i, n, word, letters) {
	text = substr(text, index(text, "/*") + 2)
	sub(/^\**[ \t]*/, "", text)
	if (text ~ /^see /)
		return 1
	sub(/[:*(;.].*/, "", text)
	n = split(text, word, /[ \t,]+/)
	for (i = 1; i <= n; i++)
		if (word[i] != "" && !(word[i] in legend))
			return letters
		else if (word[i] != "")
			letters = 1
	return letters
}
FNR == 1 { state = ""; comment = ""; if (FILENAME == first) second = 1; if (!first) first = FILENAME }
/LOCKING/ { state = "legend"; split("", legend); letters = 0; next }
state == "legend" {
	text = $0
	gsub(/^[ \t]*\*[ \t]+/, "", text)
	n = split(text, word, /[ \t]+/)
	for (i = 1; i <= n; i++)
		if (word[i] ~ /^[a-zA-Z]$/ && (i == 1 || $0 ~ "\t" word[i] "\t"))
			letters = legend[word[i]] = 1
	if (/\*\//)
		state = "wait"
	next
}
state == "wait" && /^struct .*{$/ {
	has_legend[$(NF - 1)] = 1
	state = letters && second ? "fields" : ""
	comment = ""
	depth = 0
	next
}
state == "fields" {
	if (/^}/) { state = ""; next }
	if (/{$/ && !/\*\//) { depth++; next }
	if (/^[ \t]*\/\*/) { comment = $0; if (/\*\/$/) next }
	if (/^[ \t]*\*/ || /^[ \t]*$/ || /^[ \t]*#/ || /^[ \t]*[A-Z_]+\(/) next
	if (/^[ \t]*}/ && depth > 0) { depth--; comment = ""; next }
	if (/^[ \t]*(struct (mutex|lock)|pthread_[a-z]+_t)[ \t]/ || ($1 == "struct" && ($2 in has_legend) && $3 !~ /^\*/)) {
		comment = ""
		next
	}
	if (/;/) {
		own = index($0, "/*") ? $0 : comment
		if (own == "" || !note(own))
			print FILENAME ":" FNR ": " $0
		if (depth == 0 || index($0, "/*")) comment = depth ? comment : ""
	}
}' $(sources) $(sources) | report each_field_has_its_letter
report_end
