/*
 * tcp/tcp_out.c - what may go now: the end of every batch, send(), a window update and the timers
 * come here.
 *
 * First what is lost, by cwnd and pace; then new data by these, the peer's window, Nagle in
 * Minshall's form (RFC 9293, 3.7.4) and silly-window avoidance (3.8.6.2.1); then one ACK if none
 * went with data.
 */
#include "tcp/tcp_priv.h"

#define PUSH_ACKS_MORE 16u /* ACKs of one batch beside three, where it filled many blocks */

/* --- what is lost ------------------------------------------------------------------------------- */

/* RFC 5682, 3.1, 2b: new data were sent to find out, so what is lost waits for the next ACK. */
static bool frto_waits(const struct tcp_sock *ts)
{
	return ts->ca_state == CA_LOSS && ts->est->xfer->frto &&
	       seq_gt(ts->snd_nxt, ts->est->xfer->recover);
}

/* Bytes from r on that cwnd and the peer's window allow to be sent again together. */
static uint32_t lost_room(struct tcp_sock *ts, const struct tcp_rec *r)
{
	uint32_t edge = ts->snd_una + ts->snd_wnd, room = ts->est->cwnd - tcp_pipe(ts);
	uint32_t most = tcp_xmit_max(ts), quantum = tcp_pace_quantum(ts);

	if (most > quantum)
		most = quantum;
	if (most > room - room % ts->mss)
		most = room - room % ts->mss;
	return seq_gt(r->seq + most, edge) ? ts->mss : most;
}

static void push_lost(struct tcp_sock *ts)
{
	enum mib how =
	    ts->ca_state == CA_LOSS ? MIB_TcpExt_TCPSlowStartRetrans : MIB_TcpExt_TCPFastRetrans;
	uint32_t edge = ts->snd_una + ts->snd_wnd, before;
	struct tcp_rec *r;

	if (!ts->est->xfer->again || frto_waits(ts))
		return;
	while ((r = tcp_recovery_next(ts)) && tcp_pipe(ts) + ts->mss <= ts->est->cwnd) {
		if (seq_geq(r->seq, edge) && r != ts->est->xfer->head)
			return; /* the peer took its window back */
		if (tcp_pace_hold(ts))
			return;
		before = ts->rare->total_retrans;
		if (tcp_retransmit(ts, r, lost_room(ts, r)) < 0) {
			mib_inc(ts->sk.stack, MIB_TcpExt_TCPRetransFail);
			return;
		}
		mib_add(ts->sk.stack, how, ts->rare->total_retrans - before);
	}
}

/* --- what is new -------------------------------------------------------------------------------- */

/* May a segment that is not full go?  Minshall: when no other such is out. */
static bool small_may_go(const struct tcp_sock *ts, bool fin)
{
	if (fin || (ts->flags & TCP_F_PUSH))
		return true;
	if (ts->flags & (TCP_F_CORK | TCP_F_MORE))
		return false;
	if (ts->flags & TCP_F_NODELAY)
		return true;
	return seq_leq(ts->est->xfer->snd_sml, ts->snd_una) ||
	       seq_gt(ts->est->xfer->snd_sml, ts->snd_nxt);
}

/* What cwnd has room for; at least a segment when nothing is on the way. */
static uint32_t cwnd_room(const struct tcp_sock *ts)
{
	uint32_t pipe = tcp_pipe(ts);

	if (pipe == 0 && ts->est->cwnd < ts->mss)
		return ts->mss;
	return ts->est->cwnd > pipe ? ts->est->cwnd - pipe : 0;
}

static uint32_t wnd_room(const struct tcp_sock *ts)
{
	uint32_t edge = ts->snd_una + ts->snd_wnd;

	return seq_gt(edge, ts->snd_nxt) ? edge - ts->snd_nxt : 0;
}

/* Of `room` bytes when more wait: full segments, or half of the largest window there was. */
static uint32_t full_segments(const struct tcp_sock *ts, uint32_t room, bool by_wnd)
{
	if (room >= ts->mss)
		return room - room % ts->mss;
	if (by_wnd && (room >= ts->est->max_window / 2 || (ts->flags & TCP_F_PUSH)))
		return room;
	return 0;
}

/* Of `data` bytes those that one segment may hold: up to the end of a message (MSG_EOR). */
static uint32_t message_len(const struct tcp_sock *ts, uint32_t data, uint32_t max)
{
	uint32_t n = 0;

	if (!ts->est->xfer->eor)
		return data;
	for (const struct tcp_rec *r = ts->est->xfer->next; r && n < max; r = r->next) {
		n += tcp_rec_len(r);
		if (r->flags & REC_EOR)
			return n < data ? n : data;
	}
	return data;
}

/* Bytes of the next segment, *fin: and the FIN.  0 and no FIN: nothing may go. */
static uint32_t push_len(struct tcp_sock *ts, bool *fin)
{
	uint32_t data = ts->write_seq - ts->snd_nxt, wnd, cwnd, room, max, small, message;

	*fin = false;
	if (data == 0)
		return 0;
	wnd = wnd_room(ts);
	cwnd = cwnd_room(ts);
	room = wnd < cwnd ? wnd : cwnd;
	if (ts->flags & TCP_F_FIN_QUEUED)
		data--;
	max = data > ts->mss ? tcp_xmit_max(ts) : ts->mss;
	message = message_len(ts, data, max);
	if (message < data && message <= room)
		return message < max ? message : max;
	if (data > room)
		room = full_segments(ts, room, wnd <= cwnd);
	if (data > room || data > max)
		return room < max ? room : max;
	*fin = (ts->flags & TCP_F_FIN_QUEUED) && wnd > data;
	small = tcp_seg_rest(ts, data);
	return small && !small_may_go(ts, *fin) ? data - small : data;
}

/*
 * Of n bytes those of one burst: no more than half of the peer's window is sent together.  What cwnd
 * has cut off a burst goes as a burst of its own, and is pushed (as Linux).
 */
static uint32_t burst_len(struct tcp_sock *ts, uint32_t n)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t burst, left = x->burst_end - ts->snd_nxt;

	if (n <= ts->mss || ts->est->max_window / 2 >= tcp_gso_max(ts))
		return n;
	burst = tcp_send_burst(ts);
	if (left == 0 || left > burst || left % ts->mss) {
		left = burst;
		x->burst_end = ts->snd_nxt + burst;
	}
	return n < left ? n : left;
}

/* Something went: a burst that is the last one waiting may still be filled, so the next begins here. */
static void burst_settle(struct tcp_sock *ts)
{
	uint32_t waits = ts->write_seq - ts->snd_nxt;

	if (waits < ts->mss ||
	    (ts->est->max_window / 2 < tcp_gso_max(ts) && waits < tcp_send_burst(ts)))
		ts->est->xfer->burst_end = ts->snd_nxt;
}

/* What may go together when n bytes are to go: at least a segment, so one that is all is not asked for. */
static uint32_t push_quantum(const struct tcp_sock *ts, uint32_t n)
{
	if (n <= ts->mss && n == ts->write_seq - ts->snd_nxt)
		return ts->mss;
	return tcp_pace_quantum(ts);
}

/* False: the pace holds the rest back. */
static bool push_fitting(struct tcp_sock *ts)
{
	uint32_t n, whole, left = 0; /* of what may go together at this pace */
	bool fin;

	while ((whole = push_len(ts, &fin)) || fin) {
		n = burst_len(ts, whole);
		fin = fin && n == whole;
		if (left < ts->mss && tcp_pace_hold(ts))
			return false;
		if (left < ts->mss)
			left = push_quantum(ts, n);
		if (n > left) {
			n = left - left % ts->mss;
			fin = false;
		}
		if (tcp_xmit(ts, n, fin) == 0)
			left -= n;
		else if (n <= TCP_GSO_MAX || !(ts->flags & TCP_F_TX_FULL))
			break;
		/* else it was too large for the host: in parts */
	}
	return true;
}

static void push_new(struct tcp_sock *ts)
{
	uint32_t before = ts->snd_nxt;

	if (push_fitting(ts))
		ts->flags &= ~TCP_F_PUSH;
	if (ts->snd_nxt != before)
		burst_settle(ts);
}

/* RFC 5682, 3.1, 2b. */
static void push_new_first(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x->new_first)
		return;
	x->new_first = false;
	ts->flags |= TCP_F_PUSH;
	push_new(ts);
	x->frto = seq_gt(ts->snd_nxt, x->recover);
}

bool tcp_push_one(struct tcp_sock *ts)
{
	uint32_t n = ts->write_seq - ts->snd_nxt, wnd = wnd_room(ts), message;
	bool fin = ts->flags & TCP_F_FIN_QUEUED;

	if (n == 0 || wnd == 0)
		return false;
	n -= fin ? 1 : 0;
	message = message_len(ts, n, ts->mss);
	fin = fin && message == n;
	n = message;
	if (n > ts->mss || n > wnd) {
		n = wnd < ts->mss ? wnd : ts->mss;
		fin = false;
	}
	return tcp_xmit(ts, n, fin && wnd > n) == 0;
}

/*
 * Nothing is out and something waits: the persist timer against a closed window (RFC 9293, 3.8.6.1),
 * another try where the device had no room, the override where we hold it back ourselves or had no
 * memory.
 */
static void push_persist(struct tcp_sock *ts)
{
	uint64_t wait = TCP_OVERRIDE_NS;

	if (tcp_flight(ts) || ts->due[TCP_DUE_RTX] || ts->write_seq == ts->snd_nxt)
		return;
	if (ts->due[TCP_DUE_PACE])
		return;
	if (wnd_room(ts) == 0)
		wait = tcp_rto_ns(ts);
	else if (ts->flags & TCP_F_TX_FULL)
		wait = tcp_tx_wait(ts);
	tcp_rtx_arm(ts, RTX_PERSIST, tcp_now(ts) + wait);
}

/* --- the ACK ------------------------------------------------------------------------------------ */

static void push_ack(struct tcp_sock *ts)
{
	unsigned n = ts->dupacks_owed, more = n ? PUSH_ACKS_MORE : 0;

	ts->dupacks_owed = 0;
	if (n)
		tcp_ofo_ack_first(ts);
	else if ((ts->flags & TCP_F_ACK_NOW) && !tcp_ack_hold(ts))
		n = 1;
	while (n--)
		tcp_send_ack(ts);
	/* what an ACK had no room for, or the peer would hold it for lost */
	while (more-- && tcp_sack_owed(ts))
		tcp_send_ack(ts);
}

/* SND.MSS follows the path MTU as soon as the path is another, and so does what a super-segment may be. */
static void push_path(struct tcp_sock *ts)
{
	int err;
	struct path *path = sock_path(&ts->sk, &err);

	if (path && !path->mtu_seen) {
		path->mtu_seen = true;
		tcp_mss_sync(ts, path->mtu);
	}
	ts->est->xfer->big = path && path_takes_big(path, &ts->sk.c.raddr);
}

/*
 * All that waits is a segment at most, it may go, and nothing else is to be looked after: what is lost, a pace,
 * a probe of the path, ends of messages, the FIN.
 */
static bool push_is_single(const struct tcp_sock *ts)
{
	uint32_t n = ts->write_seq - ts->snd_nxt;

	if (n == 0 || n > ts->mss || n > wnd_room(ts) || n > cwnd_room(ts))
		return false;
	if (ts->ca_state != CA_OPEN || ts->rare != &tcp_rare_none)
		return false;
	if (ts->est->xfer->eor || (ts->flags & TCP_F_FIN_QUEUED))
		return false;
	return small_may_go(ts, false);
}

static void push_single(struct tcp_sock *ts)
{
	assert(ts->est->xfer->lost == 0 && !ts->est->xfer->new_first);
	if (tcp_xmit(ts, ts->write_seq - ts->snd_nxt, false) == 0 && ts->snd_nxt != ts->write_seq)
		push_new(ts); /* in more pieces than a packet refers to */
	else
		ts->flags &= ~TCP_F_PUSH;
}

/* What is queued, by all that limits it. */
static void push_queue(struct tcp_sock *ts)
{
	uint32_t before = ts->snd_nxt;
	uint64_t now;

	push_path(ts);
	if (push_is_single(ts)) {
		push_single(ts);
	} else {
		push_new_first(ts);
		push_lost(ts);
		tcp_plpmtud_push(ts);
		push_new(ts);
	}
	now = tcp_now(ts);
	if (ts->snd_nxt != before)
		tcp_rtx_sent(ts, now);
	else
		push_persist(ts);
	tcp_cwnd_validate(ts, now);
}

void tcp_push(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (!tcp_state_in(ts, TCP_SYNCHRONIZED))
		return;
	if (ts->flags & TCP_F_SHRUNK)
		tcp_snd_grow(ts);
	if (ts->est->xfer && !tcp_syn_is_out(ts))
		push_queue(ts);
	tcp_limit_update(ts);
	push_ack(ts);
	if (ts->flags & TCP_F_SHRUNK)
		tcp_snd_wake(ts);
	if (ts->write_seq == ts->iss + 1)
		tcp_est_park(ts);
}
