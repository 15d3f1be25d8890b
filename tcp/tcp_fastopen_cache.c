/*
 * tcp/tcp_fastopen_cache.c - the client's memory of Fast Open (RFC 7413, 4.1.3): cookie and MSS by
 * destination, those that gave no cookie or lost SYNs with data, and the guard against ways that
 * swallow such SYNs altogether (7413, 4.1.3.1; Linux's blackhole detection).
 *
 * Of fixed size: a new destination takes the place of the one of its row that was used least lately.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"
#include "tcp/tcp_priv.h"

#define CACHE_ROWS 64u
#define CACHE_WAYS 8u
#define LOSSES 2u         /* in a row, and the destination is left alone */
#define LOSS_WAIT_S 60u   /* so long, doubled with each more */
#define LOSS_DOUBLINGS 6u /* at most */

/*
 * LOCKING
 *	l	lock of the cache
 */
struct fo_entry {
	struct ip_addr dst;          /* l */
	struct tcp_fo_cookie cookie; /* l: .len 0: none */
	uint32_t used_ms;            /* l: 0: the place is free */
	uint32_t lost_ms;            /* l: when a SYN with data was lost last */
	uint16_t mss;                /* l */
	uint8_t losses;              /* l: in a row */
	uint8_t refused;             /* l: see struct tcp_fo_news */
};

/*
 * LOCKING
 *	c	constant after creation		l	lock	a	atomic
 */
struct tcp_fo_cache {
	struct mutex lock;                             /* c: rank LEAF */
	struct fo_entry entry[CACHE_ROWS][CACHE_WAYS]; /* l */
	_Atomic uint32_t holes;                        /* a: times a black hole was met in a row */
	_Atomic uint32_t hole_ms;                      /* a: the last time */
};

struct tcp_fo_cache *tcp_fo_cache_create(void)
{
	struct tcp_fo_cache *c = calloc(1, sizeof(*c));

	if (c)
		mutex_init(&c->lock, RANK_LEAF);
	return c;
}

void tcp_fo_cache_destroy(struct tcp_fo_cache *c)
{
	if (!c)
		return;
	mutex_fini(&c->lock);
	free(c);
}

void tcp_metrics_flush(struct stack *st)
{
	struct tcp_fo_cache *c = st->tcp->fo;

	mutex_lock(&c->lock);
	memset(c->entry, 0, sizeof(c->entry));
	mutex_unlock(&c->lock);
}

static uint32_t now_ms(struct stack *st)
{
	uint32_t ms = tcp_ms(env_now(st->env));

	return ms ? ms : 1;
}

static struct fo_entry *row_of(struct stack *st, const struct ip_addr *dst)
{
	return st->tcp->fo->entry[siphash(dst, sizeof(*dst), st->tcp->fo_row_key) % CACHE_ROWS];
}

static struct fo_entry *entry_find(struct fo_entry *row, const struct ip_addr *dst)
{
	for (unsigned i = 0; i < CACHE_WAYS; i++) {
		if (row[i].used_ms && ip_addr_eq(&row[i].dst, dst))
			return &row[i];
	}
	return NULL;
}

static struct fo_entry *entry_make(struct fo_entry *row, const struct ip_addr *dst, uint32_t now)
{
	struct fo_entry *e = &row[0];

	for (unsigned i = 0; i < CACHE_WAYS && e->used_ms; i++) {
		if (!row[i].used_ms || now - row[i].used_ms > now - e->used_ms)
			e = &row[i];
	}
	*e = (struct fo_entry){.dst = *dst};
	return e;
}

static bool entry_lossy(const struct fo_entry *e, uint32_t now)
{
	unsigned doublings = e->losses < LOSS_DOUBLINGS ? e->losses : LOSS_DOUBLINGS;

	return e->losses >= LOSSES && now - e->lost_ms < (LOSS_WAIT_S * 1000) << doublings;
}

void tcp_fo_cache_get(struct stack *st, const struct ip_addr *dst, struct tcp_fo_known *k)
{
	struct tcp_fo_cache *c = st->tcp->fo;
	uint32_t now = now_ms(st);
	struct fo_entry *e;

	*k = (struct tcp_fo_known){0};
	mutex_lock(&c->lock);
	e = entry_find(row_of(st, dst), dst);
	if (e) {
		e->used_ms = now;
		k->cookie = e->cookie;
		k->mss = e->mss;
		k->lossy = entry_lossy(e, now);
		if (e->cookie.len == 0)
			k->cookie.exp = e->refused == 1;
	}
	mutex_unlock(&c->lock);
}

static void entry_update(struct fo_entry *e, const struct tcp_fo_news *n, uint32_t now)
{
	e->used_ms = now;
	if (n->mss)
		e->mss = n->mss;
	if (n->cookie->len && n->cookie->len != TCP_FO_NONE)
		e->cookie = *n->cookie;
	else if (n->refused > e->refused && e->cookie.len == 0)
		e->refused = n->refused;
	if (!n->lost) {
		e->losses = 0;
		return;
	}
	if (e->losses < UINT8_MAX)
		e->losses++;
	e->lost_ms = now;
}

void tcp_fo_cache_put(struct stack *st, const struct ip_addr *dst, const struct tcp_fo_news *n)
{
	struct tcp_fo_cache *c = st->tcp->fo;
	struct fo_entry *row, *e;
	uint32_t now = now_ms(st);

	mutex_lock(&c->lock);
	row = row_of(st, dst);
	e = entry_find(row, dst);
	if (!e)
		e = entry_make(row, dst, now);
	entry_update(e, n, now);
	mutex_unlock(&c->lock);
}

/* --- black holes -------------------------------------------------------------------------------- */

bool tcp_fo_blackholed(struct stack *st)
{
	struct tcp_fo_cache *c = st->tcp->fo;
	uint32_t n = atomic_load_explicit(&c->holes, memory_order_relaxed);
	uint64_t wait = (uint64_t)sysctl_get(st, tcp_fastopen_blackhole_timeout_sec) * 1000;
	uint32_t since = now_ms(st) - atomic_load_explicit(&c->hole_ms, memory_order_relaxed);

	if (n == 0)
		return false;
	n = n - 1 < LOSS_DOUBLINGS ? n - 1 : LOSS_DOUBLINGS;
	return since < wait << n;
}

void tcp_fo_blackhole(struct stack *st)
{
	struct tcp_fo_cache *c = st->tcp->fo;

	if (!sysctl_get(st, tcp_fastopen_blackhole_timeout_sec))
		return;
	atomic_store_explicit(&c->hole_ms, now_ms(st), memory_order_relaxed);
	atomic_fetch_add_explicit(&c->holes, 1, memory_order_relaxed);
	mib_inc(st, MIB_TcpExt_TCPFastOpenBlackhole);
}

void tcp_fo_works(struct stack *st)
{
	atomic_store_explicit(&st->tcp->fo->holes, 0, memory_order_relaxed);
}
