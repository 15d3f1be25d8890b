/*
 * tcp/tcp_send.c - the program's bytes onto the send queue (RFC 9293, 3.10.2).
 *
 * They are copied once, into pieces of 64 KB (16 or 2 KB for a smaller write), behind what the last record
 * has there; every segment and retransmission refers to them.
 */
#include <errno.h>
#include <string.h>

#include "tcp/tcp_priv.h"

#define NEAR_US 500u            /* round trip of a path that is short ... */
#define NEAR_NOT_US 10000u      /* ... and a smoothed one that no queue of ours explains */
#define NEAR_MOST (2u << 20)    /* bytes: what keeps any such path full at 30 Gbit/s and more ... */
#define NEAR_LEAST (1u << 19)   /* ... and at 8 */
#define NEAR_FREE (4ull << 20)  /* bytes of the stack in use up to which all get the most ... */
#define NEAR_SHORT (8ull << 20) /* ... and from which on nobody gets more than the least */

/* Bytes for a packet of the queue beside its data and its record, so that both are 1280 (Linux). */
#define SEND_BOOK (1280u - (uint32_t)sizeof(struct tcp_rec))

/* One piece is always allowed: whoever has few bytes queued goes on when others have filled the memory. */
static uint32_t send_limit(const struct sock *sk)
{
	uint32_t share = depot_share(sk->stack, sk->sndbuf), least;

	if (share == sk->sndbuf)
		return share;
	least = (uint32_t)sysctl_get(sk->stack, tcp_wmem_min);
	if (least < PIECE_MID)
		least = PIECE_MID;
	if (least > sk->sndbuf)
		least = sk->sndbuf;
	return share > least ? share : least;
}

/*
 * Of a send buffer what is filled.  On a short path more makes nothing faster, for the peer takes what is sent at
 * once; but each copy is several times dearer where the queue, or all of them together, outgrow the cache.
 */
static uint32_t fill_limit(const struct tcp_sock *ts, uint32_t most)
{
	uint64_t used;

	if (most <= NEAR_LEAST || ts->est->min_rtt_us >= NEAR_US ||
	    ts->est->srtt_us >= NEAR_NOT_US || (ts->sk.flags & SOCK_SNDBUF_LOCKED))
		return most;
	if (most > NEAR_MOST)
		most = NEAR_MOST;
	used = depot_used(ts->sk.stack);
	if (used <= NEAR_FREE)
		return most;
	if (used >= NEAR_SHORT)
		return NEAR_LEAST;
	return NEAR_LEAST +
	       (uint32_t)((most - NEAR_LEAST) * (NEAR_SHORT - used) / (NEAR_SHORT - NEAR_FREE));
}

/* Bytes queued and not sent from which nothing more is taken. */
static uint32_t unsent_limit(const struct tcp_sock *ts)
{
	if (ts->rare->notsent_lowat)
		return ts->rare->notsent_lowat;
	return (uint32_t)sysctl_get(ts->sk.stack, tcp_notsent_lowat);
}

static uint32_t unsent(const struct tcp_sock *ts)
{
	return ts->write_seq - ts->snd_nxt;
}

/* Room worth telling of: a third of the buffer, and half of what may wait unsent. */
bool tcp_snd_space(const struct sock *sk)
{
	const struct tcp_sock *ts = (const struct tcp_sock *)(const void *)sk;
	uint32_t most;

	if (sk->snd_bytes == 0) /* all is acknowledged, and no limit is 0 */
		return true;
	most = fill_limit(ts, send_limit(sk));
	return sk->snd_bytes <= most / 3 * 2 && 2ull * unsent(ts) < unsent_limit(ts);
}

/* What goes to the wire together: whole segments, no more than half of the peer's largest window. */
uint32_t tcp_send_burst(struct tcp_sock *ts)
{
	uint32_t half = ts->est->max_window / 2, whole = tcp_xmit_max(ts),
		 n = half < whole ? half : whole;

	return n > ts->mss ? n - n % ts->mss : ts->mss;
}

/* Whole bursts until `most` is reached, each of which brings `book` beside its bytes. */
static uint64_t bursts_to(uint64_t have, uint32_t most, uint32_t burst, uint32_t book)
{
	uint32_t cost = burst + book;

	return have < most ? (most - have + cost - 1) / cost * burst : 0;
}

/* Of a burst, in a buffer whose size the program has set: it is twice that for this (socket(7)). */
static uint32_t send_book(const struct tcp_sock *ts)
{
	return ts->sk.flags & SOCK_SNDBUF_LOCKED ? SEND_BOOK : 0;
}

/*
 * What may be queued now: whole bursts until the buffer is full, or enough is unsent, so the last may go
 * beyond; and what the one at the end of the queue still lacks (Linux).  Where memory is short, not a byte
 * more than there is.
 */
static uint32_t send_room(struct tcp_sock *ts, uint32_t burst)
{
	uint32_t share = send_limit(&ts->sk), most = fill_limit(ts, share), have = ts->sk.snd_bytes;
	uint32_t fill = unsent(ts) % burst ? burst - unsent(ts) % burst : 0;
	uint32_t book = send_book(ts);
	uint64_t queued = ts->write_seq - ts->snd_una, more, waits;

	if (share < ts->sk.sndbuf)
		return most > have && unsent(ts) < unsent_limit(ts) ? most - have : 0;
	if (have >= (uint64_t)most + burst)
		return 0;
	more = bursts_to(have + fill + (queued + burst - 1) / burst * book, most, burst, book);
	waits = bursts_to((uint64_t)unsent(ts) + fill, unsent_limit(ts), burst, 0);
	more = fill + (more < waits ? more : waits);
	return more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
}

/* Is there room for n bytes, and for a burst beside them?  So it is mostly; no division then. */
static bool send_fits(const struct tcp_sock *ts, size_t n)
{
	uint32_t most = send_limit(&ts->sk);

	n += TCP_GSO_MAX;
	if (most < ts->sk.sndbuf || (ts->sk.flags & SOCK_SNDBUF_LOCKED))
		return false;
	return ts->sk.snd_bytes + n <= fill_limit(ts, most) && unsent(ts) + n <= unsent_limit(ts);
}

/* Copies n bytes of the message, from `at` on. */
static void msg_read(const struct sock_msg *m, size_t at, uint8_t *to, uint32_t n)
{
	const struct iovec *v = m->iov;

	for (; at >= v->iov_len; v++)
		at -= v->iov_len;
	while (n) {
		size_t k = v->iov_len - at < n ? v->iov_len - at : n;

		if (k)
			memcpy(to, (const uint8_t *)v->iov_base + at, k);
		to += k;
		n -= (uint32_t)k;
		at = 0;
		v++;
	}
}

/* For n bytes: what fills most of a large one goes on the wire as one part; NULL: no memory. */
static struct piece *tail_piece(struct stack *st, uint32_t n)
{
	struct piece *p = n > PIECE_LARGE / 2 ? piece_alloc(st, PIECE_LARGE) : NULL;

	if (p)
		return p;
	return piece_alloc(st, n > PIECE_SMALL ? PIECE_MID : PIECE_SMALL);
}

/*
 * Room behind the last record worth a reference of its own: many bytes do not begin in a small rest, nor few in one
 * that has not half of them.
 */
static uint32_t tail_room(const struct tcp_rec *last, uint32_t n)
{
	uint32_t room =
	    last && last->piece ? piece_size(last->piece) - last->off - tcp_rec_len(last) : 0;

	return room < (n > PIECE_SMALL ? PIECE_SMALL : n / 2) ? 0 : room;
}

/* A record that n bytes may follow, at most *room of them; NULL: no memory. */
static struct tcp_rec *tail_open(struct tcp_sock *ts, uint32_t n, uint32_t *room)
{
	struct tcp_rec *last = ts->est->xfer ? ts->est->xfer->tail : NULL, *r;
	uint32_t used = 0;
	struct piece *p;

	*room = tail_room(last, n);
	if (*room) {
		if (!last->times && !(last->flags & REC_EOR))
			return last;
		used = last->off + tcp_rec_len(last);
		p = piece_get(last->piece);
	} else {
		p = tail_piece(ts->sk.stack, n);
		if (!p)
			return NULL;
		*room = piece_size(p);
	}
	r = tcp_rec_add(ts);
	if (!r) {
		piece_put(p);
		return NULL;
	}
	r->piece = p;
	r->off = used;
	return r;
}

/* Queues up to n bytes from `at`; returns how many went into one piece, 0: no memory. */
static uint32_t send_some(struct tcp_sock *ts, const struct sock_msg *m, size_t at, uint32_t n)
{
	uint32_t room;
	struct tcp_rec *r = tail_open(ts, n, &room);

	if (!r)
		return 0;
	if (n > room)
		n = room;
	msg_read(m, at, piece_data(r->piece) + r->off + tcp_rec_len(r), n);
	r->end += n;
	ts->write_seq += n;
	sock_snd_charge(&ts->sk, n);
	return n;
}

/* Why nothing may be sent now; 0: it may. */
static int send_check(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (sk->err)
		return sock_take_error(sk);
	if (sk->shutdown & SOCK_SHUT_WR)
		return -EPIPE;
	if (tcp_state_in(ts, TCP_CAN_SEND) || (ts->flags & TCP_F_FASTOPEN))
		return 0;
	if (tcp_state_in(ts, TCP_IN(TCP_SYN_SENT) | TCP_IN(TCP_SYN_RECV)))
		return -EAGAIN;
	return -EPIPE;
}

static void send_flags(struct tcp_sock *ts, const struct sock_msg *m, bool all)
{
	ts->flags &= ~TCP_F_MORE;
	if (m->flags & MSG_MORE)
		ts->flags |= TCP_F_MORE;
	else if (ts->est->xfer)
		ts->est->xfer->push_seq = ts->write_seq;
	if ((m->flags & MSG_EOR) && all && ts->est->xfer && ts->est->xfer->tail) {
		ts->est->xfer->tail->flags |= REC_EOR;
		ts->est->xfer->eor = true;
	}
	if ((m->flags & MSG_OOB) && all && ts->est->xfer) {
		ts->est->xfer->snd_up =
		    ts->write_seq; /* RFC 6093, 4: the number after the urgent byte */
		ts->flags |= TCP_F_URG_OUT | TCP_F_PUSH;
	}
}

/*
 * Nothing was taken.  Where the stack's memory is short and not the buffer, the next ACK is the
 * time to try again, or a while when none is to come.
 */
static ssize_t send_refused(struct tcp_sock *ts)
{
	if (send_room(ts, tcp_send_burst(ts)) == 0) {
		ts->flags |= TCP_F_NOSPACE;
		tcp_limit_update(ts);
		return -EAGAIN;
	}
	ts->flags |= TCP_F_NOMEM;
	if (tcp_flight(ts) == 0 && !ts->due[TCP_DUE_RTX])
		tcp_rtx_arm(ts, RTX_PERSIST, tcp_now(ts) + TCP_OVERRIDE_NS);
	return -EAGAIN;
}

/* The send queue has shrunk: where a program that was refused has left cwnd room, the buffer was too small. */
void tcp_snd_grow(struct tcp_sock *ts)
{
	if ((ts->flags & TCP_F_NOSPACE) && tcp_pipe(ts) + ts->mss <= ts->est->cwnd)
		tcp_sndbuf_tune(ts);
}

/* What may go has gone.  Who was refused is told once, and not before it is worth it. */
void tcp_snd_wake(struct tcp_sock *ts)
{
	ts->flags &= ~TCP_F_SHRUNK;
	if (ts->sk.flags & SOCK_ACK_EVENTS)
		sock_ready(&ts->sk, EPOLLOUT);
	if (!(ts->flags & TCP_F_NOSPACE))
		return;
	if (!tcp_snd_space(&ts->sk))
		return;
	ts->flags &= ~TCP_F_NOSPACE;
	sock_ready(&ts->sk, EPOLLOUT);
}

void tcp_snd_retry(struct tcp_sock *ts)
{
	if (!(ts->flags & TCP_F_NOMEM))
		return;
	ts->flags &= ~TCP_F_NOMEM;
	sock_ready(&ts->sk, EPOLLOUT);
}

/* Queues len bytes that there is room for; less: no memory. */
static uint32_t send_all(struct tcp_sock *ts, const struct sock_msg *m, uint32_t len)
{
	uint32_t done = 0, k = len;

	while (done < len && k) {
		k = send_some(ts, m, m->skip + done, len - done);
		done += k;
	}
	return done;
}

/* Of the message's bytes that are not sent yet up to `most`, beside a SYN; how many there was memory for. */
uint32_t tcp_send_take(struct tcp_sock *ts, const struct sock_msg *m, uint32_t most)
{
	size_t len = m->len - m->skip;
	uint32_t done = send_all(ts, m, len < most ? (uint32_t)len : most);

	if (ts->est->xfer)
		ts->est->xfer->push_seq = ts->write_seq;
	return done;
}

/*
 * Of a call with room for it, what came in goes to the wire a burst at a time: the peer need not wait
 * until all is copied.  Returns the bytes queued.
 */
static size_t send_queue(struct tcp_sock *ts, const struct sock_msg *m)
{
	size_t len = m->len - m->skip, done = 0;
	uint32_t room, burst = 0, whole;
	bool oob = m->flags & MSG_OOB; /* the pointer is known at the end */

	if (len <= ts->mss && send_fits(ts, len))
		return send_all(ts, m, (uint32_t)len);
	whole = tcp_send_burst(ts);
	while (done < len && (room = send_room(ts, whole))) {
		uint32_t n = whole > burst ? whole - burst : whole;

		n = n < room ? n : room;
		n = len - done < n ? (uint32_t)(len - done) : n;
		n = send_some(ts, m, m->skip + done, n);
		if (!n)
			break;
		done += n;
		burst += n;
		if (done < len && !oob && (burst >= whole || !send_room(ts, whole))) {
			ts->flags |= TCP_F_MORE; /* no part of a segment: its rest is here */
			tcp_push(&ts->sk);
			burst = 0;
			whole = tcp_send_burst(ts);
		}
	}
	return done;
}

ssize_t tcp_send(struct sock *sk, struct sock_msg *m)
{
	struct tcp_sock *ts = tcp_sk(sk);
	size_t len = m->len - m->skip, done;
	int err;

	if (!sk->err && tcp_fastopen_sends(ts, m) && !(m->out_flags & MSG_FASTOPEN))
		return tcp_fastopen_send(ts, m);
	err = send_check(sk);
	if (err)
		return err;
	if (!tcp_est_get(ts))
		return -ENOBUFS;
	tcp_rate_app_limited(ts);
	if (tcp_flight(ts) == 0)
		tcp_cwnd_idle(ts, tcp_now(ts));
	done = send_queue(ts, m);
	if (done == 0 && len)
		return send_refused(ts);
	send_flags(ts, m, done == len && len);
	if ((m->stamps || (sk->flags & SOCK_STAMPING_OUT)) &&
	    (done == len || (m->flags & MSG_DONTWAIT)))
		tcp_stamp_ask(ts, m);
	tcp_push(sk);
	ts->flags &= ~TCP_F_MORE; /* of this call alone: what an ACK lets go is not held back */
	if (done < len) {
		ts->flags |= TCP_F_NOSPACE;
		tcp_limit_update(ts);
	}
	return (ssize_t)done;
}
