/*
 * shell/hint.c - `weft run`, and what it says of a program that wanted to go beyond weft's networks.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "shell/client.h"
#include "shell/missed.h"
#include "shell/program.h"
#include "shell/shell_priv.h"

#define LEAD "weft: run: "

static void hint_begins(void *arg, const struct program_scene *s)
{
	missed_begin(arg, s->table);
	if (s->gateway)
		uplink_forwarding(stderr, LEAD, &s->up, s->gateway);
}

/* Of the first address only: the others want the same. */
static void hint_ended(void *arg, const struct program_scene *s, int status)
{
	struct missed_one one;
	unsigned at = 0;

	while (missed_next(arg, s->table, &at, &one)) {
		if (one.call == PROGRAM_CALL_CONNECT && one.first == AF_INET) {
			uplink_explain(stderr, LEAD, &s->up, (uint32_t)one.second);
			return;
		}
	}
}

int run_main(int argc, char **argv)
{
	struct missed m;
	const struct program_watch w = {.begins = hint_begins, .ended = hint_ended, .arg = &m};

	return program_run(argc, argv, &w);
}
