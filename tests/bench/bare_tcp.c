/*
 * tests/bench/bare_tcp.c - what TCP asks for with each segment of an established connection, of the bare responder with
 * sockets: straight down, each rule once, in order and without loss, for one outstanding message.
 *
 * In: is it for us and whole, may its numbers be, is its timestamp young enough, what is acknowledged, the round trip, cwnd, the
 * peer's window, when an ACK is due.  Out: may it go now, the window offered, timestamps, when it is sent again.  What does not
 * happen on this wire is looked for and not handled: no repair, no reassembly, no retransmission.
 */
#include <string.h>

#include "lib/seq.h"
#include "tests/bench/bare.h"

#define RTO_MIN_NS 200000000ull
#define RTO_MAX_NS 120000000000ull
#define ACK_WAIT_NS 40000000u
#define IW (10u * MSS)
#define WINDOW ((uint32_t)0x7fff << BARE_SHIFT)

static bool stamps_are(const uint8_t *o)
{
	return o[0] == TCP_OPT_NOP && o[1] == TCP_OPT_NOP && o[2] == TCP_OPT_TS && o[3] == 10;
}

/* Linux has them in this place, behind a SYN. */
static bool stamps_of(const struct tcp_hdr *t, uint32_t *val, uint32_t *echo)
{
	const uint8_t *o = (const uint8_t *)(t + 1);
	be32 v, e;

	if (tcp_hdr_len(t) < TCP_HLEN + BARE_STAMPS || !stamps_are(o))
		return false;
	memcpy(&v, o + 4, sizeof(v));
	memcpy(&e, o + 8, sizeof(e));
	*val = be32_get(v);
	*echo = be32_get(e);
	return true;
}

void bare_tcp_open(struct conn *c, const struct tcp_hdr *t)
{
	const uint8_t *o = (const uint8_t *)(t + 1), *end = (const uint8_t *)t + tcp_hdr_len(t);
	struct bare_tcp *x = &c->tcp;
	be32 v;

	*x = (struct bare_tcp){.cwnd = IW, .ssthresh = UINT32_MAX, .rto = 5 * RTO_MIN_NS};
	for (; o < end && *o != TCP_OPT_END; o += *o == TCP_OPT_NOP ? 1 : o[1]) {
		if (*o != TCP_OPT_TS)
			continue;
		memcpy(&v, o + 2, sizeof(v));
		x->stamps = true;
		x->ts_recent = be32_get(v);
	}
	x->snd_wl1 = be32_get(t->seq);
	x->rcv_adv = x->ack_sent = c->rcv_nxt;
}

/* RFC 1122, 3.2.1 and 3.3.2; RFC 9293, 3.1. */
static bool header_is_right(const struct conn *c, const struct ip4_hdr *ip, const struct tcp_hdr *t)
{
	const struct ether_hdr *e = (const void *)((const char *)ip - ETHER_HLEN);

	return memcmp(e->dst, c->e.src, ETHER_ALEN) == 0 && ip->ver_ihl == 0x45 && ip->ttl > 0 &&
	       memcmp(ip->dst, c->ip.src, sizeof(ip->dst)) == 0 &&
	       !(be16_get(ip->off) & (IP4_MF | IP4_OFFMASK)) && tcp_hdr_len(t) >= TCP_HLEN &&
	       be16_get(ip->len) >= IP4_HLEN + tcp_hdr_len(t);
}

/* RFC 9293, 3.10.7.4, first: some of it lies in the window. */
static bool is_acceptable(const struct conn *c, uint32_t seq, uint32_t n)
{
	uint32_t wnd = c->tcp.rcv_adv - c->rcv_nxt;

	return seq_between(seq, c->rcv_nxt, c->rcv_nxt + wnd) ||
	       (n && seq_between(seq + n - 1, c->rcv_nxt, c->rcv_nxt + wnd)) ||
	       (n == 0 && seq == c->rcv_nxt);
}

/* RFC 6298, 2.2 to 2.4. */
static void rtt_take(struct bare_tcp *x, uint64_t r)
{
	uint64_t off = x->srtt > r ? x->srtt - r : r - x->srtt;

	if (!x->srtt) {
		x->srtt = r;
		x->rttvar = r / 2;
	} else {
		x->rttvar += off / 4 - x->rttvar / 4;
		x->srtt += r / 8 - x->srtt / 8;
	}
	x->rto = x->srtt + 4 * x->rttvar;
	if (x->rto < RTO_MIN_NS)
		x->rto = RTO_MIN_NS;
	if (x->rto > RTO_MAX_NS)
		x->rto = RTO_MAX_NS;
}

/* RFC 5681, 3.1, where cwnd is used (RFC 7661). */
static void cwnd_grow(struct bare_tcp *x, uint32_t acked)
{
	if (!x->cwnd_limited)
		return;
	if (x->cwnd < x->ssthresh)
		x->cwnd += acked < MSS ? acked : MSS;
	else
		x->cwnd += MSS * MSS / x->cwnd;
}

static void ack_take(struct conn *c, uint32_t ack, uint64_t now)
{
	struct bare_tcp *x = &c->tcp;

	if (x->sent_at) /* else it is the SYN that is acknowledged */
		rtt_take(x, now - x->sent_at);
	cwnd_grow(x, ack - c->snd_una);
	c->snd_una = ack;
	x->dupacks = 0;
	x->rto_at = ack == c->snd_nxt ? 0 : now + x->rto; /* RFC 6298, 5.2 and 5.3 */
}

/* RFC 9293, 3.10.7.4, fifth: only a newer segment may change it. */
static void window_take(struct conn *c, const struct tcp_hdr *t, uint32_t seq, uint32_t ack)
{
	struct bare_tcp *x = &c->tcp;

	if (!seq_lt(x->snd_wl1, seq) && !(x->snd_wl1 == seq && seq_leq(x->snd_wl2, ack)))
		return;
	c->snd_wnd = (uint32_t)be16_get(t->wnd) << c->shift;
	x->snd_wl1 = seq;
	x->snd_wl2 = ack;
	if (x->max_window < c->snd_wnd)
		x->max_window = c->snd_wnd;
}

bool bare_tcp_in(struct conn *c, const struct ip4_hdr *ip, const struct tcp_hdr *t, uint32_t n,
		 uint64_t now)
{
	uint32_t seq = be32_get(t->seq), ack = be32_get(t->ack), val = 0, echo;
	struct bare_tcp *x = &c->tcp;

	if (!header_is_right(c, ip, t) || !is_acceptable(c, seq, n))
		return false;
	if (x->stamps && (!stamps_of(t, &val, &echo) || seq_lt(val, x->ts_recent)))
		return false; /* RFC 7323, 3.2 and 5.3, R1 */
	if ((t->flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return false;
	if (seq_gt(ack, c->snd_nxt) || seq_lt(ack, c->snd_una - x->max_window))
		return false; /* RFC 5961, 5.2 */
	if (seq_leq(seq, x->ack_sent))
		x->ts_recent = val; /* RFC 7323, 4.3 */
	if (seq_gt(ack, c->snd_una))
		ack_take(c, ack, now);
	else if (n == 0 && c->snd_nxt != c->snd_una)
		x->dupacks++; /* RFC 5681, 2 */
	window_take(c, t, seq, ack);
	if (n) { /* RFC 1122, 4.2.3.2; RFC 5681, 4.2 */
		x->unacked += n;
		x->ack_at = x->unacked >= 2 * MSS ? now : now + ACK_WAIT_NS;
	}
	return true;
}

bool bare_tcp_may_send(struct conn *c, uint32_t n, uint64_t now)
{
	struct bare_tcp *x = &c->tcp;
	uint32_t flight = c->snd_nxt - c->snd_una, room;

	if (!flight && now - x->sent_at > x->rto && x->cwnd > IW)
		x->cwnd = IW; /* RFC 5681, 4.1 */
	room = x->cwnd < c->snd_wnd ? x->cwnd : c->snd_wnd;
	if (flight + n > room || n > MSS)
		return false; /* RFC 9293, 3.8.6.2.1 */
	x->cwnd_limited = flight + n + MSS > x->cwnd;
	x->sent_at = now;
	if (!x->rto_at)
		x->rto_at = now + x->rto; /* RFC 6298, 5.1 */
	return true;
}

/* RFC 9293, 3.8.6.2.2: the edge never goes back, and on by what is worth it; a buffer that was read is all free. */
static uint16_t window_offer(struct conn *c)
{
	struct bare_tcp *x = &c->tcp;
	uint32_t edge = c->rcv_nxt + WINDOW;

	if (seq_geq(edge, x->rcv_adv + MSS) || x->rcv_adv - c->rcv_nxt < WINDOW / 2)
		x->rcv_adv = edge;
	return (uint16_t)((x->rcv_adv - c->rcv_nxt) >> BARE_SHIFT);
}

unsigned bare_tcp_header(struct conn *c, struct tcp_hdr *t, uint8_t *options, uint64_t now)
{
	struct bare_tcp *x = &c->tcp;
	be32 val = be32_of((uint32_t)(now / 1000000)), echo = be32_of(x->ts_recent);

	t->wnd = be16_of(window_offer(c));
	x->ack_sent = c->rcv_nxt;
	x->unacked = 0;
	x->ack_at = 0;
	if (!x->stamps)
		return 0;
	memcpy(options, (uint8_t[]){TCP_OPT_NOP, TCP_OPT_NOP, TCP_OPT_TS, 10}, 4);
	memcpy(options + 4, &val, sizeof(val));
	memcpy(options + 8, &echo, sizeof(echo));
	return BARE_STAMPS;
}
