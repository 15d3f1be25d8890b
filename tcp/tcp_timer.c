/*
 * tcp/tcp_timer.c - the deadlines of a connection: retransmission (RFC 6298, 5; RFC 1122, 4.2.3.5),
 * persist (RFC 9293, 3.8.6.1), delayed ACK, keepalive (RFC 9293, 3.8.4), FIN-WAIT-2, pacing.
 *
 * One wheel entry stands for all: it is armed for the earliest deadline or before, and moves only
 * when a deadline comes that is earlier still.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

static struct sock *sock_of_timer(struct timer *t)
{
	return (struct sock *)(void *)((char *)t - offsetof(struct tcp_sock, timer));
}

void tcp_timer_fire(struct timer *t)
{
	struct sock *sk = sock_of_timer(t);

	/* taken or left, the bit is in the lock: whoever unlocks runs tcp_timer() */
	if (sock_lock_or_leave(sk, SOCK_WORK_TIMER))
		sock_unlock(sk);
	sock_put(sk);
}

/* The wheel goes by ms, and fires at the first that is not before. */
static uint32_t tick_of(uint64_t when)
{
	uint32_t ms = (uint32_t)((when + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);

	return ms ? ms : 1;
}

static bool tick_reached(uint32_t tick, uint32_t ms)
{
	return (int32_t)(tick - ms) <= 0;
}

uint64_t tcp_due_at(const struct tcp_sock *ts, enum tcp_deadline d)
{
	uint64_t ms = tcp_now(ts) / NSEC_PER_MSEC;
	int32_t left = (int32_t)(ts->due[d] - (uint32_t)ms);

	return ts->due[d] ? (ms + (uint64_t)left) * NSEC_PER_MSEC : 0;
}

static void timer_need(struct tcp_sock *ts, uint32_t tick, uint64_t when)
{
	if (ts->timer_at && tick_reached(ts->timer_at, tick))
		return;
	ts->timer_at = tick;
	if (timer_arm(ts->sk.stack->tcp_wheel, &ts->timer, when))
		sock_hold(&ts->sk);
}

void tcp_timer_set(struct tcp_sock *ts, enum tcp_deadline d, uint64_t when)
{
	ts->due[d] = tick_of(when);
	timer_need(ts, ts->due[d], when);
}

void tcp_timer_clear(struct tcp_sock *ts, enum tcp_deadline d)
{
	ts->due[d] = 0;
}

void tcp_timer_stop(struct tcp_sock *ts)
{
	for (unsigned d = 0; d < TCP_DUE_MAX; d++)
		ts->due[d] = 0;
	ts->timer_at = 0;
	if (timer_disarm(ts->sk.stack->tcp_wheel, &ts->timer))
		sock_put(&ts->sk);
}

static uint64_t user_timeout_ns(const struct tcp_sock *ts)
{
	return ts->rare->user_timeout * NSEC_PER_MSEC;
}

/* So long, but not past the end of the user time-out. */
static uint64_t wait_bound(const struct tcp_sock *ts, uint64_t wait)
{
	uint64_t end, late;

	if (!ts->rare->user_timeout)
		return wait;
	end = tcp_unanswered_ns(ts);
	late = end > user_timeout_ns(ts) ? end - user_timeout_ns(ts) : 0;
	return wait > late ? wait - late : NSEC_PER_MSEC;
}

static uint64_t rtx_wait(const struct tcp_sock *ts)
{
	return wait_bound(ts, tcp_rto_ns(ts));
}

uint64_t tcp_tx_wait(const struct tcp_sock *ts)
{
	return ts->retransmits ? wait_bound(ts, TCP_TX_RETRY_NS) : tcp_rto_ns(ts);
}

void tcp_rtx_arm(struct tcp_sock *ts, enum tcp_rtx what, uint64_t when)
{
	ts->rtx = what & 3u;
	tcp_timer_set(ts, TCP_DUE_RTX, when);
}

void tcp_rto_arm(struct tcp_sock *ts, uint64_t now)
{
	ts->rtx = RTX_RTO;
	tcp_rtx_arm(ts, RTX_RTO, now + rtx_wait(ts));
}

/* When the time-out of the first record is due; after now. */
uint64_t tcp_rto_due(const struct tcp_sock *ts, uint64_t now)
{
	uint64_t due = ts->est->xfer->head->sent + rtx_wait(ts);

	return due > now ? due : now + NSEC_PER_USEC;
}

void tcp_rto_rearm(struct tcp_sock *ts, uint64_t now)
{
	if (tcp_flight(ts) == 0)
		tcp_timer_clear(ts, TCP_DUE_RTX);
	else if (ts->rtx == RTX_REORDER || ts->rtx == RTX_PROBE)
		tcp_rtx_arm(ts, RTX_RTO, tcp_rto_due(ts, now));
	else
		tcp_rto_arm(ts, now);
}

/*
 * New data went out: their ACK is waited for by the loss probe, or by the time-out, which goes on where it runs
 * (RFC 6298, 5.1).
 */
void tcp_rtx_sent(struct tcp_sock *ts, uint64_t now)
{
	if (tcp_tlp_arm(ts, now, false))
		return;
	if (ts->due[TCP_DUE_RTX] == 0 || ts->rtx == RTX_PERSIST)
		tcp_rto_arm(ts, now);
	else if (ts->rtx == RTX_PROBE)
		tcp_rto_rearm(ts, now);
}

/* --- giving up ---------------------------------------------------------------------------------- */

static void give_up(struct tcp_sock *ts)
{
	int soft = ts->sk.soft_err;

	mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnTimeout);
	tcp_done(ts, soft ? soft : ETIMEDOUT);
}

/* R2 as the program set it (RFC 9293, MUST-21; RFC 5482): so long without an answer. */
static bool user_timed_out(const struct tcp_sock *ts)
{
	return ts->rare->user_timeout &&
	       (tcp_unanswered_ns(ts) >= user_timeout_ns(ts) || ts->retransmits == UINT8_MAX);
}

/* R2 of RFC 9293, 3.8.3, after so many times; less where nobody waits for the outcome. */
static bool retries_over(const struct tcp_sock *ts, unsigned count)
{
	struct stack *st = ts->sk.stack;

	if (user_timed_out(ts))
		return true;
	if (ts->flags & TCP_F_TX_FULL) /* two minutes: R2 is at least 100 s */
		return ts->retransmits == UINT8_MAX;
	if (ts->sk.flags & SOCK_DEAD)
		return count >= (unsigned)sysctl_get(st, tcp_orphan_retries);
	return !ts->rare->user_timeout && count >= (unsigned)sysctl_get(st, tcp_retries2);
}

static void retry(struct tcp_sock *ts)
{
	if (ts->retransmits < UINT8_MAX)
		ts->retransmits++;
	if (ts->backoff < UINT8_MAX)
		ts->backoff++;
}

/* R1 of RFC 9293, 3.8.3: the way may be dead: its first hop is probed, and it is looked up anew. */
static void doubt_path(struct tcp_sock *ts)
{
	struct path *path = ts->sk.path;

	if (ts->retransmits != sysctl_get(ts->sk.stack, tcp_retries1) || !path)
		return;
	if (path->neigh)
		neigh_doubt(path->neigh);
	path_put(path);
	ts->sk.path = NULL;
}

/* --- TCP_DUE_RTX, by what it stands for ---------------------------------------------------------- */

/* The SYN or SYN-ACK once more, plain and without data. */
void tcp_syn_again(struct tcp_sock *ts, uint64_t now)
{
	struct stack *st = ts->sk.stack;

	mib_inc(st, MIB_TcpExt_TCPSynRetrans);
	mib_inc(st, MIB_Tcp_RetransSegs);
	tcp_retrans_count(ts, 1, 0);
	tcp_send_syn(ts);
	tcp_rto_arm(ts, now);
}

/* SYN-SENT, or SYN-RECEIVED of a simultaneous open or of Fast Open. */
static void syn_timeout(struct tcp_sock *ts, uint64_t now)
{
	struct stack *st = ts->sk.stack;
	unsigned most = ts->rare->syncnt;

	if (!most && tcp_state_of(ts) == TCP_SYN_SENT)
		most = (unsigned)sysctl_get(st, tcp_syn_retries);
	else if (!most) /* one more where the program may hold it already (Linux) */
		most =
		    (unsigned)sysctl_get(st, tcp_synack_retries) + !!(ts->flags & TCP_F_FASTOPEN);
	if (tcp_state_of(ts) == TCP_SYN_SENT) {
		most += (unsigned)sysctl_get(st, tcp_syn_linear_timeouts); /* on top (Linux) */
		tcp_fastopen_timeout(ts, ts->retransmits >= most);
	}
	if (ts->retransmits >= most || user_timed_out(ts)) {
		give_up(ts);
		return;
	}
	retry(ts);
	if (tcp_state_of(ts) == TCP_SYN_SENT &&
	    ts->retransmits <= sysctl_get(st, tcp_syn_linear_timeouts))
		ts->backoff = 0;
	doubt_path(ts);
	ts->flags |= TCP_F_SYN_RTX;
	mib_inc(st, MIB_TcpExt_TCPTimeouts);
	tcp_syn_again(ts, now);
}

/*
 * Against a closed window; it goes on as long as the peer answers (RFC 9293, 3.8.6.1), but not for
 * ever where no program is left: such peers could hold any amount of memory (RFC 6429, 4).
 */
static void probe_timeout(struct tcp_sock *ts, uint64_t now)
{
	unsigned count = ts->sk.flags & SOCK_DEAD ? ts->backoff : ts->retransmits;

	if (retries_over(ts, count)) {
		give_up(ts);
		return;
	}
	retry(ts);
	doubt_path(ts);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPWinProbe);
	tcp_send_probe(ts);
	tcp_rtx_arm(ts, RTX_PERSIST, now + rtx_wait(ts));
}

static void persist_timeout(struct tcp_sock *ts, uint64_t now)
{
	tcp_snd_retry(ts);
	if (ts->write_seq == ts->snd_nxt)
		return;
	if (seq_leq(ts->snd_una + ts->snd_wnd, ts->snd_nxt)) {
		probe_timeout(ts, now);
		return;
	}
	if (ts->flags & TCP_F_TX_FULL) {
		if (retries_over(ts, ts->retransmits)) {
			give_up(ts);
			return;
		}
		ts->retransmits++;
	}
	/* our own silly-window avoidance, Nagle or cork: overridden (RFC 9293, 3.8.6.2.1) */
	ts->flags |= TCP_F_PUSH;
	ts->est->xfer->push_seq = ts->write_seq;
	tcp_push(&ts->sk);
}

/* A peer that shut its window on data that are out is not dead while it answers; but the user time-out is about data. */
static bool held_by_peer(const struct tcp_sock *ts, uint64_t now)
{
	uint32_t most = (uint32_t)sysctl_get(ts->sk.stack, tcp_rto_max_ms);

	return ts->snd_wnd == 0 && !(ts->sk.flags & SOCK_DEAD) && !user_timed_out(ts) &&
	       tcp_ms(now) - ts->est->last_ack_ms <= most;
}

/* The device had no room for it: nothing was sent that could back off from anything (Linux). */
static void rto_refused(struct tcp_sock *ts, uint64_t now)
{
	ts->backoff--;
	tcp_rtx_arm(ts, RTX_RTO, now + tcp_tx_wait(ts));
}

/* RFC 6298, 5.4 to 5.6. */
static void rto_timeout(struct tcp_sock *ts, uint64_t now)
{
	if (!ts->est->xfer || !ts->est->xfer->head || !ts->est->xfer->head->times)
		return;
	if (retries_over(ts, ts->retransmits) && !held_by_peer(ts, now)) {
		give_up(ts);
		return;
	}
	retry(ts);
	doubt_path(ts);
	if (ts->retransmits >= sysctl_get(ts->sk.stack, tcp_retries1))
		tcp_plpmtud_blackhole(ts, now);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPTimeouts);
	tcp_recovery_timeout(ts);
	tcp_rto_arm(ts, now);
	tcp_push(&ts->sk);
	if ((ts->flags & TCP_F_TX_FULL) && ts->est->xfer->head->sent < now)
		rto_refused(ts, now);
}

static void rtx_timeout(struct tcp_sock *ts, uint64_t now)
{
	static void (*const handler[])(struct tcp_sock * ts, uint64_t now) = {
	    [RTX_RTO] = rto_timeout,
	    [RTX_REORDER] = tcp_rack_timeout,
	    [RTX_PROBE] = tcp_tlp_timeout,
	    [RTX_PERSIST] = persist_timeout,
	};

	if (tcp_syn_is_out(ts) || (ts->flags & TCP_F_FASTOPEN))
		syn_timeout(ts, now);
	else
		handler[ts->rtx](ts, now);
}

/* --- delayed ACK -------------------------------------------------------------------------------- */

static void ack_timeout(struct tcp_sock *ts, uint64_t now)
{
	tcp_ack_waited(ts);
}

/* --- keepalive and FIN-WAIT-2 ------------------------------------------------------------------- */

static uint64_t keep_idle_ns(const struct tcp_sock *ts)
{
	int64_t set = sysctl_get(ts->sk.stack, tcp_keepalive_time);

	return (ts->rare->keepidle ? ts->rare->keepidle : (uint64_t)set) * NSEC_PER_SEC;
}

static uint64_t keep_intvl_ns(const struct tcp_sock *ts)
{
	int64_t set = sysctl_get(ts->sk.stack, tcp_keepalive_intvl);

	return (ts->rare->keepintvl ? ts->rare->keepintvl : (uint64_t)set) * NSEC_PER_SEC;
}

void tcp_keepalive_answered(struct tcp_sock *ts)
{
	if (ts->rare->keep_probes)
		ts->rare_own->keep_probes = 0;
}

void tcp_keepalive_arm(struct tcp_sock *ts)
{
	const unsigned states = TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_CLOSE_WAIT) |
				TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_FIN_WAIT2);

	if (!tcp_state_in(ts, states) || (ts->sk.flags & SOCK_DEAD))
		return;
	tcp_keepalive_answered(ts);
	if (ts->sk.flags & SOCK_KEEPALIVE) {
		tcp_est_get(ts); /* it knows since when the connection is idle, or that is long */
		tcp_timer_set(ts, TCP_DUE_KEEP, tcp_now(ts) + keep_idle_ns(ts));
	} else {
		tcp_timer_clear(ts, TCP_DUE_KEEP);
	}
}

/* So many probes, or the user time-out and one at least, went without an answer. */
static bool keepalive_over(const struct tcp_sock *ts, uint64_t idle)
{
	unsigned most = ts->rare->keepcnt;

	if (ts->rare->user_timeout)
		return ts->rare->keep_probes && idle >= user_timeout_ns(ts);
	if (!most)
		most = (unsigned)sysctl_get(ts->sk.stack, tcp_keepalive_probes);
	return ts->rare->keep_probes >= most;
}

static void keepalive_probe(struct tcp_sock *ts, uint64_t now, uint64_t idle)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (keepalive_over(ts, idle)) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnTimeout);
		tcp_abort(ts, ts->sk.soft_err ? ts->sk.soft_err : ETIMEDOUT);
		return;
	}
	if (k)
		k->keep_probes++;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPKeepAlive);
	tcp_send_probe(ts);
	tcp_timer_set(ts, TCP_DUE_KEEP, now + keep_intvl_ns(ts));
}

static void keep_timeout(struct tcp_sock *ts, uint64_t now)
{
	uint32_t ms = tcp_ms(now), a = ms - ts->est->last_rcvd_ms, b = ms - ts->est->last_ack_ms;
	uint64_t idle = (a < b ? a : b) * NSEC_PER_MSEC, wait = keep_idle_ns(ts);

	if ((ts->sk.flags & SOCK_DEAD) && tcp_state_of(ts) == TCP_FIN_WAIT2) {
		tcp_done(ts, 0);
		return;
	}
	if (!(ts->sk.flags & SOCK_KEEPALIVE))
		return;
	if (ts->snd_una != ts->write_seq) /* the other deadline looks after that */
		tcp_timer_set(ts, TCP_DUE_KEEP, now + wait);
	else if (idle < wait && !ts->rare->keep_probes)
		tcp_timer_set(ts, TCP_DUE_KEEP, now + wait - idle);
	else
		keepalive_probe(ts, now, idle);
}

/* --- all of them -------------------------------------------------------------------------------- */

static void pace_timeout(struct tcp_sock *ts, uint64_t now)
{
	tcp_push(&ts->sk);
}

static void listen_timeout(struct tcp_sock *ts, uint64_t now)
{
	if (tcp_state_of(ts) == TCP_LISTEN)
		tcp_request_timer(ts);
	else
		keep_timeout(ts, now);
}

void tcp_timer(struct sock *sk)
{
	static void (*const handler[TCP_DUE_MAX])(struct tcp_sock * ts, uint64_t now) = {
	    [TCP_DUE_RTX] = rtx_timeout,
	    [TCP_DUE_ACK] = ack_timeout,
	    [TCP_DUE_KEEP] = listen_timeout,
	    [TCP_DUE_PACE] = pace_timeout,
	};
	struct tcp_sock *ts = tcp_sk(sk);
	uint64_t now = tcp_now(ts);

	ts->timer_at = 0;
	for (unsigned d = 0; d < TCP_DUE_MAX; d++) {
		if (!ts->due[d] || !tick_reached(ts->due[d], tcp_ms(now)))
			continue;
		ts->due[d] = 0;
		handler[d](ts, now);
	}
	for (unsigned d = 0; d < TCP_DUE_MAX; d++) {
		if (ts->due[d])
			timer_need(ts, ts->due[d], tcp_due_at(ts, d));
	}
}
