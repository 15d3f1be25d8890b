/*
 * lib/drop_reason.c - the table behind enum drop_reason: name, source and text of each, by which
 * counters, `stat -d` and trace lines are printed.
 */
#include "lib/drop_reason.h"

const struct drop_info drop_info[DROP_MAX] = {
#define DROP(name, rfc, text) [DROP_##name] = {#name, rfc, text},
#include "lib/drop_reason.def"
#undef DROP
};
