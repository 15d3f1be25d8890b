/*
 * tests/sim/lab_check.c - what must hold of a connection between any two events:
 *
 *	SND.UNA =< SND.NXT =< the end of the queue, within the furthest right edge the peer has ever given
 *	(RFC 9293, 3.3.1 and 3.4); RCV.NXT within the window advertised, whose right edge never moves back
 *	while data are out, or wait before a closed window, a timer is armed, and for no longer than the RTO
 *	what one end has acknowledged the other has sent, and what is believed acknowledged is there
 *	nothing stands still longer than lost frames and backed-off timers explain
 */
#include "tcp/tcp_priv.h"
#include "tests/sim/lab_world.h"

#define TIMER_SLACK_NS (10 * NSEC_PER_MSEC)
#define STALL_SLACK_NS (2 * NSEC_PER_SEC)
#define PACED_NS (60 * NSEC_PER_SEC) /* a first round trip of half a minute makes for such a rate */
#define OPENING_NS (70 * NSEC_PER_SEC) /* a SYN-ACK's last interval, which no sock shows */
#define PINNED 131072u                 /* a buffer may be overrun by a segment and what it pins */

static unsigned long long ms_of(uint64_t ns)
{
	return ns / NSEC_PER_MSEC;
}

static void check_send(struct lab_end *e, const struct tcp_sock *ts)
{
	uint32_t edge = ts->snd_una + ts->snd_wnd;

	e->snd_edge = e->seen ? seq_max(e->snd_edge, edge) : edge;
	if (!seq_leq(ts->snd_una, ts->snd_nxt))
		lab_violate_end(e, "SND.UNA %u is over SND.NXT %u", ts->snd_una, ts->snd_nxt);
	if (!seq_leq(ts->snd_nxt, ts->write_seq))
		lab_violate_end(e, "SND.NXT %u is over the end of the queue, %u", ts->snd_nxt,
				ts->write_seq);
	/* a FIN or a probe may stand one number over the edge */
	if (!seq_leq(ts->snd_nxt, e->snd_edge + 1))
		lab_violate_end(e, "SND.NXT %u is over the window's edge, %u", ts->snd_nxt,
				e->snd_edge);
	if (e->seen && !seq_geq(ts->snd_una, e->una))
		lab_violate_end(e, "SND.UNA moved back from %u to %u", e->una, ts->snd_una);
	if (!e->seen || e->una != ts->snd_una)
		e->rto = 0;
	e->una = ts->snd_una;
}

static void check_receive(struct lab_end *e, const struct tcp_sock *ts)
{
	if (!seq_leq(ts->copied_seq, ts->rcv_nxt))
		lab_violate_end(e, "read up to %u, RCV.NXT is %u", ts->copied_seq, ts->rcv_nxt);
	/* the FIN takes a number of its own */
	if (!seq_leq(ts->rcv_nxt, ts->rcv_adv + 1))
		lab_violate_end(e, "RCV.NXT %u is over the window's edge, %u", ts->rcv_nxt,
				ts->rcv_adv);
	if (e->seen && !seq_geq(ts->rcv_adv + 1, e->rcv_edge))
		lab_violate_end(e, "the window's right edge moved back from %u to %u", e->rcv_edge,
				ts->rcv_adv);
	e->rcv_edge = e->seen ? seq_max(ts->rcv_adv, e->rcv_edge) : ts->rcv_adv;
}

static void check_timer_armed(struct lab_end *e, const struct tcp_sock *ts, const char *why)
{
	uint64_t now = tcp_now(ts), due = tcp_due_at(ts, TCP_DUE_RTX);
	uint64_t most;

	if (e->rto < tcp_rto_ns(ts))
		e->rto = tcp_rto_ns(ts);
	/* a time-out that pacing keeps from sending is not seen as it happens */
	most = ts->retransmits ? 2 * e->rto : e->rto;
	if (!due)
		lab_violate_end(e, "%s in %s, and no timer", why, tcp_state_text(tcp_state_of(ts)));
	else if (!ts->timer_at || (int32_t)(ts->timer_at - ts->due[TCP_DUE_RTX]) > 0)
		lab_violate_end(e, "%s, and the timer is not on the wheel", why);
	else if (due > now + most + TIMER_SLACK_NS)
		lab_violate_end(e, "%s, and the timer waits %llu ms, RTO %llu ms", why,
				ms_of(due - now), ms_of(e->rto));
}

static void check_timer(struct lab_end *e, const struct tcp_sock *ts)
{
	const uint32_t held = TCP_F_CORK | TCP_F_MORE | TCP_F_NOMEM;

	if (ts->snd_una != ts->snd_nxt)
		check_timer_armed(e, ts, "data are out");
	else if (ts->write_seq != ts->snd_nxt && !(ts->flags & held) && !ts->due[TCP_DUE_PACE])
		check_timer_armed(e, ts,
				  ts->snd_wnd ? "data wait and nothing is out"
					      : "data wait before a closed window");
}

/* May what is lost, or what is new, go, and does it not?  All that an event lets go has gone. */
static void check_idle(struct lab_end *e, struct tcp_sock *ts)
{
	const uint32_t held = TCP_F_CORK | TCP_F_MORE | TCP_F_NOMEM;
	uint32_t pipe = tcp_pipe(ts), room = ts->snd_una + ts->snd_wnd - ts->snd_nxt;
	uint32_t wait = ts->write_seq - ts->snd_nxt;
	const struct tcp_rec *r;

	if (ts->due[TCP_DUE_PACE] || ts->flags & held || pipe + ts->mss > ts->est->cwnd)
		return;
	if (ts->est->xfer && ts->est->xfer->frto && ts->ca_state == CA_LOSS)
		return; /* RFC 5682: the next ACK tells */
	r = tcp_recovery_next(ts);
	if (r && seq_lt(r->seq, ts->snd_una + ts->snd_wnd))
		lab_violate_end(e, "%u..%u is lost, cwnd %u has room over %u, and it does not go",
				r->seq, r->end, ts->est->cwnd, pipe);
	if (wait > ts->mss && room > ts->mss && room < INT32_MAX)
		lab_violate_end(e,
				"%u bytes wait, cwnd %u has room over %u, window %u, and none goes",
				wait, ts->est->cwnd, pipe, room);
}

static void check_memory(struct lab_end *e, const struct tcp_sock *ts)
{
	const struct sock *sk = &ts->sk;

	if (sk->rcv_bytes > sk->rcvbuf + PINNED)
		lab_violate_end(e, "%u bytes are received, the buffer has %u", sk->rcv_bytes,
				sk->rcvbuf);
	/* each segment may come to have a record of its own */
	if (sk->snd_bytes > sk->sndbuf + sk->sndbuf / 4 + PINNED)
		lab_violate_end(e, "%u bytes are queued, the buffer has %u", sk->snd_bytes,
				sk->sndbuf);
	if (tcp_est_is_own(ts) && ts->est->cwnd == 0)
		lab_violate_end(e, "cwnd is 0");
}

void lab_check_end(struct lab_end *e)
{
	struct tcp_sock *ts;
	struct batch b;

	if (!e->sk)
		return;
	ts = tcp_sk(e->sk);
	batch_begin(&b, e->sk->stack);
	sock_lock(e->sk);
	if (tcp_state_in(ts, TCP_SYNCHRONIZED)) {
		check_send(e, ts);
		check_receive(e, ts);
		check_timer(e, ts);
		check_memory(e, ts);
		check_idle(e, ts);
		lab_check_scoreboard(e, ts);
		e->seen = true;
	}
	sock_unlock(e->sk);
	batch_end(&b);
	e->conn->w->checks++;
}

/* --- both ends ------------------------------------------------------------------------------------ */

static const struct tcp_sock *end_tcp(const struct lab_end *e)
{
	const struct tcp_sock *ts = e->sk ? tcp_sk(e->sk) : NULL;

	return ts && tcp_state_in(ts, TCP_SYNCHRONIZED) ? ts : NULL;
}

static void check_pair(struct lab_end *e, const struct lab_end *peer)
{
	const struct tcp_sock *a = end_tcp(e), *b = end_tcp(peer);

	if (!a || !b || a->iss != b->est->irs || b->iss != a->est->irs)
		return;
	if (!seq_leq(b->rcv_nxt, a->snd_nxt))
		lab_violate_end(peer, "it has received up to %u, the other end sent up to %u",
				b->rcv_nxt, a->snd_nxt);
	if (!seq_leq(a->snd_una, b->rcv_nxt))
		lab_violate_end(e, "it holds %u for acknowledged, the other end received up to %u",
				a->snd_una, b->rcv_nxt);
}

void lab_check_conn(struct lab_conn *c)
{
	uint32_t una[2] = {c->end[0].una, c->end[1].una};

	for (unsigned i = 0; i < 2; i++) {
		lab_check_end(&c->end[i]);
		if (una[i] == c->end[i].una)
			continue;
		c->end[i].taken_before = c->taken;
		lab_conn_moved(c);
	}
	check_pair(&c->end[0], &c->end[1]);
	check_pair(&c->end[1], &c->end[0]);
}

/* --- standing still ------------------------------------------------------------------------------- */

/* With Fast Open a server has its sock before the SYN-ACK has come through. */
static bool end_opens(const struct lab_end *e)
{
	return e->sk && tcp_state_in(tcp_sk(e->sk), TCP_IN(TCP_SYN_SENT) | TCP_IN(TCP_SYN_RECV));
}

/* What may pass after the last loss until the next transmission has come through. */
static uint64_t stall_limit(const struct lab_conn *c)
{
	uint64_t ns = 0;

	if (!c->end[LAB_SERVER].sk || end_opens(&c->end[0]) || end_opens(&c->end[1]))
		return OPENING_NS + 2 * c->w->path;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_sock *ts = end_tcp(&c->end[i]);

		if (ts && c->end[i].rto > ns)
			ns = c->end[i].rto;
		if (ts && ts->due[TCP_DUE_PACE]) /* the algorithm holds it back */
			ns = PACED_NS;
	}
	/* a loss probe puts the time-out off once (RFC 8985, 7.3) */
	return 2 * ns + 2 * c->w->path + STALL_SLACK_NS;
}

/* Where an end stands: state, bytes out and waiting, the peer's window. */
static char *end_text(const struct lab_end *e, char *to, size_t size)
{
	const struct tcp_sock *ts = e->sk ? tcp_sk(e->sk) : NULL;

	if (!ts)
		snprintf(to, size, "no sock");
	else
		snprintf(to, size,
			 "%s, sent %llu/%llu got %llu, %u out, %u wait, cwnd %u, window %u",
			 tcp_state_text(tcp_state_of(ts)), (unsigned long long)e->sent,
			 (unsigned long long)e->todo, (unsigned long long)e->got,
			 ts->snd_nxt - ts->snd_una, ts->write_seq - ts->snd_nxt, ts->est->cwnd,
			 ts->snd_wnd);
	return to;
}

void lab_check_stall(struct lab_conn *c)
{
	uint64_t now = lab_now(c->w), since = c->moved;
	char text[2][120];

	if (since < c->hurt)
		since = c->hurt;
	if (since < c->w->hurt)
		since = c->w->hurt;
	if (c->timers) /* a program waits */
		lab_conn_moved(c);
	if (c->over || c->timers || now <= since || now - since <= stall_limit(c))
		return;
	lab_violate_end(
	    &c->end[0],
	    "stands still for %llu ms, and nothing was lost since; client %s; server %s",
	    ms_of(now - since), end_text(&c->end[0], text[0], sizeof(text[0])),
	    end_text(&c->end[1], text[1], sizeof(text[1])));
}
