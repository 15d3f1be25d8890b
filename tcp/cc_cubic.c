/*
 * tcp/cc_cubic.c - CUBIC (RFC 9438), whose window after a loss follows a cubic function of the time
 * since, flat where the loss was, and is never below what Reno would have; slow start by HyStart++
 * (RFC 9406, tcp_hystart.c).
 *
 * Windows are bytes, times ms.  What the RFC computes in real numbers is rounded by less than a
 * thousandth of a segment; what an addition leaves over is kept for the next.
 */
#include "lib/cell.h"
#include "tcp/tcp_priv.h"

/* RFC 9438, 4.1: beta 0.7, C 0.4 segments/s^3; 4.3: alpha 3 (1 - beta) / (1 + beta) */
#define BETA_NUM 7u
#define BETA_DEN 10u
#define ALPHA_NUM 9u
#define ALPHA_DEN 17u
#define MS3_PER_SEGMENT 2500000000ull /* (1000 ms/s)^3 / C */

#define LOOK_MS 31u /* a long path follows Reno's window so often, or when cwnd grows (Linux) */
#define UNKNOWN_DIVISOR 20u /* no loss seen yet: a round trip adds at least this part (Linux) */

enum { HYSTART_PLUS = 1, HYSTART_DELAY = 2 }; /* net.weft.tcp_hystart */

/* What a loss that was none gives back (RFC 9438, 4.9). */
struct epoch {
	uint32_t begin;  /* ms; 0: none has begun */
	uint32_t k;      /* ms */
	uint32_t origin; /* W_max of the function: its plateau */
	uint32_t w_est;  /* Reno's window */
};

struct cubic {
	uint32_t w_max;      /* RFC 9438, 4.1.2 */
	uint32_t cwnd_prior; /* cwnd before the last reduction */
	uint32_t seen;       /* ms: the last ACK */
	bool avoids;         /* which of the two: the first slow start is over */
	uint16_t looked;     /* ms: when cwnd was last set beside Reno's window */
	union {
		struct tcp_hystart hystart; /* in the first slow start */
		struct {
			struct epoch e;
			uint32_t est_acked; /* bytes towards the next segment of w_est */
			uint32_t rest;      /* of the last division, in 1/cwnd bytes */
		};
	};
	struct epoch undo_e;
	uint32_t undo_w_max, undo_prior;
};

/* ssthresh is others' to set as well: what belongs to another phase is void.  NULL: no block yet. */
static struct cubic *cubic_of(struct tcp_sock *ts)
{
	struct cubic *c = (struct cubic *)(uintptr_t)ts->est->cc_priv;
	bool avoids = ts->est->ssthresh != UINT32_MAX;

	if (c && c->avoids != avoids) {
		c->avoids = avoids;
		if (avoids)
			c->e = (struct epoch){0};
		else
			c->hystart = (struct tcp_hystart){0};
	}
	return c;
}

/* The block, made when cwnd is the limit for the first time, or falls; NULL: no memory. */
static struct cubic *cubic_get(struct tcp_sock *ts)
{
	if (!ts->est->cc_priv)
		ts->est->cc_priv = (uintptr_t)cell_zalloc(ts->sk.stack, sizeof(struct cubic));
	return cubic_of(ts);
}

static void cubic_release(struct tcp_sock *ts)
{
	cell_free(ts->sk.stack, cubic_of(ts), sizeof(struct cubic));
	ts->est->cc_priv = 0;
}

/* --- the function ------------------------------------------------------------------------------- */

/* The largest r with r^3 <= n. */
static uint32_t cube_root(uint64_t n)
{
	uint64_t r = 0;

	for (int bit = 20; bit >= 0; bit--) { /* 2^63 has 2^21 */
		uint64_t try = r | 1ull << bit;

		if (try * try * try <= n)
			r = try;
	}
	return (uint32_t)r;
}

/* RFC 9438, 4.2, figure 2: how long from cwnd to w_max. */
static uint32_t cubic_k(const struct tcp_sock *ts, uint32_t w_max)
{
	uint64_t below = w_max - ts->est->cwnd;

	return cube_root(below * MS3_PER_SEGMENT / ts->mss);
}

/* RFC 9438, 4.2, figure 1. */
static uint32_t w_cubic(const struct tcp_sock *ts, const struct epoch *e, uint32_t t)
{
	int64_t d = (int64_t)t - e->k, w;

	if (d > 1 << 20) /* 17 minutes: larger than any window by now */
		d = 1 << 20;
	w = e->origin + d * d * d / (int64_t)(MS3_PER_SEGMENT / 1000) * ts->mss / 1000;
	if (w < ts->mss)
		return ts->mss;
	return w < TCP_CWND_MAX ? (uint32_t)w : TCP_CWND_MAX;
}

/* Congestion avoidance begins: at the plateau where nothing is known of one (RFC 9438, 4.8, 4.10). */
static void epoch_begin(struct tcp_sock *ts, struct cubic *c, uint32_t now)
{
	c->e =
	    (struct epoch){.begin = now ? now : 1, .origin = ts->est->cwnd, .w_est = ts->est->cwnd};
	c->est_acked = c->rest = 0;
	c->looked = (uint16_t)now;
	if (ts->est->cwnd < c->w_max) {
		c->e.k = cubic_k(ts, c->w_max);
		c->e.origin = c->w_max;
	}
}

/* RFC 9438, 4.3: alpha segments a window, one where Reno has come back to where it was. */
static void reno_acked(struct tcp_sock *ts, struct cubic *c, uint32_t n)
{
	uint64_t window = ts->est->cwnd;

	if (c->e.w_est < c->cwnd_prior)
		window = window * ALPHA_DEN / ALPHA_NUM;
	c->est_acked += n;
	for (; c->est_acked >= window; c->est_acked -= (uint32_t)window)
		c->e.w_est += ts->mss;
}

/* RFC 9438, 4.4 and 4.5: of the way to what the window should be a round trip from now. */
static void cubic_grow(struct tcp_sock *ts, struct cubic *c, uint32_t t, uint32_t n)
{
	uint32_t target = w_cubic(ts, &c->e, t + ts->est->srtt_us / 1000),
		 most = ts->est->cwnd + ts->est->cwnd / 2,
		 least = ts->est->cwnd + ts->est->cwnd / UNKNOWN_DIVISOR;
	uint64_t sum;

	if (c->w_max == 0 && target < least)
		target = least;
	if (target > most)
		target = most;
	if (target <= ts->est->cwnd)
		return;
	sum = (uint64_t)n * (target - ts->est->cwnd) + c->rest;
	c->rest = (uint32_t)(sum % ts->est->cwnd);
	ts->est->cwnd += (uint32_t)(sum / ts->est->cwnd);
}

/* Is it time to follow Reno's window, which grows by whole segments? */
static bool reno_is_due(const struct tcp_sock *ts, struct cubic *c, uint32_t now)
{
	uint16_t since = (uint16_t)(now - c->looked);

	if (since <= LOOK_MS && ts->est->srtt_us > LOOK_MS * 1000)
		return false;
	c->looked = (uint16_t)now;
	return true;
}

/* Linux's way out of the first slow start, looked at before the ACK is added. */
static void cubic_delay(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct cubic *c = cubic_of(ts);

	if (c && !c->avoids && sysctl_get(ts->sk.stack, tcp_hystart) == HYSTART_DELAY)
		tcp_hystart_delay(ts, &c->hystart, a);
}

static void cubic_acked(struct tcp_sock *ts, const struct tcp_ack_info *a, uint32_t n)
{
	uint32_t now = tcp_ms(a->now), segs = ts->est->cwnd / ts->mss, t;
	struct cubic *c;

	c = cubic_get(ts);
	cubic_delay(ts, a);
	c = c ? cubic_of(ts) : NULL;
	if (ts->est->cwnd < ts->est->ssthresh)
		n = tcp_slow_start(ts, n, !c || c->avoids ? 1 : tcp_hystart_divisor(&c->hystart));
	if (!c || n == 0 || ts->est->cwnd < ts->est->ssthresh)
		return;
	if (!c->e.begin)
		epoch_begin(ts, c, now);
	t = now - c->e.begin;
	reno_acked(ts, c, n);
	if (c->w_max == 0 || w_cubic(ts, &c->e, t) >= c->e.w_est)
		cubic_grow(ts, c, t, n);
	if (reno_is_due(ts, c, now) && w_cubic(ts, &c->e, t) < c->e.w_est &&
	    ts->est->cwnd < c->e.w_est)
		ts->est->cwnd = c->e.w_est;
	if (ts->est->cwnd / ts->mss != segs)
		c->looked = (uint16_t)(now - LOOK_MS - 1);
}

/* --- time that does not count --------------------------------------------------------------------- */

/* RFC 9438, 5.8: while cwnd is not the limit the function stands still. */
static void epoch_shift(struct cubic *c, uint32_t now)
{
	if (c->e.begin)
		c->e.begin += now - c->seen;
}

static void cubic_sample(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	uint32_t now = tcp_ms(a->now);
	struct cubic *c;

	if (!a->cwnd_limited) /* cubic_acked() was not asked */
		cubic_delay(ts, a);
	c = cubic_of(ts);
	if (!c)
		return;
	if (c->avoids && !a->cwnd_limited)
		epoch_shift(c, now);
	if (!c->avoids && a->acked && sysctl_get(ts->sk.stack, tcp_hystart) == HYSTART_PLUS)
		tcp_hystart_ack(ts, &c->hystart, a);
	c->seen = now;
}

/* --- losses -------------------------------------------------------------------------------------- */

/* RFC 9438, 4.6; fast convergence, 4.7: less than last time, so make room for a newcomer. */
static uint32_t cubic_ssthresh(struct tcp_sock *ts)
{
	struct cubic *c = cubic_get(ts);
	uint32_t least = 2u * ts->mss,
		 w = (uint32_t)((uint64_t)ts->est->cwnd * BETA_NUM / BETA_DEN);

	if (!c)
		return w > least ? w : least;
	c->undo_e = c->avoids ? c->e : (struct epoch){0};
	c->undo_w_max = c->w_max;
	c->undo_prior = c->cwnd_prior;
	c->cwnd_prior = ts->est->cwnd;
	if (ts->est->cwnd < c->w_max)
		c->w_max =
		    (uint32_t)((uint64_t)ts->est->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
	else
		c->w_max = ts->est->cwnd;
	if (c->avoids)
		c->e = (struct epoch){0};
	return w > least ? w : least;
}

static void cubic_undo(struct cubic *c)
{
	c->w_max = c->undo_w_max;
	c->cwnd_prior = c->undo_prior;
	if (c->avoids)
		c->e = c->undo_e;
}

static void cubic_event(struct tcp_sock *ts, enum tcp_cc_event ev)
{
	struct cubic *c = cubic_of(ts);

	if (!c)
		return;
	switch (ev) {
	case TCP_CC_TIMEOUT:
		c->w_max = 0; /* RFC 9438, 4.8: the function begins at its plateau */
		break;
	case TCP_CC_UNDO:
		cubic_undo(c);
		break;
	case TCP_CC_START:
		if (c->avoids)
			epoch_shift(c, tcp_ms(tcp_now(ts)));
		c->seen = tcp_ms(tcp_now(ts));
		break;
	case TCP_CC_IDLE:
		if (c->avoids)
			c->e.begin = 0; /* cwnd is another */
		break;
	case TCP_CC_RECOVERY:
	case TCP_CC_CWR:
	case TCP_CC_EXIT:
		break;
	}
}

const struct tcp_cc_ops cc_cubic = {
    .name = "cubic",
    .release = cubic_release,
    .ssthresh = cubic_ssthresh,
    .acked = cubic_acked,
    .sample = cubic_sample,
    .event = cubic_event,
};
