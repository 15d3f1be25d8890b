/*
 * lib/mib_list.h - the numbers of the counters and gauges that lib/mib.def lists; apart from lib/mib.h, for
 * a slot holds one of each and to count is done in the slot.
 */
#pragma once

enum mib {
#define MIB(group, name, text) MIB_##group##_##name,
#include "lib/mib.def"
	MIB_MAX
};

enum gauge {
#define GAUGE(name, text) GAUGE_##name,
#include "lib/mib.def"
	GAUGE_MAX
};
