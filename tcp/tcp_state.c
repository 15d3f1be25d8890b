/*
 * tcp/tcp_state.c - the states, their legal moves (RFC 9293, 3.3.2), and the list of steps that a
 * segment goes through (3.10.7.4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/debug.h"
#include "tcp/tcp_priv.h"

static const char *const state_text[TCP_NSTATES] = {
    [TCP_ESTABLISHED] = "ESTABLISHED",
    [TCP_SYN_SENT] = "SYN-SENT",
    [TCP_SYN_RECV] = "SYN-RECEIVED",
    [TCP_FIN_WAIT1] = "FIN-WAIT-1",
    [TCP_FIN_WAIT2] = "FIN-WAIT-2",
    [TCP_TIME_WAIT] = "TIME-WAIT",
    [TCP_CLOSE] = "CLOSED",
    [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
    [TCP_LAST_ACK] = "LAST-ACK",
    [TCP_LISTEN] = "LISTEN",
    [TCP_CLOSING] = "CLOSING",
};

/* Where each state may go; every one to CLOSED. */
static const uint16_t state_moves[TCP_NSTATES] = {
    [TCP_CLOSE] = TCP_IN(TCP_LISTEN) | TCP_IN(TCP_SYN_SENT) | TCP_IN(TCP_SYN_RECV),
    [TCP_LISTEN] = TCP_IN(TCP_CLOSE),
    [TCP_SYN_SENT] = TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_SYN_RECV) | TCP_IN(TCP_CLOSE),
    [TCP_SYN_RECV] = TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_CLOSE),
    [TCP_ESTABLISHED] = TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_CLOSE_WAIT) | TCP_IN(TCP_CLOSE),
    [TCP_FIN_WAIT1] = TCP_IN(TCP_FIN_WAIT2) | TCP_IN(TCP_CLOSING) | TCP_IN(TCP_CLOSE),
    [TCP_FIN_WAIT2] = TCP_IN(TCP_TIME_WAIT) | TCP_IN(TCP_CLOSE),
    [TCP_CLOSING] = TCP_IN(TCP_TIME_WAIT) | TCP_IN(TCP_CLOSE),
    [TCP_TIME_WAIT] = TCP_IN(TCP_CLOSE),
    [TCP_CLOSE_WAIT] = TCP_IN(TCP_LAST_ACK) | TCP_IN(TCP_CLOSE),
    [TCP_LAST_ACK] = TCP_IN(TCP_CLOSE),
};

const char *tcp_state_text(unsigned state)
{
	return state < TCP_NSTATES && state_text[state] ? state_text[state] : "?";
}

/* A debug build stops; else that connection is reset and everything else lives. */
static void state_illegal(struct tcp_sock *ts, unsigned to)
{
#ifndef NDEBUG
	fprintf(stderr, "weft: TCP may not go from %s to %s\n", tcp_state_text(tcp_state_of(ts)),
		tcp_state_text(to));
	abort();
#else
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPIllegalState);
	tcp_abort(ts, ECONNABORTED);
#endif
}

static int counts_established(unsigned state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

void tcp_set_state(struct tcp_sock *ts, unsigned to)
{
	unsigned from = tcp_state_of(ts);
	int more = counts_established(to) - counts_established(from);

	assert(lock_is_held(&ts->sk.c.lock));
	if (!(state_moves[from] & TCP_IN(to))) {
		state_illegal(ts, to);
		return;
	}
	if (more)
		gauge_add(ts->sk.stack, GAUGE_tcp_established, more);
	debug(ts->sk.stack, DEBUG_TCPSTATE, "tcp %u-%u: %s -> %s", ts->sk.c.lport, ts->sk.c.rport,
	      tcp_state_text(from), tcp_state_text(to));
	atomic_store_explicit(&ts->sk.c.state, (uint8_t)to, memory_order_relaxed);
}

/* RFC 9293, 3.10.7.4.  Third, security and precedence, no stack does any more. */
static enum drop_reason process_steps(struct tcp_sock *ts, struct pkbuf *b)
{
	static tcp_step_fn *const steps[] = {
	    tcp_check_paws, /* RFC 7323, 5.3, R1 */
	    tcp_check_seq,  /* first: the sequence number */
	    tcp_check_rst,  /* second: RST */
	    tcp_check_syn,  /* fourth: SYN */
	    tcp_ack,        /* fifth: ACK */
	    tcp_urg,        /* sixth: URG */
	};
	enum drop_reason why = DROP_NONE;

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !why; i++)
		why = steps[i](ts, b);
	return why;
}

/*
 * Header prediction: the next segment in order of an open connection that a program has, with nothing
 * about it that a step before the fifth could refuse, for the sixth to do, or for the seventh to take
 * off.  What is odd is gathered, and asked once.
 */
static bool is_predicted(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	bool stamps = ts->flags & TCP_F_TS, stamped = g->opts & SEG_OPT_TS;
	uint32_t odd = tcp_state_of(ts) ^ TCP_ESTABLISHED;

	odd |= ts->flags & (TCP_F_FASTOPEN | TCP_F_FIN_SEEN);
	odd |= ts->sk.flags & SOCK_DEAD;
	odd |= (g->flags & ~(uint32_t)TCP_PSH) ^ TCP_ACK;
	odd |= g->seq ^ ts->rcv_nxt;
	odd |= seq_gt(g->end, ts->rcv_adv);
	odd |= stamps & (!stamped | seq_lt(g->tsval, ts->ts_recent));
	return odd == 0;
}

/* Its callers' locks are beyond clang's analysis: they come through the table of steps. */
NO_LOCK_ANALYSIS void tcp_push_later(struct tcp_sock *ts)
{
	sock_push_later(&ts->sk);
}

/* Without memory for what it may teach: only a RST is heard, the rest comes again. */
static enum drop_reason process_poor(struct tcp_sock *ts, struct pkbuf *b)
{
	enum drop_reason why = DROP_NO_MEMORY;

	if (tcp_seg(b)->flags & TCP_RST)
		why = tcp_check_seq(ts, b);
	return why ? why : tcp_check_rst(ts, b);
}

/* Has tcp_push() anything to do?  A request in order, its ACK put off, is all here, and nothing to be sent. */
static bool push_is_due(const struct tcp_sock *ts)
{
	return ts->est->xfer || ts->dupacks_owed || (ts->flags & (TCP_F_ACK_NOW | TCP_F_SHRUNK)) ||
	       ts->write_seq == ts->iss + 1;
}

void tcp_process(struct tcp_sock *ts, struct pkbuf *b)
{
	enum drop_reason why;

	if (!tcp_est_get(ts)) {
		pkbuf_drop(b, process_poor(ts, b));
		return;
	}
	ts->est->segs_in++;
	if (is_predicted(ts, tcp_seg(b))) {
		tcp_seg(b)->opts |= SEG_PREDICTED;
		if (b->len)
			mib_inc(b->stack, MIB_TcpExt_TCPHPHits);
		why = tcp_ack(ts, b);
	} else {
		why = process_steps(ts, b);
	}
	if (why || tcp_state_of(ts) == TCP_CLOSE) {
		pkbuf_drop(b, why);
	} else {
		tcp_text(ts, b); /* seventh: the text */
		tcp_fin(ts);     /* eighth: FIN */
	}
	if (tcp_state_of(ts) != TCP_CLOSE && push_is_due(ts))
		tcp_push_later(ts);
}
