/*
 * shell/cmd_neigh.c - `neigh`, the neighbour cache in iproute2's words, and `arpcache`, tapip's table of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "lib/mib.h"
#include "shell/parse.h"

/* Every entry, to be freed; NULL: no memory.  The cache may grow between the two looks. */
static struct neigh_info *neigh_snapshot(struct stack *st, unsigned *n)
{
	struct neigh_info *list = NULL;
	unsigned room, have = neigh_list(st, NULL, 0);

	do {
		room = have + 16;
		free(list);
		list = calloc(room, sizeof(*list));
		if (!list)
			return NULL;
		have = neigh_list(st, list, room);
	} while (have > room);
	*n = have;
	return list;
}

static bool neigh_has_mac(const struct neigh_info *i)
{
	return i->state != NUD_INCOMPLETE && i->state != NUD_FAILED && i->state != NUD_NONE;
}

static unsigned long long neigh_seconds(uint64_t ns)
{
	return ns == ENV_NEVER ? 0 : ns / NSEC_PER_SEC;
}

/* Used, confirmed, updated, in seconds ago; "-": never. */
static void neigh_print_ages(FILE *out, const struct neigh_info *i)
{
	const uint64_t ages[] = {i->used, i->confirmed, i->updated};
	char sign = ' ';

	fprintf(out, " used");
	for (unsigned n = 0; n < 3; n++) {
		if (ages[n] == ENV_NEVER)
			fprintf(out, "%c-", sign);
		else
			fprintf(out, "%c%llu", sign, neigh_seconds(ages[n]));
		sign = '/';
	}
}

static void neigh_print(struct cmd *c, const struct neigh_info *i, bool statistics)
{
	char addr[IP_ADDR_TEXT], mac[MAC_TEXT];

	fprintf(c->out, "%s dev %s", ip_addr_text(&i->addr, addr), i->dev);
	if (neigh_has_mac(i))
		fprintf(c->out, " lladdr %s", mac_text(i->mac, mac));
	if (statistics) {
		fprintf(c->out, " ref %u", i->refs);
		neigh_print_ages(c->out, i);
		fprintf(c->out, " probes %u held %u bytes %u", i->probes, i->held, i->held_bytes);
	}
	fprintf(c->out, " %s\n", neigh_nud_text(i->state));
}

/* The whole cache, in the words of `ip -s ntable`. */
static void neigh_print_cache(struct cmd *c, unsigned entries)
{
	struct stack *st = c->stack;

	fprintf(c->out,
		"arp_cache entries %u lookups %" PRIu64 " hits %" PRIu64 " res_ok %" PRIu64
		" res_failed %" PRIu64 " unres_discards %" PRIu64 " gc_thresh3 %" PRId64
		" base_reachable %" PRId64 "ms\n",
		entries, mib_read(st, MIB_Arp_Lookups), mib_read(st, MIB_Arp_Hits),
		mib_read(st, MIB_Arp_Resolved), mib_read(st, MIB_Arp_Failed),
		mib_read(st, MIB_Arp_HoldDrops), sysctl_get(st, neigh_gc_thresh3),
		sysctl_get(st, neigh_base_reachable_ms));
}

static int neigh_show(struct cmd *c, struct netdev *dev, bool statistics)
{
	unsigned n;
	struct neigh_info *list = neigh_snapshot(c->stack, &n);

	if (!list)
		return cmd_error(c, "no memory");
	for (unsigned i = 0; i < n; i++)
		if (!dev || !strcmp(dev->name, list[i].dev))
			neigh_print(c, &list[i], statistics);
	if (statistics)
		neigh_print_cache(c, n);
	free(list);
	return CMD_OK;
}

/* "ADDR lladdr MAC dev DEV", in any order behind the address; MAC may be absent. */
struct neigh_words {
	struct ip_addr addr;
	uint8_t mac[ETHER_ALEN];
	bool has_mac;
	struct netdev *dev;
};

static int neigh_words(struct cmd *c, int at, struct neigh_words *w)
{
	int status;

	if (at >= c->argc)
		return cmd_usage(c, "an address is wanted");
	status = parse_addr(c, c->argv[at++], &w->addr);
	for (; !status && at < c->argc; at += 2) {
		if (at + 1 >= c->argc)
			return cmd_usage(c, "%s needs a value", c->argv[at]);
		if (!strcmp(c->argv[at], "dev")) {
			status = parse_device(c, c->argv[at + 1], &w->dev);
		} else if (!strcmp(c->argv[at], "lladdr")) {
			status = parse_mac(c, c->argv[at + 1], w->mac);
			w->has_mac = true;
		} else {
			return cmd_usage(c, "unknown word %s", c->argv[at]);
		}
	}
	if (!status && !w->dev)
		return cmd_usage(c, "dev DEV is wanted");
	return status;
}

static int neigh_change(struct cmd *c, int at, bool add)
{
	struct neigh_words w = {.dev = NULL};
	struct batch b;
	int status = neigh_words(c, at, &w), err;

	if (status)
		return status;
	if (add && !w.has_mac)
		return cmd_usage(c, "lladdr MAC is wanted");
	batch_begin(&b, c->stack);
	err = add ? neigh_add_permanent(w.dev, &w.addr, w.mac) : neigh_del(w.dev, &w.addr);
	batch_end(&b);
	if (err == -ENOENT)
		return cmd_error(c, "%s: no such entry", c->argv[at]);
	return err ? cmd_error(c, "%s: %s", c->argv[at], strerror(-err)) : CMD_OK;
}

/* The device behind an optional "dev"; without any word all devices are meant. */
static int neigh_device(struct cmd *c, int at, struct netdev **dev)
{
	*dev = NULL;
	if (at < c->argc && !strcmp(c->argv[at], "dev") && ++at >= c->argc)
		return cmd_usage(c, "dev needs a value");
	if (at + 1 < c->argc)
		return cmd_usage(c, "too many words");
	return at < c->argc ? parse_device(c, c->argv[at], dev) : CMD_OK;
}

int cmd_neigh(struct cmd *c)
{
	struct opts o = {.c = c};
	bool statistics = false;
	struct netdev *dev;
	const char *verb;
	struct batch b;
	int letter, status;

	while ((letter = opts_next(&o, "s")) > 0)
		statistics = true;
	if (letter < 0)
		return CMD_USAGE;
	verb = o.index < c->argc ? c->argv[o.index] : "show";
	if (!strcmp(verb, "add") || !strcmp(verb, "del"))
		return neigh_change(c, o.index + 1, verb[0] == 'a');
	if (strcmp(verb, "show") && strcmp(verb, "flush"))
		return cmd_usage(c, "unknown word %s", verb);
	status = neigh_device(c, o.index + 1, &dev);
	if (status || verb[0] == 's')
		return status ? status : neigh_show(c, dev, statistics);
	batch_begin(&b, c->stack);
	neigh_flush(c->stack, dev);
	batch_end(&b);
	return CMD_OK;
}

int cmd_arp(struct cmd *c)
{
	uint64_t age = (uint64_t)sysctl_get(c->stack, neigh_gc_stale_s), used;
	char addr[IP_ADDR_TEXT], mac[MAC_TEXT], timeout[24];
	struct neigh_info *list;
	unsigned n;

	if (c->argc > 1)
		return cmd_usage(c, "too many words");
	list = neigh_snapshot(c->stack, &n);
	if (!list)
		return cmd_error(c, "no memory");
	fprintf(c->out, "%-15s %-17s %-11s %7s %s\n", "IP Address", "HWaddress", "State", "Timeout",
		"Device");
	for (unsigned i = 0; i < n; i++) {
		used = neigh_seconds(list[i].used);
		snprintf(timeout, sizeof(timeout), "%llu",
			 (unsigned long long)(used < age ? age - used : 0));
		fprintf(c->out, "%-15s %-17s %-11s %7s %s\n", ip_addr_text(&list[i].addr, addr),
			neigh_has_mac(&list[i]) ? mac_text(list[i].mac, mac) : "-",
			neigh_nud_text(list[i].state),
			list[i].state == NUD_PERMANENT ? "-" : timeout, list[i].dev);
	}
	free(list);
	return CMD_OK;
}
