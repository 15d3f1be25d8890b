/*
 * ip/icmp.c - ICMP messages (RFC 792; RFC 1122, 3.2.2): what comes in, by type; echo and timestamp
 * answered here, errors and redirects handed to icmp_in.c.
 *
 * Information and address mask messages are obsolete and get no answer (RFC 6918), source quench
 * does nothing (RFC 6633).
 */
#include "ip/icmp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ip/icmp_priv.h"
#include "lib/checksum.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "net/ifaddr.h"

#define ICMP_TIMESTAMP_LEN 20u
#define ICMP_TIME_NOT_UT 0x80000000u /* RFC 792: milliseconds of another day than UT's */
#define MSEC_PER_DAY 86400000u

static void icmp_in(struct pkbuf *b);

const struct ip_proto icmp_proto = {.proto = IP_PROTO_ICMP, .in = icmp_in};

struct icmp_state *icmp_state_create(struct stack *st)
{
	struct icmp_state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stack = st;
	mutex_init(&s->limit_lock, RANK_LEAF);
	mutex_init(&s->watch_lock, RANK_LEAF);
	icmp_limit_init(s);
	return s;
}

void icmp_state_destroy(struct icmp_state *s)
{
	assert(!s->watch);
	mutex_fini(&s->limit_lock);
	mutex_fini(&s->watch_lock);
	free(s);
}

void icmp_drop(struct pkbuf *b, enum drop_reason why)
{
	mib_inc(b->stack, MIB_Icmp_InErrors);
	pkbuf_drop(b, why);
}

/* --- watches ---------------------------------------------------------------------------------- */

void icmp_watch_add(struct stack *st, struct icmp_watch *w)
{
	struct icmp_state *s = st->ip->icmp;

	mutex_lock(&s->watch_lock);
	w->next = s->watch;
	s->watch = w;
	mutex_unlock(&s->watch_lock);
}

void icmp_watch_del(struct stack *st, struct icmp_watch *w)
{
	struct icmp_state *s = st->ip->icmp;
	struct icmp_watch **at;

	mutex_lock(&s->watch_lock);
	for (at = &s->watch; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	mutex_unlock(&s->watch_lock);
}

static void icmp_watch_run(const struct pkbuf *b)
{
	struct icmp_state *s = b->stack->ip->icmp;

	mutex_lock(&s->watch_lock);
	for (struct icmp_watch *w = s->watch; w; w = w->next)
		w->fn(w, b);
	mutex_unlock(&s->watch_lock);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void icmp_count_out(struct stack *st, uint8_t type)
{
	static const enum mib by_type[] = {
	    [ICMP_ECHO_REPLY] = MIB_Icmp_OutEchoReps,
	    [ICMP_DEST_UNREACH] = MIB_Icmp_OutDestUnreachs,
	    [ICMP_REDIRECT] = MIB_Icmp_OutRedirects,
	    [ICMP_ECHO] = MIB_Icmp_OutEchos,
	    [ICMP_TIME_EXCEEDED] = MIB_Icmp_OutTimeExcds,
	    [ICMP_PARAM_PROBLEM] = MIB_Icmp_OutParmProbs,
	    [ICMP_TIMESTAMP_REPLY] = MIB_Icmp_OutTimestampReps,
	};

	assert(type < sizeof(by_type) / sizeof(by_type[0]) && by_type[type]);
	mib_inc(st, by_type[type]);
	mib_inc(st, MIB_Icmp_OutMsgs);
}

static void icmp_debug(const struct pkbuf *b, const char *way, const struct ip_addr *peer)
{
	const struct icmp4_hdr *h = (const struct icmp4_hdr *)(const void *)(b->hdr + b->head);
	char text[IP_ADDR_TEXT];

	debug(b->stack, DEBUG_ICMP, "icmp %s %s: type %u code %u, %u bytes", way,
	      ip_addr_text(peer, text), h->type, h->code, b->len);
}

int icmp_send(struct pkbuf *b, const struct icmp_msg *m)
{
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)pkbuf_push(b, ICMP_HLEN);
	struct stack *st = b->stack;

	h->type = m->type;
	h->code = m->code;
	h->csum = 0;
	h->word = be32_of(m->word);
	h->csum = csum_finish(pkbuf_csum(b, 0, b->len, 0));
	b->l4 = b->head;
	icmp_count_out(st, m->type);
	icmp_debug(b, "out to", &m->flow.dst);
	return ip_out(b, &m->flow, NULL);
}

int icmp_echo_send(struct stack *st, const struct icmp_echo *e)
{
	struct icmp_msg m = {
	    .flow = {.src = e->src, .dst = e->dst, .proto = IP_PROTO_ICMP, .ttl = e->ttl},
	    .type = ICMP_ECHO,
	    .word = (uint32_t)e->id << 16 | e->seq,
	};
	struct pkbuf *b;

	if (e->n > IP4_LEN_MAX - IP4_HLEN - ICMP_HLEN)
		return -EMSGSIZE;
	b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	if (!b)
		return -ENOBUFS;
	if (pkbuf_append(b, e->data, e->n)) {
		pkbuf_free(b);
		return -ENOBUFS;
	}
	return icmp_send(b, &m);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool icmp_to_many(const struct pkbuf *b)
{
	return b->cast == PKBUF_BROADCAST || b->cast == PKBUF_MULTICAST ||
	       ip_addr_type(b->stack, &b->dst) != ROUTE_LOCAL;
}

/*
 * Sends `reply`, whose data are complete, as answer to b: from the address b was sent to, or, where
 * that is not one, the device's; with b's record route and timestamp options carried on
 * (RFC 1122, 3.2.2.6 and 3.2.2.8).  Consumes both.
 */
static void icmp_answer(struct pkbuf *b, struct pkbuf *reply, uint8_t type)
{
	const struct icmp4_hdr *h = (const struct icmp4_hdr *)(void *)pkbuf_data(b);
	uint8_t opt[IP_OPTIONS_MAX];
	struct icmp_msg m = {
	    .flow = {.src = b->dst,
		     .dst = b->src,
		     .proto = IP_PROTO_ICMP,
		     .tos = b->tos & (uint8_t)~IP_ECN,
		     .opt = opt},
	    .type = type,
	    .word = be32_get(h->word),
	};

	if (icmp_to_many(b) && !ifaddr_source(b->dev, &b->src, &m.flow.src))
		m.flow.src = ip_addr_any;
	m.flow.optlen = (uint8_t)ip_opts_answer(b, opt);
	icmp_send(reply, &m);
	pkbuf_free(b);
}

static void icmp_echo_in(struct pkbuf *b)
{
	struct stack *st = b->stack;
	struct pkbuf *reply;

	if (sysctl_get(st, icmp_echo_ignore_all)) {
		pkbuf_drop(b, DROP_ICMP_IGNORED);
		return;
	}
	if (icmp_to_many(b) && sysctl_get(st, icmp_echo_ignore_broadcasts)) {
		pkbuf_drop(b, DROP_ICMP_BCAST);
		return;
	}
	reply = pkbuf_alloc(st, PKBUF_TX_HEAD);
	if (!reply || pkbuf_append_from(reply, b, ICMP_HLEN, b->len - ICMP_HLEN)) {
		if (reply)
			pkbuf_free(reply);
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	icmp_answer(b, reply, ICMP_ECHO_REPLY);
}

/* The time is the stack's clock, which does not know UT, and says so. */
static void icmp_timestamp_in(struct pkbuf *b)
{
	struct stack *st = b->stack;
	uint64_t ms = env_now(st->env) / NSEC_PER_MSEC;
	be32 now = be32_of((uint32_t)(ms % MSEC_PER_DAY) | ICMP_TIME_NOT_UT);
	be32 times[3] = {{0}, now, now};
	struct pkbuf *reply;

	if (b->len < ICMP_TIMESTAMP_LEN) {
		icmp_drop(b, DROP_ICMP_SHORT);
		return;
	}
	if (icmp_to_many(b)) {
		pkbuf_drop(b, DROP_ICMP_BCAST);
		return;
	}
	reply = pkbuf_alloc(st, PKBUF_TX_HEAD);
	if (!reply) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	pkbuf_read(b, ICMP_HLEN, &times[0], sizeof(times[0]));
	pkbuf_append(reply, times, sizeof(times)); /* fits the header part: cannot fail */
	icmp_answer(b, reply, ICMP_TIMESTAMP_REPLY);
}

/* --- in --------------------------------------------------------------------------------------- */

/* An answer that raw socks and watches have seen already. */
static void icmp_seen(struct pkbuf *b)
{
	pkbuf_free(b);
}

static void icmp_ignore(struct pkbuf *b)
{
	pkbuf_drop(b, DROP_ICMP_IGNORED);
}

struct icmp_type {
	void (*in)(struct pkbuf *b); /* NULL: unknown */
	enum mib mib;                /* 0: has no counter */
};

static const struct icmp_type icmp_types[] = {
    [ICMP_ECHO_REPLY] = {icmp_seen, MIB_Icmp_InEchoReps},
    [ICMP_DEST_UNREACH] = {icmp_error_in, MIB_Icmp_InDestUnreachs},
    [ICMP_SOURCE_QUENCH] = {icmp_ignore, MIB_Icmp_InSrcQuenchs},
    [ICMP_REDIRECT] = {icmp_redirect_in, MIB_Icmp_InRedirects},
    [ICMP_ECHO] = {icmp_echo_in, MIB_Icmp_InEchos},
    [ICMP_TIME_EXCEEDED] = {icmp_error_in, MIB_Icmp_InTimeExcds},
    [ICMP_PARAM_PROBLEM] = {icmp_error_in, MIB_Icmp_InParmProbs},
    [ICMP_TIMESTAMP] = {icmp_timestamp_in, MIB_Icmp_InTimestamps},
    [ICMP_TIMESTAMP_REPLY] = {icmp_seen, MIB_Icmp_InTimestampReps},
    [ICMP_INFO_REQUEST] = {icmp_ignore, 0},
    [ICMP_INFO_REPLY] = {icmp_ignore, 0},
    [ICMP_MASK_REQUEST] = {icmp_ignore, MIB_Icmp_InAddrMasks},
    [ICMP_MASK_REPLY] = {icmp_ignore, MIB_Icmp_InAddrMaskReps},
};

/* Length and checksum.  True: b is a message. */
static bool icmp_check(struct pkbuf *b)
{
	mib_inc(b->stack, MIB_Icmp_InMsgs);
	if (!pkbuf_pull(b, ICMP_HLEN)) {
		icmp_drop(b, DROP_ICMP_SHORT);
		return false;
	}
	/* no device vouches for ICMP */
	if (csum_finish(pkbuf_csum(b, 0, b->len, 0)) != 0) {
		mib_inc(b->stack, MIB_Icmp_InCsumErrors);
		icmp_drop(b, DROP_ICMP_CSUM);
		return false;
	}
	return true;
}

static void icmp_in(struct pkbuf *b)
{
	const struct icmp_type *t = icmp_types;
	uint8_t type;

	if (!icmp_check(b))
		return;
	icmp_debug(b, "in from", &b->src);
	icmp_watch_run(b);
	type = ((const struct icmp4_hdr *)(void *)pkbuf_data(b))->type;
	if (type >= sizeof(icmp_types) / sizeof(icmp_types[0]) || !icmp_types[type].in) {
		icmp_drop(b, DROP_ICMP_TYPE); /* RFC 1122, 3.2.2: silently */
		return;
	}
	t = &icmp_types[type];
	if (t->mib)
		mib_inc(b->stack, t->mib);
	t->in(b);
}
