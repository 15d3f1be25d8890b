/*
 * tcp/tcp_window.c - the receive window: what the buffer has room for, a right edge that never
 * moves back, and no silly windows (RFC 9293, 3.8.6.2.2).
 *
 * A queue may pin twice the bytes it holds (tcp_text.c), so half of what is free is offered; and
 * what is here out of order, which needs no more room, or each loss would close the window a bit.
 */
#include "tcp/tcp_priv.h"

/* What is begun and not full, at most one piece and one packet, is set aside. */
static uint32_t wnd_free(const struct tcp_sock *ts)
{
	uint32_t buf = ts->sk.rcvbuf, have = ts->sk.rcv_bytes;
	uint32_t aside = buf >= TCP_MID_RCVBUF ? PIECE_MID : buf / 8;

	have += aside;
	return tcp_ofo_bytes(ts) + (have < buf ? (buf - have) / 2 : 0);
}

/* The most that the header can say. */
static uint32_t wnd_most(const struct tcp_sock *ts)
{
	return 65535u << ts->rcv_wscale;
}

static uint32_t wnd_now(const struct tcp_sock *ts)
{
	return seq_gt(ts->rcv_adv, ts->rcv_nxt) ? ts->rcv_adv - ts->rcv_nxt : 0;
}

/* The least step the right edge may take: a full segment, or half of the largest window where that is less. */
static uint32_t wnd_step(const struct tcp_sock *ts)
{
	uint32_t half = ts->sk.rcvbuf / 4, clamp = ts->rare->wnd_clamp;

	if (clamp && clamp / 2 < half)
		half = clamp / 2;
	return ts->est->rcv_mss < half ? ts->est->rcv_mss : half;
}

/* A window of at least `now` as the header can say it: rounded up, or the edge would move back. */
static uint32_t wnd_keep(const struct tcp_sock *ts, uint32_t now)
{
	uint32_t unit = 1u << ts->rcv_wscale;

	return (now + unit - 1) & ~(unit - 1);
}

/*
 * What may be offered.  While memory is short, windows do not grow; but a reader that keeps up gets
 * two segments at a time, or those that do not read would silence it.
 */
static uint32_t wnd_room(const struct tcp_sock *ts)
{
	uint32_t room = wnd_free(ts), most = wnd_most(ts);

	if (ts->rare->wnd_clamp && ts->rare->wnd_clamp < most)
		most = ts->rare->wnd_clamp;
	if (depot_pressure(ts->sk.stack))
		most = ts->sk.rcv_bytes ? 0 : wnd_keep(ts, 2u * ts->est->rcv_mss);
	return room < most ? room : most;
}

/* Room for a step as the header can say it: rounded down, but not to less than the step, or it would never come. */
static uint32_t wnd_grow(const struct tcp_sock *ts, uint32_t step)
{
	uint32_t room = wnd_room(ts), said = room & ~((1u << ts->rcv_wscale) - 1);

	return said < step && room >= step ? wnd_keep(ts, room) : said;
}

/*
 * What stands, rounded up where there is room for that; else the edge stays where it was offered, and the header says
 * what it can of it: with each ACK a part of the unit more, it would run away from a reader who has stopped (RFC 7323,
 * 2.4).  But with nothing to be read it does not say nothing: a buffer below the unit would be shut for ever.
 */
static uint32_t wnd_stand(const struct tcp_sock *ts, uint32_t now, uint32_t free)
{
	uint32_t up = wnd_keep(ts, now);
	bool shut = now >> ts->rcv_wscale == 0;

	return up <= free || (shut && !ts->est->rcvq_head) ? up : now;
}

/* As it stands, until the buffer alone has room for a step; only then is the rest looked at. */
static uint32_t wnd_choose(const struct tcp_sock *ts)
{
	uint32_t now = wnd_now(ts), step = now + wnd_step(ts), most = wnd_most(ts), room = 0;
	uint32_t free = wnd_free(ts);

	if (free >= step)
		room = wnd_grow(ts, step);
	if (room < step)
		room = wnd_stand(ts, now, free);
	return room < most ? room : most;
}

static void wnd_count(struct tcp_sock *ts, uint32_t wnd)
{
	bool closed = ts->flags & TCP_F_WND_CLOSED;

	if (wnd == 0 && !closed) {
		ts->flags |= TCP_F_WND_CLOSED;
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPToZeroWindowAdv);
	} else if (wnd && closed) {
		ts->flags &= ~TCP_F_WND_CLOSED;
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPFromZeroWindowAdv);
	}
}

uint16_t tcp_wnd_advertise(struct tcp_sock *ts)
{
	uint32_t wnd = wnd_choose(ts);

	wnd_count(ts, wnd >> ts->rcv_wscale);
	ts->rcv_adv = ts->rcv_nxt + wnd;
	return (uint16_t)(wnd >> ts->rcv_wscale);
}

uint32_t tcp_wnd_limit(const struct tcp_sock *ts)
{
	uint32_t half = ts->sk.rcvbuf / TCP_RCVBUF_HALF, most = wnd_most(ts);

	if (ts->rare->wnd_clamp && ts->rare->wnd_clamp < most)
		most = ts->rare->wnd_clamp;
	return half < most ? half : most;
}

/*
 * The reader has made room worth an ACK of its own: a quarter of the window, or the first of it.  Not while the
 * peer may double what it sends in a round trip: the ACKs of that will tell.
 */
bool tcp_wnd_update_due(const struct tcp_sock *ts)
{
	uint32_t now = wnd_now(ts), most = wnd_most(ts), room, grow;

	if ((ts->flags & TCP_F_WND_CLOSED) && !ts->est->rcvq_head) /* perhaps by the unit alone */
		return true;
	if (now > 2 * (uint64_t)ts->est->tune.space)
		return false;
	room = wnd_room(ts);
	grow = room > now ? room - now : 0;
	return grow >= (ts->sk.rcvbuf / 2 < most ? ts->sk.rcvbuf / 2 : most) / 4 ||
	       (now < 2u * ts->est->rcv_mss && grow >= wnd_step(ts));
}

/* The peer has no room for a segment, or windows do not grow: who waits for more before he reads waits for ever (Linux). */
bool tcp_wnd_is_shut(const struct tcp_sock *ts)
{
	uint32_t told = wnd_now(ts) >> ts->rcv_wscale << ts->rcv_wscale;

	return told <= ts->est->rcv_mss || depot_pressure(ts->sk.stack);
}
