/*
 * tcp/tcp_recv.c - bytes to the program: recv() with the urgent byte out of line (RFC 9293, 3.8.5;
 * RFC 6093), poll, SIOCINQ and its kin.
 *
 * A read stops at the urgent mark; the byte there is skipped, or is read in line with SO_OOBINLINE.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tcp/tcp_priv.h"

#define URG_NONE UINT32_MAX
#define GIVE_IOV 64 /* pieces that a sink is given at a time */

/* How far the urgent byte is from the reader; URG_NONE: not ahead. */
static uint32_t urg_ahead(const struct tcp_sock *ts)
{
	uint32_t at = ts->rare->rcv_up - 1;

	if (!(ts->flags & TCP_F_URG_IN) || seq_lt(at, ts->copied_seq))
		return URG_NONE;
	return at - ts->copied_seq;
}

/* In-order bytes not read yet, the FIN not counted. */
static uint32_t rcvq_bytes(const struct tcp_sock *ts)
{
	return ts->est->rcvq_head ? tcp_seg(ts->est->rcvq_tail)->end - ts->copied_seq : 0;
}

/* --- copying ------------------------------------------------------------------------------------ */

/* Where a read stands in the queue. */
struct reader {
	struct pkbuf *b;
	uint32_t seq; /* of the next byte */
	bool urgent;  /* that byte is the urgent one, in line */
	const struct sock_msg *m;
};

/* Up to n bytes from where r stands, for which the message has room; returns how many there were. */
static uint32_t reader_copy(struct reader *r, uint32_t n)
{
	const struct iovec *v = r->m->iov;
	size_t at = r->m->skip;
	uint32_t done = 0;

	while (r->b && done < n) {
		uint32_t off = r->seq - tcp_seg(r->b)->seq, k = r->b->len - off;

		if (k > n - done)
			k = n - done;
		if (!(r->m->flags & MSG_TRUNC)) {
			for (; at >= v->iov_len; v++)
				at -= v->iov_len;
			if (k > v->iov_len - at)
				k = (uint32_t)(v->iov_len - at);
			pkbuf_read(r->b, off, (uint8_t *)v->iov_base + at, k);
			at += k;
		}
		r->seq += k;
		done += k;
		if (off + k == r->b->len)
			r->b = r->b->next;
	}
	return done;
}

/* Of what v to end have: all but the first `from` bytes and the last `over`.  Where it begins; *end is moved. */
static struct iovec *iov_between(struct iovec *v, struct iovec **end, size_t from, size_t over)
{
	for (; from >= v->iov_len; v++)
		from -= v->iov_len;
	v->iov_base = (uint8_t *)v->iov_base + from;
	v->iov_len -= from;
	for (; over >= (*end)[-1].iov_len; --*end)
		over -= (*end)[-1].iov_len;
	(*end)[-1].iov_len -= over;
	return v;
}

/* As reader_copy(), but the message's sink takes them where they lie: fewer, if it has no room. */
static uint32_t reader_give(struct reader *r, uint32_t n)
{
	struct iovec iov[GIVE_IOV], *v, *end = iov;
	size_t from, have = 0;

	if (!r->b || n == 0)
		return 0;
	from = r->seq - tcp_seg(r->b)->seq;
	for (; r->b && have < from + n && end + 1 + PKBUF_FRAGS <= iov + GIVE_IOV;
	     r->b = r->b->next) {
		have += r->b->len;
		end += pkbuf_iov(r->b, end);
	}
	v = iov_between(iov, &end, from, have > from + n ? have - from - n : 0);
	n = r->m->sink->take(r->m->sink, v, (int)(end - v), r->urgent);
	r->seq += n;
	return n;
}

/* One byte of the queue passed over. */
static void reader_skip(struct reader *r)
{
	if (!r->b)
		return;
	r->seq++;
	if (r->seq - tcp_seg(r->b)->seq == r->b->len)
		r->b = r->b->next;
}

static void rcvq_drop_head(struct tcp_sock *ts)
{
	struct pkbuf *b = ts->est->rcvq_head;

	ts->est->rcvq_head = b->next;
	b->next = NULL;
	sock_rcv_uncharge(&ts->sk, b->pinned);
	pkbuf_free(b);
}

/* The program has all before seq. */
static void rcvq_consume(struct tcp_sock *ts, uint32_t seq)
{
	ts->copied_seq = seq;
	while (ts->est->rcvq_head &&
	       seq_leq(tcp_seg(ts->est->rcvq_head)->seq + ts->est->rcvq_head->len, ts->copied_seq))
		rcvq_drop_head(ts);
	if ((ts->flags & TCP_F_URG_IN) && seq_geq(ts->copied_seq, ts->rare->rcv_up))
		ts->flags &= ~(TCP_F_URG_IN | TCP_F_URG_READ);
	tcp_tune_read(ts);
	if (tcp_wnd_update_due(ts)) {
		ts->flags |= TCP_F_ACK_NOW;
		tcp_push(&ts->sk);
	}
	tcp_ack_read(ts);
}

void tcp_rcvq_free(struct tcp_sock *ts)
{
	while (ts->est->rcvq_head)
		rcvq_drop_head(ts);
}

/* --- recv() ------------------------------------------------------------------------------------- */

/* The peer's FIN was here, in its turn. */
static bool fin_taken(const struct tcp_sock *ts)
{
	return (ts->flags & TCP_F_FIN_SEEN) && seq_gt(ts->rcv_nxt, ts->est->rcv_fin);
}

/*
 * What a read without data says.  Whoever has read to the peer's FIN has all there was, whatever came
 * behind it: an error is for who writes then, and for SO_ERROR (Linux).
 */
static ssize_t recv_nothing(struct sock *sk, struct sock_msg *m)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (fin_taken(ts))
		return 0;
	if (sk->err)
		return sock_take_error(sk);
	if (sk->shutdown & SOCK_SHUT_RD)
		return 0;
	if (tcp_state_in(ts, TCP_IN(TCP_CLOSE) | TCP_IN(TCP_LISTEN)))
		return -ENOTCONN;
	tcp_await(sk);
	if (m->landing)
		tcp_land_lend(ts, m);
	return -EAGAIN;
}

static bool urg_readable(const struct tcp_sock *ts)
{
	return !(ts->flags & TCP_F_URG_READ) && urg_ahead(ts) < rcvq_bytes(ts);
}

/*
 * The pointer moves on, and the reader stands at the byte it named: that is behind him now, for he may have it by MSG_OOB
 * (Linux).
 */
void tcp_urg_pass(struct tcp_sock *ts)
{
	struct pkbuf *b = ts->est->rcvq_head;

	if ((ts->sk.flags & SOCK_OOBINLINE) || !b || urg_ahead(ts) != 0)
		return;
	ts->copied_seq++;
	if (ts->copied_seq - tcp_seg(b)->seq == b->len)
		rcvq_drop_head(ts);
}

static ssize_t recv_oob(struct sock *sk, struct sock_msg *m)
{
	struct tcp_sock *ts = tcp_sk(sk);
	struct reader r = {.b = ts->est->rcvq_head, .m = m};

	if ((sk->flags & SOCK_OOBINLINE) || urg_ahead(ts) == URG_NONE ||
	    (ts->flags & TCP_F_URG_READ))
		return -EINVAL;
	if (!urg_readable(ts)) /* at the stream's end it will not come any more */
		return sk->shutdown & SOCK_SHUT_RD ? 0 : -EAGAIN;
	m->out_flags |= MSG_OOB;
	if (m->len == m->skip) {
		m->out_flags |= MSG_TRUNC;
		return 0;
	}
	r.seq = ts->rare->rcv_up - 1;
	while (r.b && seq_leq(tcp_seg(r.b)->seq + r.b->len, r.seq))
		r.b = r.b->next;
	reader_copy(&r, 1);
	if (!(m->flags & MSG_PEEK))
		ts->flags |= TCP_F_URG_READ;
	return 1;
}

/* A stream's read is told when the last of its bytes came, by seq (Linux). */
static void recv_stamp(const struct tcp_sock *ts, uint32_t seq, struct sock_msg *m)
{
	struct pkbuf *b = ts->est->rcvq_head;

	while (seq_leq(tcp_seg(b)->seq + b->len, seq))
		b = b->next;
	m->stamped = true;
	m->stamp = b->stamp;
}

/* Has a read more to tell?  Else who reads next waits. */
static bool recv_has_more(const struct tcp_sock *ts)
{
	return ts->est->rcvq_head || ts->sk.err || ts->sk.shutdown & SOCK_SHUT_RD;
}

ssize_t tcp_recv(struct sock *sk, struct sock_msg *m)
{
	struct tcp_sock *ts = tcp_sk(sk);
	struct reader r = {.b = ts->est->rcvq_head, .seq = ts->copied_seq, .m = m};
	size_t len = m->len - m->skip;
	uint32_t n = len < INT32_MAX ? (uint32_t)len : INT32_MAX, mark = urg_ahead(ts), done;

	if (m->flags & MSG_OOB)
		return recv_oob(sk, m);
	if (!r.b)
		return recv_nothing(sk, m);
	if (mark == 0 && !(sk->flags & SOCK_OOBINLINE))
		reader_skip(&r);
	else if (mark == 0)
		r.urgent = true;
	else if (mark < n)
		n = mark;
	done = m->sink ? reader_give(&r, n) : reader_copy(&r, n);
	if (done && (sk->flags & SOCK_STAMPS_IN))
		recv_stamp(ts, r.seq - 1, m);
	if (!(m->flags & MSG_PEEK))
		rcvq_consume(ts, r.seq);
	if (m->sink)
		m->sink->more = recv_has_more(ts);
	if (done == 0 && m->sink && ts->est->rcvq_head) /* it takes no more */
		return -EAGAIN;
	if (done == 0 && len) /* there was nothing but the urgent byte */
		return recv_nothing(sk, m);
	return done;
}

/* --- what select, poll and ioctl ask ------------------------------------------------------------ */

/* Would a read find enough?  At the mark it passes over the urgent byte, or stops right behind it where that is in line. */
static bool poll_readable(struct sock *sk)
{
	const struct tcp_sock *ts = tcp_sk(sk);
	uint32_t n = rcvq_bytes(ts), low = sk->rare->rcvlowat ? sk->rare->rcvlowat : 1;

	if (low > sk->rcvbuf / 2)
		low = sk->rcvbuf / 2;
	if (n && urg_ahead(ts) == 0) {
		if (sk->flags & SOCK_OOBINLINE)
			return true;
		n--;
	}
	return n >= low || (n && tcp_wnd_is_shut(ts));
}

static uint32_t poll_open(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);
	uint32_t ev = poll_readable(sk) ? EPOLLIN : 0;

	if (!(sk->shutdown & SOCK_SHUT_WR) && !tcp_snd_space(sk))
		ts->flags |= TCP_F_NOSPACE;
	else if ((sk->shutdown & SOCK_SHUT_WR) || !(ts->flags & TCP_F_NOMEM))
		ev |= EPOLLOUT;
	if (urg_readable(ts))
		ev |= EPOLLPRI;
	return ev;
}

uint32_t tcp_poll(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);
	unsigned state = tcp_state_of(ts);
	uint32_t ev = sk->err ? EPOLLERR : 0;

	if (state == TCP_LISTEN)
		return ts->rare->listen->accept_head ? EPOLLIN : 0;
	if (state == TCP_CLOSE || sk->shutdown == (SOCK_SHUT_RD | SOCK_SHUT_WR))
		ev |= EPOLLHUP;
	if (sk->shutdown & SOCK_SHUT_RD)
		ev |= EPOLLIN | EPOLLRDHUP;
	if (state == TCP_SYN_SENT && ts->rare->fo && ts->rare->fo->deferred)
		return ev | EPOLLOUT;
	if (state == TCP_SYN_SENT || (state == TCP_SYN_RECV && !(ts->flags & TCP_F_FASTOPEN)))
		return ev;
	return ev | poll_open(sk);
}

static int inq(const struct tcp_sock *ts)
{
	uint32_t n = rcvq_bytes(ts), mark = urg_ahead(ts);

	if (mark == URG_NONE || (ts->sk.flags & SOCK_OOBINLINE))
		return (int)n;
	return (int)(mark < n ? mark : n);
}

int tcp_ioctl(struct sock *sk, unsigned long req, int *value)
{
	struct tcp_sock *ts = tcp_sk(sk);
	unsigned state = tcp_state_of(ts);

	if (state == TCP_LISTEN)
		return -EINVAL;
	switch (req) {
	case SIOCINQ:
		*value = inq(ts);
		return 0;
	case SIOCATMARK:
		*value = urg_ahead(ts) == 0;
		return 0;
	case SIOCOUTQ: /* not acknowledged, the FIN counted as Linux does */
		*value = state == TCP_SYN_SENT || state == TCP_CLOSE
			     ? 0
			     : (int)(ts->write_seq - ts->snd_una);
		return 0;
	case SIOCOUTQNSD:
		*value = state == TCP_SYN_SENT || state == TCP_CLOSE
			     ? 0
			     : (int)(ts->write_seq - ts->snd_nxt);
		return 0;
	default:
		return -ENOTTY;
	}
}
