/*
 * tcp/tcp_record.c - the send queue: segment records over shared payload pieces.
 *
 * A record is wholly sent or wholly unsent and its marks hold for all of it, so it is split where
 * a segment ends inside.  The bytes behind the last record in its piece belong to the sock, which
 * may append there: no packet refers to them yet.
 */
#include <errno.h>
#include <stdlib.h>

#include "tcp/tcp_priv.h"

struct tcp_xfer *tcp_xfer_get(struct tcp_sock *ts)
{
	if (!ts->xfer) {
		ts->xfer = calloc(1, sizeof(*ts->xfer));
		if (ts->xfer)
			ts->xfer->recover = ts->snd_una - 1;
	}
	return ts->xfer;
}

struct tcp_rec *tcp_rec_add(struct tcp_sock *ts)
{
	struct tcp_xfer *x = tcp_xfer_get(ts);
	struct tcp_rec *r = x ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return NULL;
	r->seq = r->end = ts->write_seq;
	if (x->tail)
		x->tail->next = r;
	else
		x->head = r;
	x->tail = r;
	if (!x->next)
		x->next = r;
	sock_snd_charge(&ts->sk, sizeof(*r));
	return r;
}

/* r keeps its first len bytes, a new record behind it takes the rest.  0 or -ENOMEM. */
int tcp_rec_split(struct tcp_sock *ts, struct tcp_rec *r, uint32_t len)
{
	struct tcp_rec *rest = malloc(sizeof(*rest));

	assert(len > 0 && len <= tcp_rec_len(r));
	if (!rest)
		return -ENOMEM;
	*rest = *r;
	rest->seq += len;
	rest->off += len;
	piece_get(rest->piece);
	r->end = rest->seq;
	r->flags &= (uint8_t)~REC_FIN;
	r->next = rest;
	if (ts->xfer->tail == r)
		ts->xfer->tail = rest;
	sock_snd_charge(&ts->sk, sizeof(*rest));
	return 0;
}

int tcp_queue_fin(struct tcp_sock *ts)
{
	struct tcp_rec *r = ts->xfer ? ts->xfer->tail : NULL;

	if (!r || r->times)
		r = tcp_rec_add(ts);
	if (!r)
		return -ENOBUFS;
	r->flags |= REC_FIN;
	r->end++;
	ts->write_seq++;
	ts->flags |= TCP_F_FIN_QUEUED;
	return 0;
}

/* --- marks: each has its count of bytes --------------------------------------------------------- */

static void marks_add(struct tcp_xfer *x, uint8_t flags, uint32_t n)
{
	if (flags & REC_SACKED)
		x->sacked += n;
	if (flags & REC_LOST)
		x->lost += n;
	if (flags & REC_RETRANS)
		x->retrans += n;
}

void tcp_rec_mark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flags)
{
	marks_add(ts->xfer, flags & (uint8_t)~r->flags, r->end - r->seq);
	r->flags |= flags;
}

void tcp_rec_unmark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flags)
{
	marks_add(ts->xfer, flags & r->flags, r->seq - r->end);
	r->flags &= (uint8_t)~flags;
}

/* --- the front ---------------------------------------------------------------------------------- */

static void rec_free(struct tcp_sock *ts, struct tcp_rec *r)
{
	if (r->piece)
		piece_put(r->piece);
	sock_snd_uncharge(&ts->sk, tcp_rec_len(r) + (uint32_t)sizeof(*r));
	free(r);
}

static void xfer_shift(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->xfer;
	struct tcp_rec *r = x->head;

	tcp_rec_unmark(ts, r, REC_SACKED | REC_LOST | REC_RETRANS);
	x->head = r->next;
	if (!x->head)
		x->tail = NULL;
	if (x->next == r)
		x->next = r->next;
	if (x->again == r)
		x->again = r->next;
	rec_free(ts, r);
}

/* The first n sequence numbers of the first record are acknowledged. */
static void rec_trim(struct tcp_sock *ts, uint32_t n)
{
	struct tcp_rec *r = ts->xfer->head;

	marks_add(ts->xfer, r->flags, 0u - n);
	r->seq += n;
	r->off += n;
	sock_snd_uncharge(&ts->sk, n);
}

void tcp_rec_acked(struct tcp_sock *ts, uint32_t ack, struct tcp_acked *a)
{
	struct tcp_rec *r;

	*a = (struct tcp_acked){0};
	while (ts->xfer && (r = ts->xfer->head) && r->times && seq_lt(r->seq, ack)) {
		if (r->times > 1)
			a->retrans = true;
		else if (!a->sent)
			a->sent = r->sent;
		if (seq_gt(r->end, ack)) {
			rec_trim(ts, ack - r->seq);
			break;
		}
		xfer_shift(ts);
	}
}

void tcp_xfer_free(struct tcp_sock *ts)
{
	if (!ts->xfer)
		return;
	while (ts->xfer->head)
		xfer_shift(ts);
	free(ts->xfer);
	ts->xfer = NULL;
}
