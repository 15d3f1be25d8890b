/*
 * shell/cmd_stat.c - what the stack counts: `stat` (gauges: what must be back at its start when all is
 * closed), `nstat` (events, by Linux's names), `sysctl` (settings).
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_hash.h"
#include "lib/drop_reason.h"
#include "lib/mib.h"
#include "net/netdev.h"
#include "shell/parse.h"
#include "tcp/tcp.h"

/* --- stat -------------------------------------------------------------------------------------- */

struct stat_states {
	unsigned count[TCP_NSTATES];
};

static void stat_state(struct sock_common *sc, void *arg)
{
	struct stat_states *s = arg;
	unsigned state = atomic_load(&sc->state);

	if (state < TCP_NSTATES)
		s->count[state]++;
}

static void stat_print(struct cmd *c, const struct stat_states *s)
{
	for (unsigned g = 0; g < GAUGE_MAX; g++)
		fprintf(c->out, "%-16s %12" PRId64 "  %s\n", gauge_info[g].name,
			gauge_read(c->stack, g), gauge_info[g].text);
	fprintf(c->out, "%-16s %12" PRIu64 "  %s\n", "depot_bytes", depot_bytes(c->stack),
		"packet memory taken from the system, caches included");
	for (unsigned i = 1; i < TCP_NSTATES; i++)
		if (s->count[i])
			fprintf(c->out, "%-16s %12u  TCP socks in this state\n", tcp_state_text(i),
				s->count[i]);
}

static void stat_print_drops(struct cmd *c)
{
	for (unsigned d = 1; d < DROP_MAX; d++) {
		uint64_t n = pkbuf_drops(c->stack, d);

		if (n)
			fprintf(c->out, "%-20s %10" PRIu64 "  %s%s%s\n", drop_info[d].name, n,
				drop_info[d].text, drop_info[d].rfc[0] ? "; " : "",
				drop_info[d].rfc);
	}
}

static void stat_print_json(struct cmd *c, const struct stat_states *s, bool drops)
{
	const char *comma = "";

	fprintf(c->out, "{");
	for (unsigned g = 0; g < GAUGE_MAX; g++)
		fprintf(c->out, "\"%s\": %" PRId64 ", ", gauge_info[g].name,
			gauge_read(c->stack, g));
	fprintf(c->out, "\"depot_bytes\": %" PRIu64 ", \"tcp\": {", depot_bytes(c->stack));
	for (unsigned i = 1; i < TCP_NSTATES; i++) {
		fprintf(c->out, "%s\"%s\": %u", comma, tcp_state_text(i), s->count[i]);
		comma = ", ";
	}
	fprintf(c->out, "}");
	comma = ", \"drops\": {";
	for (unsigned d = 1; drops && d < DROP_MAX; d++) {
		fprintf(c->out, "%s\"%s\": %" PRIu64, comma, drop_info[d].name,
			pkbuf_drops(c->stack, d));
		comma = ", ";
	}
	fprintf(c->out, "%s}\n", drops ? "}" : "");
}

int cmd_stat(struct cmd *c)
{
	struct stat_states states = {.count = {0}};
	struct opts o = {.c = c};
	bool drops = false, json = false;
	struct batch b;
	int letter;

	while ((letter = opts_next(&o, "-d")) > 0) {
		if (letter == '-' && strcmp(o.arg, "json"))
			return cmd_usage(c, "unknown option --%s", o.arg);
		drops |= letter == 'd';
		json |= letter == '-';
	}
	if (letter < 0 || o.index < c->argc)
		return letter < 0 ? CMD_USAGE : cmd_usage(c, "too many words");
	for (struct netdev *dev = NULL; drops && (dev = netdev_next(c->stack, dev));)
		netdev_stats_update(dev);
	batch_begin(&b, c->stack);
	inet_each(tcp_table(c->stack), stat_state, &states);
	batch_end(&b);
	if (json)
		stat_print_json(c, &states, drops);
	else if (drops)
		stat_print_drops(c);
	else
		stat_print(c, &states);
	return CMD_OK;
}

/* --- nstat ------------------------------------------------------------------------------------- */

static bool nstat_wanted(struct cmd *c, int at, const char *name)
{
	for (int i = at; i < c->argc; i++)
		if (!fnmatch(c->argv[i], name, FNM_CASEFOLD))
			return true;
	return at >= c->argc;
}

int cmd_nstat(struct cmd *c)
{
	struct opts o = {.c = c};
	bool zeros = false, any = false;
	char name[64];
	uint64_t v;
	int letter;

	while ((letter = opts_next(&o, "az")) > 0)
		zeros = true;
	if (letter < 0)
		return CMD_USAGE;
	for (unsigned i = 0; i < MIB_MAX; i++) {
		snprintf(name, sizeof(name), "%s%s", mib_info[i].group, mib_info[i].name);
		if (!nstat_wanted(c, o.index, name))
			continue;
		any = true;
		v = mib_read(c->stack, i);
		if (v || zeros || o.index < c->argc)
			fprintf(c->out, "%-32s%-16" PRIu64 "%s\n", name, v, mib_info[i].text);
	}
	return any ? CMD_OK : cmd_error(c, "%s: no such counter", c->argv[o.index]);
}

/* --- sysctl ------------------------------------------------------------------------------------ */

static int sysctl_list(struct cmd *c)
{
	char name[SYSCTL_TEXT_MAX], value[SYSCTL_TEXT_MAX];

	for (size_t i = 0; i < sysctl_count; i++)
		if (sysctl_title(i, name) && !sysctl_read_text(c->stack, name, value))
			fprintf(c->out, "%s = %s\n", name, value);
	return CMD_OK;
}

/* NAME, NAME=VALUE; blanks around the sign have made words of their own. */
static int sysctl_word(struct cmd *c, int *at)
{
	char *word = c->argv[(*at)++], *value = strchr(word, '=');
	char text[SYSCTL_TEXT_MAX], why[SYSCTL_TEXT_MAX];

	if (value) {
		*value++ = '\0';
	} else if (*at + 1 < c->argc && !strcmp(c->argv[*at], "=")) {
		value = c->argv[*at + 1];
		*at += 2;
	}
	if (sysctl_read_text(c->stack, word, text))
		return cmd_error(c, "%s: no such setting", word);
	if (value && sysctl_write_text(c->stack, word, value, why))
		return cmd_error(c, "%s: bad value '%s': %s", word, value, why);
	sysctl_read_text(c->stack, word, text);
	fprintf(c->out, "%s = %s\n", word, text);
	return CMD_OK;
}

int cmd_sysctl(struct cmd *c)
{
	struct opts o = {.c = c};
	bool all = c->argc == 1;
	int letter, status = CMD_OK, one;

	while ((letter = opts_next(&o, "aw")) > 0)
		all |= letter == 'a';
	if (letter < 0)
		return CMD_USAGE;
	if (all)
		return sysctl_list(c);
	while (o.index < c->argc) {
		one = sysctl_word(c, &o.index);
		status = status ? status : one;
	}
	return status;
}
