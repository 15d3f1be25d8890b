/*
 * shell/cmd_debug.c - `debug`: trace lines of the rooms.  It blocks until ^C; -n goes on in the background,
 * -c ends those.
 */
#include <errno.h>
#include <string.h>

#include "lib/debug.h"
#include "shell/feed.h"
#include "shell/parse.h"

/*
 * LOCKING
 *	c	constant while the sink is there
 */
struct debug_tap {
	struct debug_sink sink; /* c: first */
	struct feed feed;       /* its own */
};

static void debug_tap_line(struct debug_sink *s, enum debug_level l, const char *text)
{
	struct debug_tap *t = (struct debug_tap *)s;
	size_t n = strlen(text);

	feed_put(&t->feed, text, n < FEED_MAX ? n : FEED_MAX);
}

/* The union of the levels named; 0: told what is wrong. */
static unsigned debug_levels(struct cmd *c, int at)
{
	unsigned levels = 0, one;

	for (; at < c->argc; at++) {
		if (c->argv[at][0] == '-')
			continue;
		one = debug_level_parse(c->argv[at]);
		if (!one) {
			cmd_usage(c, "unknown level %s", c->argv[at]);
			return 0;
		}
		levels |= one;
	}
	if (!levels)
		cmd_usage(c, "a level is wanted: dev l2 arp ip icmp udp tcp tcpstate all");
	return levels;
}

static int debug_run(struct cmd *c)
{
	struct debug_tap t = {.sink = {.line = debug_tap_line, .levels = debug_levels(c, 1)}};
	char line[FEED_MAX];
	int n, err = feed_open(&t.feed);

	if (err)
		return cmd_error(c, "pipe: %s", strerror(-err));
	debug_sink_add(c->stack, &t.sink);
	cmd_ready(c);
	while ((n = feed_take(c, &t.feed, line, sizeof(line), ENV_NEVER)) >= 0) {
		fwrite(line, 1, (size_t)n, c->out);
		if (!n || line[n - 1] != '\n')
			fputc('\n', c->out);
		fflush(c->out);
		if (ferror(c->out))
			break;
	}
	debug_sink_del(c->stack, &t.sink);
	feed_close(&t.feed);
	if (atomic_load(&t.feed.lost))
		fprintf(c->err, "%llu lines lost\n", (unsigned long long)atomic_load(&t.feed.lost));
	return CMD_INTERRUPTED;
}

int cmd_debug(struct cmd *c)
{
	struct opts o = {.c = c};
	bool background = false, clear = false;
	int letter;

	while ((letter = opts_next(&o, "nc")) > 0) {
		background |= letter == 'n';
		clear |= letter == 'c';
	}
	if (letter < 0)
		return CMD_USAGE;
	if (clear) {
		if (o.index < c->argc || background)
			return cmd_usage(c, "-c stands alone");
		job_kill_named(c, "debug");
		return CMD_OK;
	}
	if (!debug_levels(c, o.index))
		return CMD_USAGE;
	return background ? job_spawn(c, "debug", debug_run) : debug_run(c);
}
