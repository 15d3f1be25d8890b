/*
 * shell/cmd_arping.c - `arping`: ARP requests for an address, and who answers (RFC 826), in iputils' words;
 * with -D, whether anybody has it (RFC 5227).
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
#include "shell/probe.h"

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
	bool detect;             /* o: -D */
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

/* --- -D ----------------------------------------------------------------------------------------- */

/* The answer of a probe that has begun; CMD_OK: there is one. */
static int detect_wait(struct arping *a, struct probe *p, struct probe_answer *answer)
{
	int n = feed_take(a->c, &a->feed, answer, sizeof(*answer), ENV_NEVER);

	if (n == (int)sizeof(*answer))
		return CMD_OK;
	if (!probe_cancel(p))
		feed_await(&a->feed, answer, sizeof(*answer)); /* p may be in use until then */
	return CMD_INTERRUPTED;
}

/* Status 0: nobody has it, 1: somebody (iputils). */
static int detect_tell(struct arping *a, const struct probe_answer *answer)
{
	char text[IP_ADDR_TEXT], mac[MAC_TEXT];

	ip_addr_text(&a->dst, text);
	if (answer->gone)
		return cmd_error(a->c, "%s: %s", a->dev->name, strerror(ENETDOWN));
	if (answer->taken)
		fprintf(a->c->out, "%s is in use by %s\n", text, mac_text(answer->mac, mac));
	else
		fprintf(a->c->out, "%s is free\n", text);
	return answer->taken ? CMD_FAIL : CMD_OK;
}

static int detect_run(struct arping *a)
{
	struct probe p = {.dev = a->dev, .addr = a->dst, .feed = &a->feed};
	struct probe_answer answer;
	char dst[IP_ADDR_TEXT];
	int status, err = feed_open(&a->feed);

	if (err)
		return cmd_error(a->c, "pipe: %s", strerror(-err));
	fprintf(a->c->out, "ARPING %s from 0.0.0.0 %s\n", ip_addr_text(&a->dst, dst), a->dev->name);
	fflush(a->c->out);
	err = probe_begin(&p);
	if (err)
		status =
		    cmd_error(a->c, "%s: %s", dst,
			      err == -EALREADY ? "it is being probed already" : strerror(-err));
	else
		status = detect_wait(a, &p, &answer);
	if (!err && !status)
		status = detect_tell(a, &answer);
	feed_close(&a->feed);
	return status;
}

/* --- the command -------------------------------------------------------------------------------- */

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
	if (!a->detect && !ifaddr_source(a->dev, &a->dst, &a->src))
		return cmd_error(a->c, "%s: no address", a->dev->name);
	return CMD_OK;
}

static int arping_option(struct arping *a, int letter, const char *arg, const char **dev)
{
	static const struct range count = {"count", 1, UINT32_MAX},
				  wait = {"time", NSEC_PER_MSEC, 3600 * NSEC_PER_SEC};

	switch (letter) {
	case 'c':
		return parse_count(a->c, arg, &count, &a->count);
	case 'I':
		*dev = arg;
		return CMD_OK;
	case 'b':
		a->broadcast_only = true;
		return CMD_OK;
	case 'D':
		a->detect = true;
		return CMD_OK;
	default:
		return parse_seconds(a->c, arg, &wait, &a->wait);
	}
}

int cmd_arping(struct cmd *c)
{
	struct arping a = {.c = c};
	struct opts o = {.c = c};
	const char *dev = NULL;
	int letter = 0, status = CMD_OK;

	while (!status && (letter = opts_next(&o, "c:I:w:W:bD")) > 0)
		status = arping_option(&a, letter, o.arg, &dev);
	if (status || letter < 0)
		return status ? status : CMD_USAGE;
	if (a.detect && (a.count || a.wait || a.broadcast_only))
		return cmd_usage(c, "-D has times of its own: no -c, -w or -b with it");
	if (o.index + 1 != c->argc)
		return cmd_usage(c, "one address is wanted");
	if (!a.wait)
		a.wait = NSEC_PER_SEC;
	status = parse_addr(c, c->argv[o.index], &a.dst);
	if (!status)
		status = arping_device(&a, dev);
	if (status)
		return status;
	return a.detect ? detect_run(&a) : arping_run(&a);
}
