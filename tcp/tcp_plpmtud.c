/*
 * tcp/tcp_plpmtud.c - the path MTU found without ICMP (RFC 4821): down when a path swallows full
 * segments without a word, up by one segment larger than the others.
 *
 * low is what works, high what may; a probe lies half way.  A probe that is lost says something of
 * its size and nothing of congestion (RFC 4821, 3): it goes again in segments that fit, and cwnd
 * stays.
 */
#include "tcp/tcp_priv.h"

#define PROBE_CWND 11u /* segments: a lost probe must be found by duplicates, not by a time-out */

static uint32_t mtu_of_mss(const struct tcp_sock *ts, uint32_t mss)
{
	return mss + ip_hdr_bytes(&ts->sk.c.raddr) + TCP_HLEN;
}

/* Payload of a datagram of this size, beside what every segment carries. */
static uint32_t payload_of(const struct tcp_sock *ts, uint32_t mtu)
{
	uint32_t hdr = mtu_of_mss(ts, ts->sk.rare->optlen) + (ts->flags & TCP_F_TS ? 12 : 0);

	return mtu > hdr ? mtu - hdr : 0;
}

static uint16_t base_mtu(const struct tcp_sock *ts)
{
	return (uint16_t)mtu_of_mss(ts, (uint32_t)sysctl_get(ts->sk.stack, tcp_base_mss));
}

static void search_begin(struct tcp_sock *ts, struct tcp_plpmtud *p, uint64_t now)
{
	uint32_t most = mtu_of_mss(ts, ts->peer_mss);
	int err;
	struct path *path = sock_path(&ts->sk, &err);

	if (path && path->mtu < most)
		most = path->mtu;
	p->high = (uint16_t)(most < 65535 ? most : 65535);
	p->since_ms = tcp_ms(now);
}

void tcp_plpmtud_start(struct tcp_sock *ts, uint64_t now)
{
	bool search = sysctl_get(ts->sk.stack, tcp_mtu_probing) >= 2;
	struct tcp_rare *k = search ? tcp_rare_get(ts) : ts->rare_own;

	if (!k || k == &tcp_rare_none)
		return;
	k->plpmtud = (struct tcp_plpmtud){0};
	if (!search)
		return;
	k->plpmtud.low = base_mtu(ts);
	search_begin(ts, &k->plpmtud, now);
}

uint32_t tcp_plpmtud_limit(const struct tcp_sock *ts, uint32_t mtu)
{
	return ts->rare->plpmtud.low && ts->rare->plpmtud.low < mtu ? ts->rare->plpmtud.low : mtu;
}

static void mss_follow(struct tcp_sock *ts)
{
	int err;
	struct path *path = sock_path(&ts->sk, &err);

	if (path)
		tcp_mss_sync(ts, path->mtu);
}

/* RFC 4821, 7.7: time-outs in a row.  The first of them begins at the base, each further halves. */
void tcp_plpmtud_blackhole(struct tcp_sock *ts, uint64_t now)
{
	uint32_t base = (uint32_t)sysctl_get(ts->sk.stack, tcp_base_mss), mss;
	uint32_t floor = (uint32_t)sysctl_get(ts->sk.stack, tcp_mtu_probe_floor);
	struct tcp_rare *k;
	struct tcp_plpmtud *p;

	if (!sysctl_get(ts->sk.stack, tcp_mtu_probing))
		return;
	k = tcp_rare_get(ts);
	if (!k)
		return;
	p = &k->plpmtud;
	if (!p->low) {
		p->low = base_mtu(ts);
		search_begin(ts, p, now);
	} else {
		mss = (p->low - mtu_of_mss(ts, 0)) / 2;
		mss = mss < base ? mss : base;
		p->low = (uint16_t)mtu_of_mss(ts, mss > floor ? mss : floor);
	}
	p->probe = 0;
	mss_follow(ts);
}

/* --- up ----------------------------------------------------------------------------------------- */

/* After a while the path may be another (RFC 4821, 7.8). */
static void search_again(struct tcp_sock *ts, struct tcp_plpmtud *p, uint64_t now)
{
	uint32_t every = (uint32_t)sysctl_get(ts->sk.stack, tcp_probe_interval) * 1000;

	if (tcp_ms(now) - p->since_ms >= every)
		search_begin(ts, p, now);
}

/* The size of the next probe, bytes of payload; 0: there is none to be sent. */
static uint32_t probe_size(struct tcp_sock *ts, struct tcp_plpmtud *p)
{
	int64_t least = sysctl_get(ts->sk.stack, tcp_probe_threshold);

	if (p->high <= p->low || p->high - p->low < least) {
		search_again(ts, p, tcp_now(ts));
		return 0;
	}
	return payload_of(ts, (p->low + p->high + 1u) / 2);
}

/* Enough must follow it that duplicates tell of its loss, and none of that may be in doubt now. */
static bool probe_may_go(const struct tcp_sock *ts, uint32_t size)
{
	uint32_t need = size + (tcp_reordering_is(ts) + 1u) * ts->mss;
	uint32_t edge = ts->snd_una + ts->snd_wnd;
	bool fin = ts->flags & TCP_F_FIN_QUEUED;

	if (ts->ca_state != CA_OPEN || ts->est->xfer->sacked ||
	    ts->est->cwnd < PROBE_CWND * ts->mss)
		return false;
	if (ts->write_seq - ts->snd_nxt < need + (fin ? 1 : 0) || seq_gt(ts->snd_nxt + need, edge))
		return false;
	return tcp_pipe(ts) + size <= ts->est->cwnd;
}

void tcp_plpmtud_push(struct tcp_sock *ts)
{
	struct tcp_plpmtud *p;
	uint32_t size;

	if (!ts->rare->plpmtud.low || ts->rare->plpmtud.probe)
		return;
	p = &ts->rare_own->plpmtud;
	size = probe_size(ts, p);
	if (size <= ts->mss || !probe_may_go(ts, size))
		return;
	p->start = ts->snd_nxt;
	if (tcp_xmit_whole(ts, size) < 0)
		return;
	p->end = ts->snd_nxt;
	p->probe = (uint16_t)((p->low + p->high + 1u) / 2);
}

void tcp_plpmtud_acked(struct tcp_sock *ts)
{
	struct tcp_plpmtud *p;

	if (!ts->rare->plpmtud.probe || seq_lt(ts->snd_una, ts->rare->plpmtud.end))
		return;
	p = &ts->rare_own->plpmtud;
	p->low = p->probe;
	p->probe = 0;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPMTUPSuccess);
	mss_follow(ts);
}

bool tcp_plpmtud_lost(struct tcp_sock *ts)
{
	struct tcp_plpmtud *p;

	if (!ts->rare->plpmtud.probe || ts->snd_una != ts->rare->plpmtud.start)
		return false;
	p = &ts->rare_own->plpmtud;
	p->high = p->probe - 1;
	p->probe = 0;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPMTUPFail);
	return true;
}
