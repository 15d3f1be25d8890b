/*
 * ip/raw_in.c - the raw socks of a stack, one list a protocol, and who of them gets a datagram or
 * an error.
 *
 * A protocol without raw socks costs one relaxed load a packet.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "ip/raw_priv.h"

/*
 * LOCKING
 *	c	constant after creation		b	lock	a	atomic, written under b
 */
struct raw_state {
	struct mutex lock;             /* c: rank BUCKET */
	struct sock_common *list[256]; /* b: by protocol */
	_Atomic uint32_t count[256];   /* a */
};

struct raw_state *raw_state_create(struct stack *st)
{
	struct raw_state *s = calloc(1, sizeof(*s));

	if (s)
		mutex_init(&s->lock, RANK_BUCKET);
	return s;
}

void raw_state_destroy(struct raw_state *s)
{
	for (unsigned i = 0; i < 256; i++)
		assert(!s->list[i]);
	mutex_fini(&s->lock);
	free(s);
}

/* --- the lists -------------------------------------------------------------------------------- */

int raw_open(struct sock *sk, uint8_t proto)
{
	struct raw_state *s = sk->stack->ip->raw;

	if (proto == 0)
		return -EPROTONOSUPPORT;
	sk->c.proto = proto;
	sk->flags |= SOCK_REUSEADDR;                   /* Linux says so of sockets without ports */
	sk->c.lport = sk->ops == &raw_ops ? proto : 0; /* as Linux shows it */
	if (proto == IP_PROTO_RAW)
		sk->flags |= SOCK_HDRINCL;
	sock_hold(sk);
	mutex_lock(&s->lock);
	sk->c.hash_next = s->list[proto];
	s->list[proto] = &sk->c;
	sk->c.hashed = true;
	s->count[proto]++;
	mutex_unlock(&s->lock);
	return 0;
}

void raw_list_del(struct sock *sk)
{
	struct raw_state *s = sk->stack->ip->raw;
	struct sock_common **at;

	if (!sk->c.hashed)
		return;
	mutex_lock(&s->lock);
	for (at = &s->list[sk->c.proto]; *at != &sk->c; at = &(*at)->hash_next)
		;
	*at = sk->c.hash_next;
	sk->c.hashed = false;
	s->count[sk->c.proto]--;
	mutex_unlock(&s->lock);
	sock_put(sk);
}

void raw_list_set_addrs(struct sock *sk, const struct ip_addr *laddr, const struct ip_addr *raddr)
{
	struct raw_state *s = sk->stack->ip->raw;

	mutex_lock(&s->lock);
	sk->c.laddr = *laddr;
	sk->c.raddr = *raddr;
	mutex_unlock(&s->lock);
}

bool raw_list_set_port(struct sock *sk, uint16_t port)
{
	struct raw_state *s = sk->stack->ip->raw;
	bool is_free = true;

	mutex_lock(&s->lock);
	for (struct sock_common *c = s->list[sk->c.proto]; c; c = c->hash_next)
		is_free &=
		    c->lport != port || c == &sk->c || ((struct sock *)(void *)c)->ops != sk->ops;
	if (is_free)
		sk->c.lport = port;
	mutex_unlock(&s->lock);
	return is_free;
}

/* What a sock of the list must fit. */
struct raw_want {
	struct ip_addr laddr, raddr;
	uint32_t ifindex; /* 0: not known */
};

static bool raw_match(const struct sock_common *c, const struct raw_want *w)
{
	if (!ip_addr_is_any(&c->laddr) && !ip_addr_eq(&c->laddr, &w->laddr))
		return false;
	if (!ip_addr_is_any(&c->raddr) && !ip_addr_eq(&c->raddr, &w->raddr))
		return false;
	return !c->ifindex || !w->ifindex || c->ifindex == w->ifindex;
}

/* Socks with a reference each, in the order in which they were opened, newest first. */
struct raw_found {
	struct sock **sk;
	unsigned n;
};

static bool raw_is_open(struct stack *st, uint8_t proto)
{
	return atomic_load_explicit(&st->ip->raw->count[proto], memory_order_relaxed) != 0;
}

static struct raw_found raw_collect(struct stack *st, uint8_t proto, const struct raw_want *w)
{
	struct raw_state *s = st->ip->raw;
	struct raw_found f = {NULL, 0};

	if (!raw_is_open(st, proto))
		return f;
	mutex_lock(&s->lock);
	if (s->count[proto])
		f.sk = malloc(s->count[proto] * sizeof(struct sock *));
	for (struct sock_common *c = s->list[proto]; c && f.sk; c = c->hash_next) {
		if (!w || raw_match(c, w))
			f.sk[f.n++] = sock_hold((struct sock *)(void *)c);
	}
	mutex_unlock(&s->lock);
	return f;
}

static void raw_found_put(struct raw_found *f)
{
	for (unsigned i = 0; i < f->n; i++)
		sock_put(f->sk[i]);
	free(f->sk);
}

void raw_each(struct stack *st, void (*fn)(struct sock *sk, void *arg), void *arg)
{
	for (unsigned proto = 0; proto < 256; proto++) {
		struct raw_found f = raw_collect(st, (uint8_t)proto, NULL);

		for (unsigned i = 0; i < f.n; i++)
			fn(f.sk[i], arg);
		raw_found_put(&f);
	}
}

/* --- in --------------------------------------------------------------------------------------- */

/* ICMP_FILTER, raw(7): types it does not know pass. */
static bool raw_filtered(struct sock *sk, const struct pkbuf *b)
{
	uint32_t mask = atomic_load_explicit(&raw_sock(sk)->icmp_filter, memory_order_relaxed);
	uint32_t off = ip4_hdr_len(ip4_hdr(b));
	uint8_t type;

	if (!mask || b->len <= off)
		return false;
	pkbuf_read(b, off, &type, 1);
	return type < 32 && (mask >> type & 1);
}

static void raw_deliver(struct sock *sk, struct pkbuf *b)
{
	struct pkbuf *copy = pkbuf_clone(b);

	if (!copy) {
		pkbuf_count_drop(sk->stack, DROP_NO_MEMORY);
		return;
	}
	pkbuf_csum_finish(copy);
	sock_deliver(sk, copy);
}

/* True: there was one at least. */
static __attribute__((noinline)) bool raw_deliver_all(struct pkbuf *b)
{
	struct raw_want w = {b->dst, b->src, b->dev->ifindex};
	struct raw_found f = raw_collect(b->stack, b->proto, &w);
	bool took = f.n > 0;

	for (unsigned i = 0; i < f.n; i++) {
		if (b->proto != IP_PROTO_ICMP || !raw_filtered(f.sk[i], b))
			raw_deliver(f.sk[i], b);
	}
	raw_found_put(&f);
	return took;
}

bool raw_in(struct pkbuf *b)
{
	return raw_is_open(b->stack, b->proto) && b->proto != IP_PROTO_RAW && raw_deliver_all(b);
}

/* A protocol with ports or sequence numbers to compare has the better judgement. */
static bool raw_may_learn(const struct ip_err *e)
{
	const struct ip_proto *p = ip_proto_find(e->stack, e->proto);

	return !p || !p->err;
}

void raw_err(const struct ip_err *e)
{
	struct raw_want w = {.laddr = e->src, .raddr = e->dst};
	struct sock_err se = {
	    .err = e->err,
	    .type = e->type,
	    .code = e->code,
	    .fatal = e->fatal,
	    .dst = e->dst,
	};
	struct raw_found f = raw_collect(e->stack, e->proto, &w);
	bool believes = false;

	for (unsigned i = 0; i < f.n; i++)
		believes |= sock_believes_mtu(f.sk[i]);
	if (believes && e->err == EMSGSIZE && raw_may_learn(e))
		se.mtu = pmtu_learn(e->stack, &e->dst, e->mtu, e->len);
	for (unsigned i = 0; i < f.n; i++)
		sock_deliver_error(f.sk[i], &se, e->msg, e->quote);
	raw_found_put(&f);
}
