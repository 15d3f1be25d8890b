/*
 * tcp/tcp_stamp.c - bytes whose way out the program wants to know (SO_TIMESTAMPING; Linux's meaning): the
 * last of a send() is noted, in order, until it is acknowledged.
 *
 * The segment that carries it asks to be told of, each time it is sent; what is joined, split or sent
 * again need not know.  A note is charged to the send buffer, as a record is.  They are found by number, for
 * many may be on their way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/sys/tree.h>

#include "ip/inet_stamp.h"
#include "tcp/tcp_priv.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/netlink.h>
#include <linux/tcp.h>

/*
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_stamp {
	RB_ENTRY(tcp_stamp) tree; /* l */
	uint32_t seq;             /* l: of the byte */
	uint32_t asks;            /* l: SOF_TIMESTAMPING_TX_ */
};

RB_HEAD(stamp_tree, tcp_stamp);

static int stamp_cmp(const struct tcp_stamp *a, const struct tcp_stamp *b)
{
	return (int32_t)(a->seq - b->seq);
}

RB_GENERATE_INTERNAL(stamp_tree, tcp_stamp, tree, stamp_cmp, __attribute__((unused)) static)

/* SOF_TIMESTAMPING_OPT_ID: which byte counts as 0: the next to be acknowledged, or to be written. */
int tcp_stamp_count(struct tcp_sock *ts, const void *v)
{
	struct sock_stamps *s = sock_stamps_get(&ts->sk);
	uint32_t flags;

	memcpy(&flags, v, sizeof(flags));
	if (tcp_state_in(ts, TCP_IN(TCP_CLOSE) | TCP_IN(TCP_LISTEN)))
		return -EINVAL;
	if (!s)
		return -ENOBUFS;
	s->key = flags & STAMPING_OPT_ID_TCP ? ts->write_seq : ts->snd_una;
	return 0;
}

static uint32_t key_of(const struct tcp_sock *ts, uint32_t seq)
{
	const struct sock_stamps *s = ts->sk.rare->stamps;

	return s && (s->flags & SOF_TIMESTAMPING_OPT_ID) ? seq - s->key : 0;
}

/* --- the notes ---------------------------------------------------------------------------------- */

static struct stamp_tree stamps_of(const struct tcp_sock *ts)
{
	return (struct stamp_tree){ts->rare->stamps};
}

static struct tcp_stamp *stamp_first(const struct tcp_sock *ts)
{
	struct stamp_tree all = stamps_of(ts);

	return RB_MIN(stamp_tree, &all);
}

/* The first at seq or behind it. */
static struct tcp_stamp *stamp_from(const struct tcp_sock *ts, uint32_t seq)
{
	struct stamp_tree all = stamps_of(ts);
	struct tcp_stamp key = {.seq = seq};

	return RB_NFIND(stamp_tree, &all, &key);
}

static struct tcp_stamp *stamp_add(struct tcp_sock *ts, uint32_t seq)
{
	struct tcp_rare *k = tcp_rare_get(ts);
	struct stamp_tree all = stamps_of(ts);
	struct tcp_stamp key = {.seq = seq}, *s;

	if (!k)
		return NULL;
	s = RB_FIND(stamp_tree, &all, &key);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->seq = seq;
	RB_INSERT(stamp_tree, &all, s);
	k->stamps = RB_ROOT(&all);
	sock_snd_charge(&ts->sk, sizeof(*s));
	return s;
}

static void stamp_drop(struct tcp_sock *ts, struct tcp_stamp *s)
{
	struct stamp_tree all = stamps_of(ts);

	RB_REMOVE(stamp_tree, &all, s);
	ts->rare_own->stamps = RB_ROOT(&all);
	sock_snd_uncharge(&ts->sk, (uint32_t)sizeof(*s));
	free(s);
}

void tcp_stamp_forget(struct tcp_sock *ts)
{
	while (ts->rare->stamps)
		stamp_drop(ts, ts->rare->stamps);
}

void tcp_stamp_ask(struct tcp_sock *ts, const struct sock_msg *m)
{
	uint32_t asks = sock_stamps_asked(&ts->sk, m->stamps);
	struct tcp_stamp *s;

	if (!asks || !m->len || !ts->est->xfer || ts->write_seq == ts->snd_una)
		return;
	s = stamp_add(ts, ts->write_seq - 1);
	if (s)
		s->asks |= asks;
}

/* --- what happens to them ----------------------------------------------------------------------- */

void tcp_stamp_packet(struct tcp_sock *ts, struct pkbuf *b, uint32_t from, uint32_t to)
{
	struct tcp_stamp *s = stamp_from(ts, from);

	for (; s && seq_lt(s->seq, to); s = RB_NEXT(stamp_tree, NULL, s))
		sock_stamp_packet(&ts->sk, b, s->asks, key_of(ts, s->seq));
}

/* What a message of an acknowledgement shows: the record with the byte; NULL: nothing. */
static struct pkbuf *acked_data(struct tcp_sock *ts, uint32_t seq)
{
	const struct tcp_rec *r = ts->est->xfer->head;
	struct pkbuf *b;

	if (ts->sk.rare->stamps->flags & SOF_TIMESTAMPING_OPT_TSONLY)
		return NULL;
	while (r && seq_leq(r->end, seq))
		r = r->next;
	b = r && r->piece ? pkbuf_alloc(ts->sk.stack, 0) : NULL;
	if (b)
		pkbuf_add_piece(b, r->piece, r->off, tcp_rec_len(r));
	return b;
}

static void stamp_acked(struct tcp_sock *ts, const struct tcp_stamp *s)
{
	struct pkbuf *b;

	if (!(s->asks & SOF_TIMESTAMPING_TX_ACK) || !sock_stamps_get(&ts->sk))
		return;
	b = acked_data(ts, s->seq);
	if (!b)
		b = pkbuf_alloc(ts->sk.stack, 0);
	if (!b)
		return;
	sock_stamp_mark(&ts->sk, b, SCM_TSTAMP_ACK, key_of(ts, s->seq));
	tcp_stamp_in(ts, b);
}

/* Before the records go. */
void tcp_stamp_acked(struct tcp_sock *ts, uint32_t ack)
{
	struct tcp_stamp *s;

	while ((s = stamp_first(ts)) && seq_lt(s->seq, ack)) {
		stamp_acked(ts, s);
		stamp_drop(ts, s);
	}
}

/* --- SOF_TIMESTAMPING_OPT_STATS: numbers of TCP_INFO beside the time, as attributes -------------- */

#define FROM(member) offsetof(struct tcp_info, member), sizeof(((struct tcp_info *)0)->member)

static const struct {
	uint16_t type;     /* TCP_NLA_ */
	uint16_t bytes;    /* of the attribute */
	size_t at, member; /* in struct tcp_info: where, how many bytes */
} stats[] = {
    {TCP_NLA_BUSY, 8, FROM(tcpi_busy_time)},
    {TCP_NLA_RWND_LIMITED, 8, FROM(tcpi_rwnd_limited)},
    {TCP_NLA_SNDBUF_LIMITED, 8, FROM(tcpi_sndbuf_limited)},
    {TCP_NLA_DATA_SEGS_OUT, 8, FROM(tcpi_data_segs_out)},
    {TCP_NLA_TOTAL_RETRANS, 8, FROM(tcpi_total_retrans)},
    {TCP_NLA_PACING_RATE, 8, FROM(tcpi_pacing_rate)},
    {TCP_NLA_DELIVERY_RATE, 8, FROM(tcpi_delivery_rate)},
    {TCP_NLA_SND_CWND, 4, FROM(tcpi_snd_cwnd)},
    {TCP_NLA_REORDERING, 4, FROM(tcpi_reordering)},
    {TCP_NLA_MIN_RTT, 4, FROM(tcpi_min_rtt)},
    {TCP_NLA_RECUR_RETRANS, 1, FROM(tcpi_retransmits)},
    {TCP_NLA_SND_SSTHRESH, 4, FROM(tcpi_snd_ssthresh)},
    {TCP_NLA_DELIVERED, 4, FROM(tcpi_delivered)},
    {TCP_NLA_DELIVERED_CE, 4, FROM(tcpi_delivered_ce)},
    {TCP_NLA_CA_STATE, 1, FROM(tcpi_ca_state)},
    {TCP_NLA_BYTES_SENT, 8, FROM(tcpi_bytes_sent)},
    {TCP_NLA_BYTES_RETRANS, 8, FROM(tcpi_bytes_retrans)},
    {TCP_NLA_DSACK_DUPS, 4, FROM(tcpi_dsack_dups)},
    {TCP_NLA_REORD_SEEN, 4, FROM(tcpi_reord_seen)},
    {TCP_NLA_SRTT, 4, FROM(tcpi_rtt)},
    {TCP_NLA_BYTES_NOTSENT, 4, FROM(tcpi_notsent_bytes)},
};

static uint64_t number_of(const void *p, size_t bytes)
{
	uint64_t v64;
	uint32_t v32;

	if (bytes == sizeof(v64)) {
		memcpy(&v64, p, sizeof(v64));
		return v64;
	}
	if (bytes == 1)
		return *(const uint8_t *)p;
	memcpy(&v32, p, sizeof(v32));
	return v32;
}

/* One attribute, to a multiple of four bytes; how many that is. */
static size_t stat_put(uint8_t *to, uint16_t type, uint64_t v, uint16_t bytes)
{
	struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type};
	uint32_t v32 = (uint32_t)v;
	uint8_t v8 = (uint8_t)v;
	const void *as = &v;

	if (bytes < sizeof(v))
		as = bytes == sizeof(v32) ? (const void *)&v32 : &v8;
	memcpy(to, &a, sizeof(a));
	memcpy(to + NLA_HDRLEN, as, bytes);
	return NLA_ALIGN(a.nla_len);
}

static void stats_add(struct tcp_sock *ts, struct pkbuf *b)
{
	socklen_t n = sizeof(struct tcp_info);
	uint8_t out[STAMP_STATS_MAX] = {0};
	struct tcp_info i;
	size_t len = 0;

	_Static_assert(sizeof(out) >= (sizeof(stats) / sizeof(stats[0]) + 2) * (NLA_HDRLEN + 8),
		       "room for all");
	memset(&i, 0, sizeof(i));
	if (tcp_info_get(ts, &i, &n))
		return;
	for (size_t k = 0; k < sizeof(stats) / sizeof(stats[0]); k++)
		len += stat_put(out + len, stats[k].type,
				number_of((const uint8_t *)&i + stats[k].at, stats[k].member),
				stats[k].bytes);
	len +=
	    stat_put(out + len, TCP_NLA_DELIVERY_RATE_APP_LMT, i.tcpi_delivery_rate_app_limited, 1);
	len += stat_put(out + len, TCP_NLA_SNDQ_SIZE, ts->write_seq - ts->snd_una, 4);
	if (pkbuf_append(b, out, (uint32_t)len) == 0)
		sock_stamp_stats(b);
}

void tcp_stamp_in(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct sock_stamps *s = ts->sk.rare->stamps;

	if (s && (s->flags & SOF_TIMESTAMPING_OPT_STATS) && b->len == 0)
		stats_add(ts, b);
	sock_stamp_in(&ts->sk, b);
}
