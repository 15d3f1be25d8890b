/*
 * tests/sim/lab_codel.c - what leaves a queue: the first, or by CoDel (RFC 8289, 5) with marks for those
 * who know ECN (RFC 3168, 5).
 */
#include <math.h>

#include "lib/checksum.h"
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "tests/sim/lab_world.h"

#define CODEL_TARGET (5 * NSEC_PER_MSEC)
#define CODEL_INTERVAL (100 * NSEC_PER_MSEC)
#define CODEL_LAST_FRAME 1514u /* a queue of one frame is no standing queue */
#define ECN_CE 3u
#define IP_AT sizeof(struct ether_hdr)

/* The word of version and TOS changes, so the header's checksum does (RFC 1624). */
bool lab_frame_mark(struct lab_line *l, struct lab_frame *f)
{
	struct ether_hdr *eth = (struct ether_hdr *)(void *)f->bytes;
	struct ip4_hdr *ip = (struct ip4_hdr *)(void *)(f->bytes + IP_AT);
	be16 from, to;

	if (f->len < IP_AT + IP4_HLEN || be16_get(eth->type) != ETHER_TYPE_IP4)
		return false;
	if ((ip->tos & ECN_CE) == 0)
		return false;
	if ((ip->tos & ECN_CE) != ECN_CE) {
		from = be16_of((uint16_t)(ip->ver_ihl << 8 | ip->tos));
		to = be16_of((uint16_t)(ip->ver_ihl << 8 | ip->tos | ECN_CE));
		ip->csum = csum_update16(ip->csum, from.raw, to.raw);
		ip->tos |= ECN_CE;
		l->stats.marked++;
	}
	return true;
}

static struct lab_frame *queue_take(struct lab_line *l)
{
	struct lab_frame *f = l->head;

	if (!f)
		return NULL;
	l->head = f->next;
	if (!l->head)
		l->tail = &l->head;
	l->queued--;
	l->queued_bytes -= f->len;
	return f;
}

struct lab_frame *lab_line_take(struct lab_line *l)
{
	return l->c->queue == LAB_CODEL ? lab_codel_take(l) : queue_take(l);
}

/* The first, and whether it and those before have been too long in the queue for an interval. */
static struct lab_frame *codel_first(struct lab_line *l, uint64_t now, bool *late)
{
	struct lab_codel *q = &l->codel;
	struct lab_frame *f = queue_take(l);

	*late = false;
	if (!f || now - f->queued < CODEL_TARGET || l->queued_bytes <= CODEL_LAST_FRAME)
		q->first_above = 0;
	else if (!q->first_above)
		q->first_above = now + CODEL_INTERVAL;
	else
		*late = now >= q->first_above;
	return f;
}

static uint64_t codel_next(const struct lab_codel *q, uint64_t from)
{
	return from + (uint64_t)((double)CODEL_INTERVAL / sqrt(q->count));
}

/* Marked, f goes on; else it is dropped and the next one is it. */
static struct lab_frame *codel_hit(struct lab_line *l, struct lab_frame *f, uint64_t now,
				   bool *late)
{
	if (lab_frame_mark(l, f))
		return f;
	lab_line_drop(l, f, LAB_DROP_CODEL);
	return codel_first(l, now, late);
}

static struct lab_frame *codel_begin(struct lab_line *l, struct lab_frame *f, uint64_t now)
{
	struct lab_codel *q = &l->codel;
	uint32_t since = q->count - q->last_count;
	bool late;

	f = codel_hit(l, f, now, &late);
	q->dropping = true;
	/* soon after the last time it goes on where it had come to */
	q->count = since > 1 && now - q->drop_next < 16 * CODEL_INTERVAL ? since : 1;
	q->drop_next = codel_next(q, now);
	q->last_count = q->count;
	return f;
}

static struct lab_frame *codel_go_on(struct lab_line *l, struct lab_frame *f, uint64_t now,
				     bool late)
{
	struct lab_codel *q = &l->codel;
	bool marked = false;

	while (f && late && now >= q->drop_next && !marked) {
		struct lab_frame *was = f;

		q->count++;
		f = codel_hit(l, f, now, &late);
		marked = f == was;
		q->drop_next = codel_next(q, q->drop_next);
	}
	if (!f || !late)
		q->dropping = false;
	return f;
}

struct lab_frame *lab_codel_take(struct lab_line *l)
{
	uint64_t now = env_now(l->w->env);
	struct lab_frame *f;
	bool late;

	f = codel_first(l, now, &late);
	if (!f) {
		l->codel.dropping = false;
		return NULL;
	}
	if (l->codel.dropping)
		return codel_go_on(l, f, now, late);
	return late ? codel_begin(l, f, now) : f;
}
