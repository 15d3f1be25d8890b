/*
 * tcp/tcp_cc.c - the table of congestion control algorithms and what they share: the initial window
 * (RFC 6928), what is in flight, the restart after idle (RFC 5681, 4.1).
 */
#include <string.h>

#include "tcp/tcp_priv.h"

static const struct tcp_cc_ops *const cc_table[] = {
    &cc_newreno,
};

const struct tcp_cc_ops *tcp_cc_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(cc_table) / sizeof(cc_table[0]); i++) {
		if (!strcmp(cc_table[i]->name, name))
			return cc_table[i];
	}
	return NULL;
}

/* RFC 6928, 2: ten segments, but not more than 14600 bytes or two segments, whichever is larger. */
uint32_t tcp_init_cwnd(const struct tcp_sock *ts)
{
	uint32_t n = (uint32_t)sysctl_get(ts->sk.stack, tcp_init_cwnd);
	uint32_t bytes = n * 1460u, least = 2u * ts->mss;

	if (least > bytes)
		bytes = least;
	return n * ts->mss < bytes ? n * ts->mss : bytes;
}

void tcp_cc_init(struct tcp_sock *ts)
{
	memset(ts->cc_priv, 0, sizeof(ts->cc_priv));
	ts->ca_state = CA_OPEN;
	ts->ssthresh = UINT32_MAX;
	ts->cwnd = tcp_init_cwnd(ts);
	/* RFC 5681, 3.1: a lost SYN means one segment to begin with */
	if ((ts->flags & TCP_F_SYN_RTX) && !(ts->flags & TCP_F_TS))
		ts->cwnd = ts->mss;
	if (ts->cc->init && ts->cc->init(ts) < 0)
		ts->cc = &cc_newreno; /* needs no memory */
}

/* cwnd and ssthresh stay.  0, or -ENOMEM and the algorithm is NewReno. */
int tcp_cc_change(struct tcp_sock *ts, const struct tcp_cc_ops *cc)
{
	int err = 0;

	if (ts->cc->release)
		ts->cc->release(ts);
	memset(ts->cc_priv, 0, sizeof(ts->cc_priv));
	ts->cc = cc;
	if (cc->init)
		err = cc->init(ts);
	if (err)
		ts->cc = &cc_newreno;
	return err;
}

uint32_t tcp_flight(const struct tcp_sock *ts)
{
	return ts->snd_nxt - ts->snd_una;
}

uint32_t tcp_pipe(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->xfer;
	uint32_t out = tcp_flight(ts), gone;

	if (!x)
		return out;
	gone = x->sacked + x->lost;
	out += x->retrans;
	return out > gone ? out - gone : 0;
}

void tcp_cwnd_idle(struct tcp_sock *ts, uint64_t now)
{
	uint32_t restart = tcp_init_cwnd(ts), idle = tcp_ms(now) - ts->last_sent_ms;

	if (!sysctl_get(ts->sk.stack, tcp_slow_start_after_idle) || ts->data_segs_out == 0)
		return;
	if (idle < ts->rto_us / 1000 || ts->cwnd <= restart)
		return;
	ts->cwnd = restart;
	if (ts->cc->event)
		ts->cc->event(ts, TCP_CC_IDLE);
}
