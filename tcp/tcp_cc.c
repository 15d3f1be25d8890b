/*
 * tcp/tcp_cc.c - the table of congestion control algorithms and what they share: the initial window
 * (RFC 6928), what is in flight, slow start by bytes (RFC 3465), whether cwnd is used at all (RFC
 * 7661, in spirit), the restart after idle (RFC 5681, 4.1).
 */
#include <errno.h>
#include <string.h>

#include "tcp/tcp_priv.h"

/* The first is what a new stack's connections begin with. */
const struct tcp_cc_ops *const tcp_cc_table[] = {
    &cc_cubic,
    &cc_newreno,
    &cc_bbr,
};
#define CC_COUNT (sizeof(tcp_cc_table) / sizeof(tcp_cc_table[0]))
#define CC_NEWRENO 1 /* its place: the one that needs no memory */
_Static_assert(CC_COUNT <= TCP_CC_MAX, "each has its place among the names");

/* The names are the words of the settings; at first each may be chosen. */
void tcp_cc_start(struct stack *st)
{
	const char **names = st->tcp->cc_names;

	for (unsigned i = 0; i < CC_COUNT; i++) {
		assert(tcp_cc_table[i]->name && tcp_cc_table[i]->ssthresh);
		assert(tcp_cc_table[i]->acked || tcp_cc_table[i]->control);
		names[i] = tcp_cc_table[i]->name;
	}
	st->sysctl.cc_names = names;
	atomic_store(&st->sysctl.tcp_allowed_congestion_control, (1 << CC_COUNT) - 1);
}

const struct tcp_cc_ops *tcp_cc(const struct tcp_sock *ts)
{
	return tcp_cc_table[ts->cc];
}

uint8_t tcp_cc_default(struct stack *st)
{
	return (uint8_t)sysctl_get(st, tcp_congestion_control);
}

/* As a socket may choose it: its place, -ENOENT, or -EPERM where the stack does not allow it. */
int tcp_cc_choose(struct stack *st, const char *name)
{
	int64_t allowed = sysctl_get(st, tcp_allowed_congestion_control);

	for (unsigned i = 0; i < CC_COUNT; i++) {
		if (strcmp(tcp_cc_table[i]->name, name))
			continue;
		return allowed >> i & 1 || i == tcp_cc_default(st) ? (int)i : -EPERM;
	}
	return -ENOENT;
}

/*
 * RFC 6928, 2: ten segments, but not more than 14600 bytes or two segments, whichever is larger; a route may
 * say how many.
 */
uint32_t tcp_init_cwnd(const struct tcp_sock *ts)
{
	uint32_t n = (uint32_t)sysctl_get(ts->sk.stack, tcp_init_cwnd);
	uint32_t bytes = n * 1460u, least = 2u * ts->mss;

	if (ts->sk.path && ts->sk.path->initcwnd)
		return (uint32_t)ts->sk.path->initcwnd * ts->mss;
	if (least > bytes)
		bytes = least;
	return n * ts->mss < bytes ? n * ts->mss : bytes;
}

void tcp_cc_stop(struct tcp_sock *ts)
{
	if ((ts->flags & TCP_F_CC_RUNS) && tcp_cc(ts)->release)
		tcp_cc(ts)->release(ts);
	ts->flags &= ~TCP_F_CC_RUNS;
	tcp_pace_set(ts, 0);
}

/* -ENOMEM: it is NewReno, which needs none. */
static int cc_run(struct tcp_sock *ts)
{
	int err = 0;

	ts->est->cc_priv = 0;
	if (tcp_cc(ts)->init)
		err = tcp_cc(ts)->init(ts);
	if (err)
		ts->cc = CC_NEWRENO;
	ts->flags |= TCP_F_CC_RUNS;
	return err;
}

void tcp_cc_init(struct tcp_sock *ts)
{
	ts->ca_state = CA_OPEN;
	ts->est->ssthresh = UINT32_MAX;
	ts->est->cwnd = tcp_init_cwnd(ts);
	/* RFC 6928, 2: a SYN lost again and again means one segment; once may be the 1 s of RFC 6298 */
	if (ts->rare->total_retrans > 1)
		ts->est->cwnd = ts->mss;
	ts->est->usage = (struct tcp_usage){.stamp_ms = tcp_ms(tcp_now(ts))};
	ts->est->delivered_segs = 1; /* the SYN */
	tcp_cc_stop(ts);
	cc_run(ts);
}

/* cwnd and ssthresh stay.  0, or -ENOMEM and the algorithm is NewReno. */
int tcp_cc_change(struct tcp_sock *ts, uint8_t cc)
{
	bool runs = ts->flags & TCP_F_CC_RUNS;

	tcp_cc_stop(ts);
	ts->cc = cc;
	return runs ? cc_run(ts) : 0;
}

uint32_t tcp_flight(const struct tcp_sock *ts)
{
	return ts->snd_nxt - ts->snd_una;
}

uint32_t tcp_pipe(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint32_t out = tcp_flight(ts), gone;

	if (!x)
		return out;
	gone = x->sacked + x->lost;
	out += x->retrans;
	return out > gone ? out - gone : 0;
}

/* --- an ACK ------------------------------------------------------------------------------------- */

/* RFC 3465, 2.3: the most one ACK adds in slow start; RFC 9406, 4.3 bounds it where nothing is paced. */
static uint32_t slow_start_limit(const struct tcp_sock *ts)
{
	uint32_t segs = (uint32_t)sysctl_get(ts->sk.stack, tcp_slow_start_limit);

	if (ts->ca_state == CA_LOSS && !(ts->flags & TCP_F_SACK))
		return ts->mss; /* an ACK may stand for what came before the time-out */
	return segs && !ts->rare->pacing_rate ? segs * ts->mss : UINT32_MAX;
}

uint32_t tcp_slow_start(struct tcp_sock *ts, uint32_t n, unsigned divisor)
{
	uint32_t room = ts->est->ssthresh - ts->est->cwnd, take = n < room ? n : room;
	uint32_t most = slow_start_limit(ts);

	ts->est->cwnd += (take < most ? take : most) / divisor;
	return n - take;
}

/* ACKs that do not advance are progress too where the network reorders by more than is usual. */
static bool ack_is_progress(const struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	return a->acked ||
	       (a->sacked && tcp_reordering_is(ts) > sysctl_get(ts->sk.stack, tcp_reordering));
}

/* Was cwnd the limit?  In slow start half of it is enough: it doubles in a round trip. */
static bool cwnd_limited(const struct tcp_sock *ts)
{
	if (ts->flags & TCP_F_CWND_LIMITED)
		return true;
	return ts->est->xfer && ts->est->cwnd < ts->est->ssthresh &&
	       ts->est->cwnd < 2ull * ts->est->xfer->max_flight;
}

/* What recovery leaves is where growth begins: the ACK that ends it adds nothing yet. */
void tcp_cc_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	bool fell = a->prior_state == CA_CWR || a->prior_state == CA_RECOVERY;

	a->cwnd_limited = cwnd_limited(ts);
	if (tcp_cc(ts)->control)
		tcp_cc(ts)->control(ts, a);
	else if (tcp_cwnd_falls(ts))
		tcp_prr_ack(ts, a);
	else if (!fell && ack_is_progress(ts, a) && a->delivered && a->cwnd_limited)
		tcp_cc(ts)->acked(ts, a, a->delivered);
	if (ts->est->cwnd > TCP_CWND_MAX)
		ts->est->cwnd = TCP_CWND_MAX;
	if (ts->est->cwnd < ts->mss)
		ts->est->cwnd = ts->mss;
	if (tcp_cc(ts)->sample)
		tcp_cc(ts)->sample(ts, a);
}

/* --- how much of cwnd is used -------------------------------------------------------------------- */

/* What slow start may come back to when cwnd falls without a loss (RFC 2861, 3). */
static void ssthresh_remember(struct tcp_sock *ts)
{
	uint32_t most = ts->est->cwnd / 4 * 3;

	if (!tcp_cwnd_falls(ts) && ts->est->ssthresh < most)
		ts->est->ssthresh = most;
}

/* An RTO long cwnd was not filled: half way down to what was used. */
static void cwnd_unused(struct tcp_sock *ts, uint32_t now)
{
	uint32_t init = tcp_init_cwnd(ts),
		 used = ts->est->usage.used > init ? ts->est->usage.used : init;

	if (ts->ca_state == CA_OPEN && used < ts->est->cwnd) {
		ssthresh_remember(ts);
		ts->est->cwnd = ts->est->cwnd / 2 + used / 2;
	}
	ts->est->usage.used = 0;
	ts->est->usage.stamp_ms = now;
}

void tcp_cwnd_validate(struct tcp_sock *ts, uint64_t now)
{
	struct tcp_usage *u = &ts->est->usage;
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t flight = tcp_flight(ts), now_ms = tcp_ms(now);
	bool limited = tcp_pipe(ts) + ts->mss > ts->est->cwnd, was = ts->flags & TCP_F_CWND_LIMITED;

	if (limited || seq_geq(ts->snd_una, x->until) || (!was && flight > x->max_flight)) {
		ts->flags &= ~TCP_F_CWND_LIMITED;
		ts->flags |= limited ? TCP_F_CWND_LIMITED : 0;
		x->max_flight = flight;
		x->until = ts->snd_nxt;
	}
	if (cwnd_limited(ts)) {
		u->used = 0;
		u->stamp_ms = now_ms;
		return;
	}
	if (flight > u->used)
		u->used = flight;
	if (now_ms - u->stamp_ms >= ts->est->rto_us / 1000 && !tcp_cc(ts)->control &&
	    sysctl_get(ts->sk.stack, tcp_slow_start_after_idle))
		cwnd_unused(ts, now_ms);
}

/* The program comes back after a while: half for each RTO, down to the restart window. */
void tcp_cwnd_idle(struct tcp_sock *ts, uint64_t now)
{
	uint32_t idle = tcp_ms(now) - ts->est->last_sent_ms, rto = ts->est->rto_us / 1000, restart;

	if (tcp_cc(ts)->event)
		tcp_cc(ts)->event(ts, TCP_CC_START);
	if (idle <= rto || !sysctl_get(ts->sk.stack, tcp_slow_start_after_idle) ||
	    tcp_cc(ts)->control)
		return;
	restart = tcp_init_cwnd(ts);
	if (ts->est->data_segs_out == 0 || ts->est->cwnd <= restart)
		return;
	if (tcp_cc(ts)->event)
		tcp_cc(ts)->event(ts, TCP_CC_IDLE);
	ssthresh_remember(ts);
	for (; idle > rto && ts->est->cwnd > restart; idle -= rto)
		ts->est->cwnd /= 2;
	if (ts->est->cwnd < restart)
		ts->est->cwnd = restart;
	ts->est->usage.used = 0;
	ts->est->usage.stamp_ms = tcp_ms(now);
}
