/*
 * shell/cmd_route.c - `route`: the table, one destination's way, and changes in net-tools' and iproute2's
 * words alike.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ip/ip.h"
#include "shell/parse.h"

/* What an address can be told from on a line of either syntax. */
static bool route_is4(const struct route *r)
{
	return r->prefix >= IP_PREFIX4(0) && ip_addr_is4(&r->net);
}

static const char *route_mask_text(const struct route *r, char *buf)
{
	struct ip_addr mask = ip_addr_mask(&ip_addr_bcast4, r->prefix);

	if (!route_is4(r)) {
		snprintf(buf, IP_ADDR_TEXT, "/%u", r->prefix);
		return buf;
	}
	return ip_addr_text(&mask, buf);
}

static void route_print(struct cmd *c, const struct route *r)
{
	char net[IP_ADDR_TEXT], gateway[IP_ADDR_TEXT], mask[IP_ADDR_TEXT], flags[8] = "U";
	bool via = !ip_addr_is_any(&r->gateway);

	if (!r->dev)
		strcpy(flags, "!");
	if (via)
		strcat(flags, "G");
	if (r->prefix == 128)
		strcat(flags, "H");
	if (r->flags & ROUTE_F_CONNECTED)
		strcat(flags, "C");
	fprintf(c->out, "%-15s %-15s %-15s %-5s %6u %5u %s\n", ip_addr_text(&r->net, net),
		via ? ip_addr_text(&r->gateway, gateway) : "*", route_mask_text(r, mask), flags,
		r->metric,
		r->mtu   ? r->mtu
		: r->dev ? r->dev->mtu
			 : 0,
		r->dev ? r->dev->name : "-");
}

static int route_show(struct cmd *c)
{
	unsigned room, have = route_list(c->stack, NULL, 0);
	struct route *list = NULL;

	do {
		room = have + 16;
		free(list);
		list = calloc(room, sizeof(*list));
		if (!list)
			return cmd_error(c, "no memory");
		have = route_list(c->stack, list, room);
	} while (have > room);
	fprintf(c->out, "%-15s %-15s %-15s %-5s %6s %5s %s\n", "Destination", "Gateway", "Genmask",
		"Flags", "Metric", "MTU", "Iface");
	for (unsigned i = 0; i < have; i++)
		route_print(c, &list[i]);
	free(list);
	return CMD_OK;
}

/* --- route get --------------------------------------------------------------------------------- */

static void route_get_print(struct cmd *c, const struct path *p, const struct ip_addr *dst)
{
	static const char *const types[] = {"",           "local ",     "broadcast ",
					    "multicast ", "blackhole ", "unreachable "};
	char text[IP_ADDR_TEXT];
	struct route r;

	fprintf(c->out, "%s%s", types[p->type], ip_addr_text(dst, text));
	if (!ip_addr_eq(&p->nexthop, dst) && !ip_addr_is_any(&p->nexthop))
		fprintf(c->out, " via %s", ip_addr_text(&p->nexthop, text));
	fprintf(c->out, " dev %s src %s mtu %u%s", p->dev->name, ip_addr_text(&p->src, text),
		p->mtu, p->mtu_locked ? " lock" : "");
	if (p->advmss)
		fprintf(c->out, " advmss %u", p->advmss);
	if (p->initcwnd)
		fprintf(c->out, " initcwnd %u", p->initcwnd);
	fputc('\n', c->out);
	if (p->type == ROUTE_UNICAST && route_lookup(c->stack, dst, 0, &r))
		fprintf(c->out, "    by %s/%u metric %u\n", ip_addr_text(&r.net, text),
			route_is4(&r) ? r.prefix - IP_PREFIX4(0) : r.prefix, r.metric);
}

static int route_get(struct cmd *c, int at)
{
	struct ip_flow f = {.broadcast = true};
	struct path *p;
	struct batch b;
	int err, status;

	if (at + 1 != c->argc)
		return cmd_usage(c, "get takes one address");
	status = parse_addr(c, c->argv[at], &f.dst);
	if (status)
		return status;
	batch_begin(&b, c->stack);
	p = path_get(c->stack, &f, &err);
	batch_end(&b);
	if (!p)
		return cmd_error(c, "%s: %s", c->argv[at], strerror(-err));
	route_get_print(c, p, &f.dst);
	path_put(p);
	return CMD_OK;
}

/* --- route add, del ---------------------------------------------------------------------------- */

static int route_netmask(struct cmd *c, const char *text, struct route *r)
{
	struct ip_addr mask;
	uint32_t m;

	if (ip_addr_parse(text, &mask) || !ip_addr_is4(&mask))
		return cmd_usage(c, "bad netmask '%s'", text);
	m = ip_addr_to4(&mask);
	if (~m & (~m + 1))
		return cmd_usage(c, "bad netmask '%s': not contiguous", text);
	r->prefix = IP_PREFIX4(m ? 32 - (unsigned)__builtin_ctz(m) : 0);
	return CMD_OK;
}

static int route_number(struct cmd *c, const char *text, const struct range *range, uint32_t *out)
{
	uint64_t v;
	int status = parse_count(c, text, range, &v);

	if (!status)
		*out = (uint32_t)v;
	return status;
}

/* What TCP takes from a route, 16 bits each. */
static int route_tcp(struct cmd *c, const char *word, const char *value, struct route *r)
{
	static const struct range advmss = {"advmss", 48, 65495}, initcwnd = {"initcwnd", 1, 10000};
	bool is_mss = !strcmp(word, "advmss");
	uint32_t n;
	int status = route_number(c, value, is_mss ? &advmss : &initcwnd, &n);

	if (!status)
		*(is_mss ? &r->advmss : &r->initcwnd) = (uint16_t)n;
	return status;
}

/* A word that takes a value: gw, via, dev, metric, mtu, advmss, initcwnd, src, netmask. */
static int route_word(struct cmd *c, const char *word, const char *value, struct route *r)
{
	static const struct range metric = {"metric", 0, UINT32_MAX}, mtu = {"mtu", 68, 65535};

	if (!strcmp(word, "gw") || !strcmp(word, "via"))
		return parse_addr(c, value, &r->gateway);
	if (!strcmp(word, "dev"))
		return parse_device(c, value, &r->dev);
	if (!strcmp(word, "metric"))
		return route_number(c, value, &metric, &r->metric);
	if (!strcmp(word, "mtu"))
		return route_number(c, value, &mtu, &r->mtu);
	if (!strcmp(word, "advmss") || !strcmp(word, "initcwnd"))
		return route_tcp(c, word, value, r);
	if (!strcmp(word, "src"))
		return parse_addr(c, value, &r->src);
	if (!strcmp(word, "netmask"))
		return route_netmask(c, value, r);
	return cmd_usage(c, "unknown word %s", word);
}

static int route_target(struct cmd *c, const char *text, bool host, struct route *r)
{
	int status;

	if (!strcmp(text, "default")) {
		r->net = ip_addr_any4;
		r->prefix = IP_PREFIX4(0);
		return CMD_OK;
	}
	if (host) {
		r->prefix = 128;
		return parse_addr(c, text, &r->net);
	}
	status = parse_prefix(c, text, &r->net, &r->prefix);
	if (!status && ip_addr_is_any(&r->net) && !strchr(text, '/'))
		r->prefix = IP_PREFIX4(0);
	return status;
}

static int route_words(struct cmd *c, int at, struct route *r)
{
	bool host = false;
	int status;

	for (; at < c->argc; at++) {
		if (!strcmp(c->argv[at], "-host"))
			host = true;
		else if (!strcmp(c->argv[at], "blackhole"))
			r->type = ROUTE_BLACKHOLE;
		else if (!strcmp(c->argv[at], "unreachable"))
			r->type = ROUTE_UNREACHABLE;
		else if (strcmp(c->argv[at], "-net") && strcmp(c->argv[at], "unicast"))
			break;
	}
	if (at >= c->argc)
		return cmd_usage(c, "a network is wanted");
	status = route_target(c, c->argv[at++], host, r);
	for (; !status && at < c->argc; at += 2) {
		const char *word = c->argv[at];

		if (at + 2 < c->argc && !strcmp(word, "mtu") && !strcmp(c->argv[at + 1], "lock")) {
			r->mtu_lock = true;
			at++;
		}
		if (at + 1 >= c->argc)
			return cmd_usage(c, "%s needs a value", word);
		status = route_word(c, word, c->argv[at + 1], r);
	}
	return status;
}

/* What route_add() calls invalid: the network; else the gateway, which is weft's own address or many hosts'. */
static const char *route_why_invalid(const struct route *r)
{
	struct ip_addr net = ip_addr_mask(&r->net, r->prefix);

	return ip_addr_eq(&net, &r->net) ? "gateway is not the address of another host"
					 : "address has host bits";
}

static const char *route_why(const struct route *r, int err)
{
	switch (err) {
	case -EEXIST:
		return "the same network and metric is in the table";
	case -ESRCH:
		return "no such route";
	case -ENETUNREACH:
		return "gateway is not on a network of ours";
	case -EADDRNOTAVAIL:
		return "src is not an address of weft's own";
	case -EINVAL:
		return route_why_invalid(r);
	default:
		return strerror(-err);
	}
}

static int route_change(struct cmd *c, int at, bool add)
{
	struct route r = {.type = ROUTE_UNICAST};
	struct batch b;
	int err, status = route_words(c, at, &r);

	if (status)
		return status;
	if (add && r.type == ROUTE_UNICAST && !r.dev && ip_addr_is_any(&r.gateway))
		return cmd_usage(c, "a gateway (gw, via) or a device (dev) is wanted");
	batch_begin(&b, c->stack);
	err = add ? route_add(c->stack, &r) : route_del(c->stack, &r);
	batch_end(&b);
	return err ? cmd_error(c, "%s", route_why(&r, err)) : CMD_OK;
}

int cmd_route(struct cmd *c)
{
	const char *verb = c->argc > 1 ? c->argv[1] : "show";

	if (!strcmp(verb, "add"))
		return route_change(c, 2, true);
	if (!strcmp(verb, "del"))
		return route_change(c, 2, false);
	if (!strcmp(verb, "get"))
		return route_get(c, 2);
	if (strcmp(verb, "show") && strcmp(verb, "-n"))
		return cmd_usage(c, "unknown word %s", verb);
	if (c->argc > 2)
		return cmd_usage(c, "too many words");
	return route_show(c);
}
