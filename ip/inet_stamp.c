/*
 * ip/inet_stamp.c - SO_TIMESTAMPING of transmission (Linux, Documentation/networking/timestamping).
 *
 * A packet that carries something asked for has a note (net/txstamp.h).  Where it is told, any lock may be
 * held, so the message is put off to the batch's end and comes in by the backlog.  The note keeps no
 * reference, for a packet may wait long: by its link it finds the sock, or that it has gone.
 * Hardware's stamps may be asked for, as anywhere; no device here has any.
 */
#include "ip/inet_stamp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "ip/inet_cmsg.h"
#include "lib/stack.h"
#include "net/txstamp.h"

/* --- the way back to the sock ------------------------------------------------------------------ */

/*
 * LOCKING
 *	a	atomic		o	own lock (rank LEAF)
 */
struct sock_link {
	_Atomic uint32_t ref; /* a */
	struct mutex lock;
	struct sock *sk; /* o: NULL: it has gone */
};

static struct sock_link *link_make(struct sock *sk)
{
	struct sock_link *l = malloc(sizeof(*l));

	if (!l)
		return NULL;
	atomic_init(&l->ref, 1);
	mutex_init(&l->lock, RANK_LEAF);
	l->sk = sk;
	return l;
}

static struct sock_link *link_get(struct sock_link *l)
{
	atomic_fetch_add_explicit(&l->ref, 1, memory_order_relaxed);
	return l;
}

static void link_put(struct sock_link *l)
{
	if (atomic_fetch_sub_explicit(&l->ref, 1, memory_order_acq_rel) != 1)
		return;
	mutex_fini(&l->lock);
	free(l);
}

static void link_cut(struct sock_link *l)
{
	mutex_lock(&l->lock);
	l->sk = NULL;
	mutex_unlock(&l->lock);
	link_put(l);
}

/* The sock, with a reference; NULL: it goes, or has gone. */
static struct sock *link_sock(struct sock_link *l)
{
	struct sock *sk;
	uint32_t ref;

	mutex_lock(&l->lock);
	sk = l->sk;
	ref = sk ? atomic_load_explicit(&sk->c.ref, memory_order_relaxed) : 0;
	while (ref && !atomic_compare_exchange_weak_explicit(
			  &sk->c.ref, &ref, ref + 1, memory_order_relaxed, memory_order_relaxed))
		;
	mutex_unlock(&l->lock);
	return ref ? sk : NULL;
}

/* --- what a sock has of it --------------------------------------------------------------------- */

struct sock_stamps *sock_stamps_get(struct sock *sk)
{
	struct sock_rare *k = sock_rare_get(sk);
	struct sock_stamps *s;

	if (!k || k->stamps)
		return k ? k->stamps : NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->link = link_make(sk);
	if (!s->link) {
		free(s);
		return NULL;
	}
	pkq_init(&s->errq);
	k->stamps = s;
	return s;
}

void sock_stamps_free(struct sock *sk)
{
	struct sock_stamps *s = sk->rare->stamps;

	if (!s)
		return;
	pkq_free(&s->errq);
	link_cut(s->link);
	free(s);
}

bool sock_stamps_inherit(struct sock *child, const struct sock *listener)
{
	const struct sock_stamps *from = listener->rare->stamps;
	struct sock_stamps *to;

	if (!from)
		return true;
	to = sock_stamps_get(child);
	if (!to)
		return false;
	to->flags = from->flags;
	return true;
}

/* --- the option -------------------------------------------------------------------------------- */

static int stamping_check(const struct sock *sk, uint32_t flags)
{
	if (flags & ~STAMPING_MASK)
		return -EINVAL;
	if ((flags & STAMPING_OPT_ID_TCP) && !(flags & SOF_TIMESTAMPING_OPT_ID))
		return -EINVAL;
	if ((flags & SOF_TIMESTAMPING_OPT_STATS) && !(flags & SOF_TIMESTAMPING_OPT_TSONLY))
		return -EINVAL;
	if (flags & SOF_TIMESTAMPING_BIND_PHC) /* no device has a clock of its own */
		return sk->c.ifindex ? -EINVAL : -EOPNOTSUPP;
	return 0;
}

/* Bytes are counted from where the stream is, datagrams from 0. */
static int stamping_count(struct sock *sk, struct sock_stamps *s, uint32_t flags)
{
	if (!(flags & ~s->flags & SOF_TIMESTAMPING_OPT_ID))
		return 0;
	if (sk->ops->type == SOCK_STREAM)
		return sk->ops->setopt(sk, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
	s->key = 0;
	return 0;
}

int sock_stamping_set(struct sock *sk, const void *v, socklen_t n)
{
	const uint32_t in = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
	struct sock_stamps *s;
	uint32_t flags;
	int err;

	if (n < sizeof(flags))
		return -EINVAL;
	memcpy(&flags, v, sizeof(flags));
	err = stamping_check(sk, flags);
	if (err)
		return err;
	s = sock_stamps_get(sk);
	if (!s)
		return -ENOBUFS;
	err = stamping_count(sk, s, flags);
	if (err)
		return err;
	s->flags = flags;
	sk->flags &= ~(SOCK_STAMPING_IN | SOCK_STAMPING_OUT);
	if ((flags & in) == in)
		sk->flags |= SOCK_STAMPING_IN;
	if (flags & SOF_TIMESTAMPING_TX_RECORD_MASK)
		sk->flags |= SOCK_STAMPING_OUT;
	return 0;
}

int sock_stamping_get(const struct sock *sk, void *v, socklen_t *n)
{
	const struct sock_stamps *s = sk->rare->stamps;
	struct so_timestamping out = {.flags = s ? (int)s->flags : 0};

	if (*n > sizeof(out))
		*n = sizeof(out);
	memcpy(v, &out, *n);
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------ */

/* The note on a packet. */
struct stamp {
	struct txstamp tx;
	struct sock_link *link;
	uint32_t key;
	bool data; /* the message shows the packet */
};

/* What a message has in its cb until it is at its sock. */
struct stamp_note {
	struct later later;
	struct sock *sk; /* a reference */
	uint32_t what, key;
};
_Static_assert(sizeof(struct stamp_note) <= sizeof(((struct pkbuf *)0)->cb), "cb");

static struct stamp_note *note_of(struct pkbuf *b)
{
	return (struct stamp_note *)(void *)b->cb;
}

/* As it is; what would pin more than twice what it shows is copied. */
static struct pkbuf *message_of(struct stack *st, const struct pkbuf *shown)
{
	struct pkbuf *b;

	if (!shown)
		b = pkbuf_alloc(st, 0);
	else if (shown->pinned > 2 * (shown->len + (uint32_t)sizeof(*shown)))
		b = pkbuf_copy(st, shown);
	else
		b = pkbuf_clone(shown);
	if (b)
		b->kind = PKBUF_STAMP;
	return b;
}

static void message_mark(struct pkbuf *b, uint32_t what, uint32_t key)
{
	struct sock_err e = {.err = ENOMSG, .local = true, .mtu = what, .seq = key};

	memcpy(b->cb, &e, sizeof(e));
}

static void stamp_deliver(struct later *l)
{
	struct pkbuf *b = (struct pkbuf *)(void *)((char *)l - offsetof(struct stamp_note, later) -
						   offsetof(struct pkbuf, cb));
	struct stamp_note n = *note_of(b);

	message_mark(b, n.what, n.key);
	sock_deliver(n.sk, b);
	sock_put(n.sk);
}

static void stamp_tell(struct txstamp *t, const struct pkbuf *b, uint8_t what, uint64_t at)
{
	const struct stamp *s = (const struct stamp *)(const void *)t;
	struct pkbuf *m = message_of(b->stack, s->data ? b : NULL);
	struct sock *sk = m ? link_sock(s->link) : NULL;

	if (!sk) { /* a reference taken sooner might be the last to be put, here, under anybody's lock */
		if (m)
			pkbuf_free(m);
		return;
	}
	m->stamp = at;
	*note_of(m) = (struct stamp_note){
	    .later.fn = stamp_deliver,
	    .sk = sk,
	    .what = what == TXSTAMP_SCHED ? SCM_TSTAMP_SCHED : SCM_TSTAMP_SND,
	    .key = s->key,
	};
	batch_later(b->stack, BATCH_PUSH, &note_of(m)->later);
}

static void stamp_end(struct txstamp *t)
{
	struct stamp *s = (struct stamp *)(void *)t;

	link_put(s->link);
	free(s);
}

static const struct txstamp_ops stamp_ops = {.tell = stamp_tell, .end = stamp_end};

uint32_t sock_stamps_asked(const struct sock *sk, uint32_t own)
{
	if (own)
		return own & SOF_TIMESTAMPING_TX_RECORD_MASK;
	if (sk->flags & SOCK_STAMPING_OUT)
		return sk->rare->stamps->flags & SOF_TIMESTAMPING_TX_RECORD_MASK;
	return 0;
}

void sock_stamp_packet(struct sock *sk, struct pkbuf *b, uint32_t asks, uint32_t key)
{
	struct sock_stamps *k = sock_stamps_get(sk);
	uint8_t wants = 0;
	struct stamp *s;

	if (asks & SOF_TIMESTAMPING_TX_SCHED)
		wants |= TXSTAMP_SCHED;
	if (asks & SOF_TIMESTAMPING_TX_SOFTWARE)
		wants |= TXSTAMP_SENT;
	s = k && wants ? malloc(sizeof(*s)) : NULL;
	if (!s)
		return;
	*s = (struct stamp){
	    .tx = {.ops = &stamp_ops, .wants = wants},
	    .link = link_get(k->link),
	    .key = key,
	    .data = !(k->flags & SOF_TIMESTAMPING_OPT_TSONLY),
	};
	txstamp_add(b, &s->tx);
}

void sock_stamp_datagram(struct sock *sk, struct pkbuf *b, uint32_t own)
{
	uint32_t asks = sock_stamps_asked(sk, own);
	struct sock_stamps *s = asks ? sock_stamps_get(sk) : NULL;

	if (!s)
		return;
	sock_stamp_packet(sk, b, asks, s->flags & SOF_TIMESTAMPING_OPT_ID ? s->key++ : 0);
}

void sock_stamp_mark(struct sock *sk, struct pkbuf *b, uint32_t what, uint32_t key)
{
	b->kind = PKBUF_STAMP;
	b->stamp = env_now(sk->stack->env);
	message_mark(b, what, key);
}

void sock_stamp_stats(struct pkbuf *b)
{
	((struct sock_err *)(void *)b->cb)->len = b->len;
}

/* --- to the program ---------------------------------------------------------------------------- */

/*
 * On the clock of the wall as that stands now.  SO_TIMESTAMP and SO_TIMESTAMPNS have every packet stamped,
 * which SO_TIMESTAMPING then tells of too, unless asked not to.
 */
void sock_stamp_out(const struct sock *sk, uint64_t stamp, bool sent, struct sock_msg *m)
{
	uint32_t flags = sk->rare->stamps ? sk->rare->stamps->flags : 0;
	struct env *e = sk->stack->env;
	uint64_t now = env_now(e), at = env_wall(e) - (stamp ? now - stamp : 0);
	struct timespec ns = {.tv_sec = (time_t)(at / NSEC_PER_SEC),
			      .tv_nsec = (long)(at % NSEC_PER_SEC)};
	struct timeval us = {.tv_sec = ns.tv_sec, .tv_usec = ns.tv_nsec / 1000};
	struct scm_timestamping three = {.ts[0] = ns};

	if (sk->flags & SOCK_TIMESTAMPNS)
		sock_msg_control(m, SOL_SOCKET, SO_TIMESTAMPNS, &ns, sizeof(ns));
	else if (sk->flags & SOCK_TIMESTAMP)
		sock_msg_control(m, SOL_SOCKET, SO_TIMESTAMP, &us, sizeof(us));
	if (!sent && (flags & STAMPING_OPT_RX_FILTER) && !(flags & SOF_TIMESTAMPING_RX_SOFTWARE))
		return;
	if (flags & SOF_TIMESTAMPING_SOFTWARE)
		sock_msg_control(m, SOL_SOCKET, SO_TIMESTAMPING, &three, sizeof(three));
}
