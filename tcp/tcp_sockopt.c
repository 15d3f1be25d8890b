/*
 * tcp/tcp_sockopt.c - the options of level IPPROTO_TCP, with Linux's numbers and ranges.  What is
 * not implemented answers ENOPROTOOPT.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcp/tcp_priv.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define KEEP_MAX_S 32767
#define KEEP_MAX_COUNT 127
#define USER_MSS_MIN 88 /* as Linux: TCP_MAXSEG below it is EINVAL */
#define USER_MSS_MAX 32767
#define CC_NAME_MAX 16 /* Linux's TCP_CA_NAME_MAX */

static void flag_set(struct tcp_sock *ts, uint32_t flag, int on)
{
	if (on)
		ts->flags |= flag;
	else
		ts->flags &= ~flag;
}

static int set_range16(uint16_t *field, int v, int min, int max)
{
	if (v < min || v > max)
		return -EINVAL;
	*field = (uint16_t)v;
	return 0;
}

static int set_range8(uint8_t *field, int v, int min, int max)
{
	if (v < min || v > max)
		return -EINVAL;
	*field = (uint8_t)v;
	return 0;
}

/* What an option held back goes now. */
static int set_push(struct tcp_sock *ts, uint32_t flag, int on, bool push)
{
	flag_set(ts, flag, on);
	if (push) {
		ts->flags |= ts->write_seq != ts->snd_nxt ? TCP_F_PUSH : 0;
		tcp_push(&ts->sk);
	}
	return 0;
}

/* tcp(7): into quick ACKs or out of them; what comes later may lead back. */
static int set_quickack(struct tcp_sock *ts, int on)
{
	flag_set(ts, TCP_F_PINGPONG, !on);
	if (on)
		ts->quickacks = TCP_QUICKACKS;
	if (on && (ts->flags & TCP_F_ACK_DELAY)) {
		ts->flags |= TCP_F_ACK_NOW;
		tcp_push(&ts->sk);
	}
	return 0;
}

static int set_keepidle(struct tcp_sock *ts, struct tcp_rare *k, int v)
{
	int err = set_range16(&k->keepidle, v, 1, KEEP_MAX_S);

	if (!err)
		tcp_keepalive_arm(ts);
	return err;
}

/* Never what was offered already: the edge stays. */
static int set_window_clamp(const struct tcp_sock *ts, struct tcp_rare *k, int v)
{
	if (v == 0 && tcp_state_of(ts) != TCP_CLOSE)
		return -EINVAL;
	k->wnd_clamp = v == 0                            ? 0
		       : (uint32_t)v < TCP_WND_CLAMP_MIN ? TCP_WND_CLAMP_MIN
							 : (uint32_t)v;
	return 0;
}

/* A higher mark may be room now. */
static int set_notsent_lowat(struct tcp_sock *ts, struct tcp_rare *k, int v)
{
	k->notsent_lowat = (uint32_t)v;
	tcp_snd_wake(ts);
	return 0;
}

static int set_linger2(const struct tcp_sock *ts, struct tcp_rare *k, int v)
{
	int64_t most = sysctl_get(ts->sk.stack, tcp_fin_timeout);

	if (v < 0)
		k->linger2_s = -1;
	else
		k->linger2_s = v > most ? 0 : v;
	return 0;
}

/* TCP_DEFER_ACCEPT: seconds to time-outs of a SYN-ACK, which double, and back (Linux). */
static uint8_t defer_retries(struct stack *st, int s)
{
	uint32_t most = (uint32_t)sysctl_get(st, tcp_rto_max_ms) / 1000, wait = 1, sum = 1;
	uint8_t n = s > 0;

	for (; (int64_t)s > sum && n < UINT8_MAX; n++) {
		wait = 2 * wait < most ? 2 * wait : most;
		sum += wait;
	}
	return n;
}

static int defer_seconds(struct stack *st, uint8_t n)
{
	uint32_t most = (uint32_t)sysctl_get(st, tcp_rto_max_ms) / 1000, wait = 1, sum = n > 0;

	for (; n > 1; n--) {
		wait = 2 * wait < most ? 2 * wait : most;
		sum += wait;
	}
	return (int)sum;
}

/* TCP_CONGESTION: another algorithm from here on; cwnd and ssthresh stay. */
static int set_congestion(struct tcp_sock *ts, const void *v, socklen_t n)
{
	char name[CC_NAME_MAX] = "";
	int cc, err = 0;

	if (n < 1)
		return -EINVAL;
	memcpy(name, v, n < sizeof(name) ? n : sizeof(name) - 1);
	cc = tcp_cc_choose(ts->sk.stack, name);
	if (cc < 0)
		return cc;
	if (cc != ts->cc)
		err = tcp_cc_change(ts, (uint8_t)cc);
	if (!err)
		ts->flags |= TCP_F_CC_CHOSEN;
	return err;
}

static int get_congestion(const struct tcp_sock *ts, void *v, socklen_t *n)
{
	char name[CC_NAME_MAX] = "";

	strncpy(name, tcp_cc(ts)->name, sizeof(name) - 1);
	if (*n > sizeof(name))
		*n = sizeof(name);
	memcpy(v, name, *n);
	return 0;
}

static int get_fastopen_key(const struct tcp_sock *ts, void *v, socklen_t *n)
{
	uint8_t key[TCP_FO_KEYS * TCP_FO_KEY];
	unsigned len = tcp_fastopen_getkey(ts, key);

	if (*n > len)
		*n = len;
	memcpy(v, key, *n);
	return 0;
}

static int set_maxseg(struct tcp_sock *ts, struct tcp_rare *k, int v)
{
	int err = set_range16(&k->user_mss, v, v ? USER_MSS_MIN : 0, USER_MSS_MAX);

	if (!err && ts->sk.path)
		ts->sk.path->mtu_seen = false;
	return err;
}

/* Those that have a place in the block of rare things, k; -ENOPROTOOPT: not one of them. */
static int set_rare(struct tcp_sock *ts, struct tcp_rare *k, int name, int v)
{
	switch (name) {
	case TCP_MAXSEG:
		return set_maxseg(ts, k, v);
	case TCP_KEEPIDLE:
		return set_keepidle(ts, k, v);
	case TCP_KEEPINTVL:
		return set_range16(&k->keepintvl, v, 1, KEEP_MAX_S);
	case TCP_KEEPCNT:
		return set_range8(&k->keepcnt, v, 1, KEEP_MAX_COUNT);
	case TCP_SYNCNT:
		return set_range8(&k->syncnt, v, 1, KEEP_MAX_COUNT);
	case TCP_LINGER2:
		return set_linger2(ts, k, v);
	case TCP_DEFER_ACCEPT:
		k->defer_accept = defer_retries(ts->sk.stack, v);
		return 0;
	case TCP_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		k->user_timeout = (uint32_t)v;
		return 0;
	case TCP_WINDOW_CLAMP:
		return set_window_clamp(ts, k, v);
	case TCP_NOTSENT_LOWAT:
		return set_notsent_lowat(ts, k, v);
	default:
		return -ENOPROTOOPT;
	}
}

static int setopt_tcp(struct tcp_sock *ts, int name, int v)
{
	struct tcp_rare *k;

	switch (name) {
	case TCP_NODELAY:
		return set_push(ts, TCP_F_NODELAY, v, v != 0);
	case TCP_CORK:
		return set_push(ts, TCP_F_CORK, v, v == 0);
	case TCP_QUICKACK:
		return set_quickack(ts, v);
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_FASTOPEN_NO_COOKIE:
		return tcp_fastopen_setopt(ts, name, v);
	default:
		k = tcp_rare_get(ts);
		return k ? set_rare(ts, k, name, v) : -ENOBUFS;
	}
}

/* Bytes a second, of 32 or 64 bits; all ones: no limit (socket(7)). */
static int set_max_pacing(struct tcp_sock *ts, const void *v, socklen_t n)
{
	uint64_t rate = 0;
	uint32_t narrow;
	struct tcp_rare *k;

	if (n >= sizeof(rate)) {
		memcpy(&rate, v, sizeof(rate));
	} else if (n >= sizeof(narrow)) {
		memcpy(&narrow, v, sizeof(narrow));
		rate = narrow == UINT32_MAX ? UINT64_MAX : narrow;
	} else {
		return -EINVAL;
	}
	k = tcp_rare_get(ts);
	if (!k)
		return -ENOBUFS;
	k->max_pacing_rate = rate == UINT64_MAX ? 0 : rate ? rate : 1;
	tcp_push(&ts->sk);
	return 0;
}

static int get_max_pacing(const struct tcp_sock *ts, void *v, socklen_t *n)
{
	uint64_t rate = ts->rare->max_pacing_rate ? ts->rare->max_pacing_rate : UINT64_MAX;
	uint32_t narrow = rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;

	if (*n >= sizeof(rate)) {
		*n = sizeof(rate);
		memcpy(v, &rate, sizeof(rate));
		return 0;
	}
	if (*n > sizeof(narrow))
		*n = sizeof(narrow);
	memcpy(v, &narrow, *n);
	return 0;
}

/* SOL_SOCKET comes here for what the socket room leaves to the protocol, and after it has set
 * SO_KEEPALIVE, which starts or stops now. */
int tcp_setopt(struct sock *sk, int level, int name, const void *v, socklen_t n)
{
	struct tcp_sock *ts = tcp_sk(sk);
	int value;

	if (level == SOL_SOCKET && name == SO_KEEPALIVE) {
		tcp_keepalive_arm(ts);
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_SNDBUF) {
		tcp_snd_wake(ts);
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
		return set_max_pacing(ts, v, n);
	if (level == SOL_SOCKET && name == SO_TIMESTAMPING)
		return tcp_stamp_count(ts, v);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (name == TCP_CONGESTION)
		return set_congestion(ts, v, n);
	if (name == TCP_FASTOPEN_KEY)
		return tcp_fastopen_setkey(ts, v, n);
	if (n < sizeof(value))
		return -EINVAL;
	memcpy(&value, v, sizeof(value));
	return setopt_tcp(ts, name, value);
}

/* --- reading ------------------------------------------------------------------------------------ */

static int get_maxseg(const struct tcp_sock *ts)
{
	if (tcp_state_in(ts, TCP_IN(TCP_CLOSE) | TCP_IN(TCP_LISTEN)))
		return ts->rare->user_mss ? ts->rare->user_mss : TCP_MSS_DEFAULT;
	return ts->mss;
}

static int get_setting(unsigned own, int64_t stack_wide)
{
	return own ? (int)own : (int)stack_wide;
}

static int getopt_tcp(struct tcp_sock *ts, int name, int *v)
{
	struct stack *st = ts->sk.stack;

	switch (name) {
	case TCP_NODELAY:
		*v = !!(ts->flags & TCP_F_NODELAY);
		return 0;
	case TCP_CORK:
		*v = !!(ts->flags & TCP_F_CORK);
		return 0;
	case TCP_QUICKACK:
		*v = !(ts->flags & TCP_F_PINGPONG);
		return 0;
	case TCP_MAXSEG:
		*v = get_maxseg(ts);
		return 0;
	case TCP_KEEPIDLE:
		*v = get_setting(ts->rare->keepidle, sysctl_get(st, tcp_keepalive_time));
		return 0;
	case TCP_KEEPINTVL:
		*v = get_setting(ts->rare->keepintvl, sysctl_get(st, tcp_keepalive_intvl));
		return 0;
	case TCP_KEEPCNT:
		*v = get_setting(ts->rare->keepcnt, sysctl_get(st, tcp_keepalive_probes));
		return 0;
	case TCP_SYNCNT:
		*v = get_setting(ts->rare->syncnt, sysctl_get(st, tcp_syn_retries));
		return 0;
	case TCP_DEFER_ACCEPT:
		*v = defer_seconds(st, ts->rare->defer_accept);
		return 0;
	case TCP_USER_TIMEOUT:
		*v = (int)ts->rare->user_timeout;
		return 0;
	case TCP_WINDOW_CLAMP:
		*v = (int)(ts->rare->wnd_clamp ? ts->rare->wnd_clamp : tcp_wnd_limit(ts));
		return 0;
	case TCP_NOTSENT_LOWAT:
		*v = (int)ts->rare->notsent_lowat;
		return 0;
	case TCP_LINGER2:
		*v = ts->rare->linger2_s ? ts->rare->linger2_s
					 : (int)sysctl_get(st, tcp_fin_timeout);
		return 0;
	default:
		return tcp_fastopen_getopt(ts, name, v);
	}
}

int tcp_getopt(struct sock *sk, int level, int name, void *v, socklen_t *n)
{
	struct tcp_sock *ts = tcp_sk(sk);
	int value, err;

	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
		return get_max_pacing(ts, v, n);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (name == TCP_INFO)
		return tcp_info_get(ts, v, n);
	if (name == TCP_CONGESTION)
		return get_congestion(ts, v, n);
	if (name == TCP_FASTOPEN_KEY)
		return get_fastopen_key(ts, v, n);
	err = getopt_tcp(ts, name, &value);
	if (err)
		return err;
	if (*n > sizeof(value))
		*n = sizeof(value);
	memcpy(v, &value, *n);
	return 0;
}
