/*
 * tests/harness/sim_check.c - what must hold of every connection between any two events:
 *
 *	SND.UNA =< SND.NXT, and SND.NXT within the furthest right edge the peer has ever given
 *	data out: a timer runs, and for no longer than the RTO
 *	what one end has acknowledged, the other has sent; what is acknowledged here, it has there
 *	the right edge of a receive window never moves back
 */
#include <string.h>

#include "ip/inet_hash.h"
#include "lib/seq.h"
#include "tcp/tcp.h"
#include "tests/harness/sim.h"

#define RTO_MAX_MS 120000u

/* The walk through one stack's table. */
struct walk {
	struct sim *s;
	unsigned i; /* stack */
};

static struct sim_track *track_of(struct sim *s, unsigned i, const struct tcp_view *v)
{
	uint64_t key = (uint64_t)(i + 1) << 32 | (uint64_t)v->lport << 16 | v->rport;
	unsigned at = (unsigned)(key * 0x9e3779b97f4a7c15ull >> 40) % SIM_TRACKED;
	struct sim_track *t = &s->track[at];

	while (t->key && t->key != key)
		t = &s->track[(t - s->track + 1) % SIM_TRACKED];
	if (t->key != key || t->iss != v->iss)
		*t = (struct sim_track){.key = key,
					.iss = v->iss,
					.snd_edge = v->snd_una + v->snd_wnd,
					.rcv_edge = v->rcv_nxt + v->rcv_wnd};
	return t;
}

static bool is_open(const struct tcp_view *v)
{
	return v->state != TCP_SYN_SENT && v->state != TCP_SYN_RECV && v->state != TCP_LISTEN &&
	       v->state != TCP_TIME_WAIT && v->state != TCP_CLOSE;
}

static void check_send(struct sim *s, unsigned i, const struct tcp_view *v, struct sim_track *t)
{
	uint64_t rto = (uint64_t)v->rto_us << (v->retransmits < 16 ? v->retransmits : 16);

	t->snd_edge = seq_max(t->snd_edge, v->snd_una + v->snd_wnd);
	ck_assert_msg(seq_leq(v->snd_una, v->snd_nxt), "%u: SND.UNA %u over SND.NXT %u", i,
		      v->snd_una, v->snd_nxt);
	/* a FIN or a probe may stand one number over the edge */
	ck_assert_msg(seq_leq(v->snd_nxt, t->snd_edge + 1), "%u: SND.NXT %u over the window, %u", i,
		      v->snd_nxt, t->snd_edge);
	if (v->snd_una == v->snd_nxt)
		return;
	if (rto > RTO_MAX_MS * 1000ull)
		rto = RTO_MAX_MS * 1000ull;
	ck_assert_msg(v->timer != NULL, "%u: %u bytes out and no timer in %s", i,
		      v->snd_nxt - v->snd_una, tcp_state_text(v->state));
	ck_assert_msg(v->timer_ns <= (rto + 2000) * 1000,
		      "%u: %u bytes out, timer %s in %llu us, RTO %llu us", i,
		      v->snd_nxt - v->snd_una, v->timer, (unsigned long long)v->timer_ns / 1000,
		      (unsigned long long)rto);
}

static void check_receive(unsigned i, const struct tcp_view *v, struct sim_track *t)
{
	uint32_t edge = v->rcv_nxt + v->rcv_wnd;

	/* the FIN takes a number of its own */
	ck_assert_msg(seq_geq(edge + 1, t->rcv_edge), "%u: right edge moved back by %u", i,
		      t->rcv_edge - edge);
	t->rcv_edge = seq_max(edge, t->rcv_edge);
}

static bool view_of(struct stack *st, const struct inet_tuple *tu, struct tcp_view *v)
{
	struct inet_table *table = tcp_table(st);
	struct sock_common *c = inet_lookup(table, tu);

	if (!c)
		return false;
	memset(v, 0, sizeof(*v));
	tcp_view_get(c, v);
	inet_common_put(table, c);
	return true;
}

/* The other end of the same connection, if it is still there. */
static void check_both(struct sim *s, unsigned i, const struct tcp_view *v)
{
	struct inet_tuple tu = {v->raddr, v->laddr, v->rport, v->lport, 0};
	struct tcp_view o;
	struct batch b;
	bool there;

	batch_begin(&b, s->st[1 - i]);
	there = view_of(s->st[1 - i], &tu, &o);
	batch_end(&b);
	if (!there || !is_open(&o) || o.irs != v->iss || v->irs != o.iss)
		return;
	ck_assert_msg(seq_leq(o.rcv_nxt, v->snd_nxt), "%u has acknowledged what was not sent",
		      1 - i);
	ck_assert_msg(seq_leq(v->snd_una, o.rcv_nxt), "%u believes acknowledged what was not", i);
}

static void check_one(struct sock_common *c, void *arg)
{
	struct walk *w = arg;
	struct sim *s = w->s;
	struct sim_track *t;
	struct tcp_view v;

	if (c->kind != SOCK_KIND_FULL)
		return;
	memset(&v, 0, sizeof(v));
	tcp_view_get(c, &v);
	if (!is_open(&v))
		return;
	t = track_of(s, w->i, &v);
	check_send(s, w->i, &v, t);
	check_receive(w->i, &v, t);
	check_both(s, w->i, &v);
	s->checks++;
}

void sim_invariants(struct sim *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct walk w = {.s = s, .i = i};
		struct batch b;

		batch_begin(&b, s->st[i]);
		inet_each(tcp_table(s->st[i]), check_one, &w);
		batch_end(&b);
	}
}
