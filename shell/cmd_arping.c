/*
 * shell/cmd_arping.c - `arping`: ARP requests for an address, and who answers (RFC 826), in iputils' words.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arp/neigh.h"
#include "ip/route.h"
#include "lib/wire/arp.h"
#include "net/ifaddr.h"
#include "shell/feed.h"
#include "shell/parse.h"

struct arping_answer {
	uint64_t when;
	uint8_t mac[ETHER_ALEN];
	bool unicast;
};

/*
 * LOCKING
 *	c	constant while the watch is there	o	the command's thread
 */
struct arping {
	struct arp_watch watch;  /* c */
	struct feed feed;        /* its own */
	struct cmd *c;           /* o */
	struct netdev *dev;      /* c */
	struct ip_addr src, dst; /* c */
	uint64_t count, wait;    /* o: count 0: until cancelled */
	uint64_t sent, received; /* o */
	uint64_t last;           /* o: when the last request left */
	bool known;              /* o: mac is: asked there from now on, as iputils does */
	uint8_t mac[ETHER_ALEN]; /* o */
	bool broadcast_only;     /* o */
};

static void arping_watch(struct arp_watch *w, struct netdev *dev, const struct arp_msg *m,
			 const uint8_t *sha)
{
	struct arping *a = w->arg;
	struct arping_answer answer = {.when = env_now(dev->stack->env)};

	if (dev != a->dev || m->op != ARP_OP_REPLY || !ip_addr_eq(&m->spa, &a->dst))
		return;
	memcpy(answer.mac, sha, ETHER_ALEN);
	answer.unicast = memcmp(m->to, ether_broadcast, ETHER_ALEN) != 0;
	feed_put(&a->feed, &answer, sizeof(answer));
}

static void arping_send(struct arping *a)
{
	struct arp_msg m = {.op = ARP_OP_REQUEST, .spa = a->src, .tpa = a->dst};
	struct batch b;

	memcpy(m.to, a->known && !a->broadcast_only ? a->mac : ether_broadcast, ETHER_ALEN);
	a->last = env_now(a->c->stack->env);
	a->sent++;
	batch_begin(&b, a->c->stack);
	arp_send(a->dev, &m);
	batch_end(&b);
}

static void arping_take(struct arping *a, const struct arping_answer *answer)
{
	char text[IP_ADDR_TEXT], mac[MAC_TEXT];

	a->received++;
	a->known = true;
	memcpy(a->mac, answer->mac, ETHER_ALEN);
	fprintf(a->c->out, "%s reply from %s [%s]  %.3fms\n",
		answer->unicast ? "Unicast" : "Broadcast", ip_addr_text(&a->dst, text),
		mac_text(answer->mac, mac), (double)(answer->when - a->last) / 1e6);
	fflush(a->c->out);
}

/* Answers until `deadline`, or until each request has one and none is to follow.  False: cancelled. */
static bool arping_listen(struct arping *a, uint64_t deadline)
{
	struct arping_answer answer;
	int n;

	while (a->sent != a->count || a->received < a->sent) {
		n = feed_take(a->c, &a->feed, &answer, sizeof(answer), deadline);
		if (n != (int)sizeof(answer))
			return n == -ETIMEDOUT;
		arping_take(a, &answer);
		if (ferror(a->c->out))
			return false;
	}
	return true;
}

static int arping_run(struct arping *a)
{
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT];
	uint64_t next = env_now(a->c->stack->env);
	int err = feed_open(&a->feed);

	if (err)
		return cmd_error(a->c, "pipe: %s", strerror(-err));
	a->watch = (struct arp_watch){.fn = arping_watch, .arg = a};
	arp_watch_add(a->c->stack, &a->watch);
	fprintf(a->c->out, "ARPING %s from %s %s\n", ip_addr_text(&a->dst, dst),
		ip_addr_text(&a->src, src), a->dev->name);
	fflush(a->c->out);
	do {
		arping_send(a);
		next += a->wait;
	} while (arping_listen(a, next) && (!a->count || a->sent < a->count));
	arp_watch_del(a->c->stack, &a->watch);
	feed_close(&a->feed);
	fprintf(a->c->out, "Sent %" PRIu64 " probes\nReceived %" PRIu64 " response(s)\n", a->sent,
		a->received);
	return a->received ? CMD_OK : CMD_FAIL;
}

/* The device of -I, or where the address is on link. */
static int arping_device(struct arping *a, const char *name)
{
	char text[IP_ADDR_TEXT];
	struct route r;

	if (name) {
		int status = parse_device(a->c, name, &a->dev);

		if (status)
			return status;
	} else if (route_lookup(a->c->stack, &a->dst, 0, &r) && r.dev &&
		   ip_addr_is_any(&r.gateway)) {
		a->dev = r.dev;
	} else {
		return cmd_error(a->c, "%s is on no network of ours: -I DEV is wanted",
				 ip_addr_text(&a->dst, text));
	}
	if (atomic_load(&a->dev->flags) & (NETDEV_NOARP | NETDEV_LOOPBACK))
		return cmd_error(a->c, "%s: device does not speak ARP", a->dev->name);
	if (!(atomic_load(&a->dev->flags) & NETDEV_UP))
		return cmd_error(a->c, "%s: %s", a->dev->name, strerror(ENETDOWN));
	if (!ifaddr_source(a->dev, &a->dst, &a->src))
		return cmd_error(a->c, "%s: no address", a->dev->name);
	return CMD_OK;
}

int cmd_arping(struct cmd *c)
{
	static const struct range count = {"count", 1, UINT32_MAX},
				  wait = {"time", NSEC_PER_MSEC, 3600 * NSEC_PER_SEC};
	struct arping a = {.c = c, .wait = NSEC_PER_SEC};
	struct opts o = {.c = c};
	const char *dev = NULL;
	int letter = 0, status = CMD_OK;

	while (!status && (letter = opts_next(&o, "c:I:w:W:b")) > 0) {
		if (letter == 'c')
			status = parse_count(c, o.arg, &count, &a.count);
		else if (letter == 'I')
			dev = o.arg;
		else if (letter == 'b')
			a.broadcast_only = true;
		else
			status = parse_seconds(c, o.arg, &wait, &a.wait);
	}
	if (status || letter < 0)
		return status ? status : CMD_USAGE;
	if (o.index + 1 != c->argc)
		return cmd_usage(c, "one address is wanted");
	status = parse_addr(c, c->argv[o.index], &a.dst);
	if (!status)
		status = arping_device(&a, dev);
	return status ? status : arping_run(&a);
}
