/*
 * tcp/cc_bbr.h - BBR's state, and what its three files share: cc_bbr.c has the states and what they do
 * to cwnd and pace, cc_bbr_cycle.c the probing for bandwidth, cc_bbr_model.c the model of the path.
 *
 * Names are those of draft-ietf-ccwg-bbr, whose "longterm" is hi here and "shortterm" lo.  Volumes
 * are bytes, rates bytes a second, gains percent.
 */
#pragma once
#include "tcp/tcp_priv.h"

#define BBR_UNIT 100u        /* of gains */
#define BBR_LOSS_PERCENT 2u  /* LossThresh */
#define BBR_BETA_PERCENT 70u /* Beta */
#define BBR_MIN_PIPE 4u      /* segments: MinPipeCwnd */
#define BBR_NO_LIMIT UINT32_MAX

enum bbr_state {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_DOWN, /* the four of ProbeBW */
	BBR_CRUISE,
	BBR_REFILL,
	BBR_UP,
	BBR_PROBE_RTT,
	BBR_NONE,
};

/*
 * A block of its own: cc_priv points there.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct bbr {
	enum bbr_state state; /* l */
	bool rate_guessed;    /* l: the first pacing rate: no round trip was known */

	/* l: rounds, in delivered bytes; what begins with this ACK */
	uint64_t round_end, loss_round_end; /* l */
	uint32_t rounds;                    /* l */
	bool round_start, loss_round_start; /* l */

	uint64_t bw_sample; /* l: of this ACK; 0: none */
	uint64_t bw_max[2]; /* l: the largest sample of this cycle of probing, of the one before */
	uint64_t bw;        /* l: what to go by: bounded by bw_lo */

	/* l: bounds: hi from probing, until the next; lo from losses, until the next probing */
	uint64_t bw_lo, bw_latest;                          /* l: bw_lo UINT64_MAX: none */
	uint32_t inflight_hi, inflight_lo, inflight_latest; /* l */
	uint32_t lost_seen;                                 /* l: delivery.lost at the last ACK */
	uint32_t loss_acks; /* l: ACKs in this round that told of losses */
	bool loss_in_round; /* l */
	bool marked;        /* l: ECN-Echo in this round: as bad as losses above the threshold */
	bool samples;       /* l: ACKs of what was sent to probe are coming in */
	bool stopping;      /* l: ... and of what went before DOWN began */

	/* l: round-trip time: the least of 5 s, by which ProbeRTT comes, and of 10 s */
	uint32_t probe_rtt_us, min_rtt_us; /* l: UINT32_MAX: none */
	uint64_t probe_rtt_at, min_rtt_at; /* l: ns */
	bool probe_rtt_expired;            /* l */

	/* l: aggregation: more acknowledged at a time than bw explains */
	uint64_t extra_from;      /* l: ns */
	uint64_t extra_delivered; /* l */
	uint32_t extra[2];        /* l: largest, of half the window each */
	uint32_t extra_rounds;    /* l: of the half that runs */

	uint64_t full_bw;            /* l: is the pipe full? the rate to be surpassed */
	uint8_t full_count;          /* l: rounds in which it was not */
	bool full_now, full_reached; /* l */

	uint64_t cycle_at, probe_wait; /* l: ns: ProbeBW: when DOWN began, how long until UP */
	uint32_t rounds_since_probe;   /* l */
	uint32_t up_rounds, up_acks;   /* l */
	uint32_t up_cnt;               /* l: inflight_hi grows a segment for each up_cnt bytes */
	uint32_t drain_round;          /* l */

	uint64_t probe_rtt_done;   /* l: ns; 0: inflight is not down yet */
	bool probe_rtt_round_done; /* l */
	bool idle_restart;         /* l */
	uint32_t prior_cwnd;       /* l */

	/* l: before the last loss, should it prove to be none */
	enum bbr_state undo_state;                   /* l: STARTUP or UP, where it ended that */
	uint64_t undo_bw_lo;                         /* l */
	uint32_t undo_inflight_lo, undo_inflight_hi; /* l */
};

static inline uint64_t bbr_bw_max(const struct bbr *b)
{
	return b->bw_max[0] > b->bw_max[1] ? b->bw_max[0] : b->bw_max[1];
}

static inline uint32_t bbr_min_pipe(const struct tcp_sock *ts)
{
	return BBR_MIN_PIPE * ts->mss;
}

static inline bool bbr_probes_bw(const struct bbr *b)
{
	return b->state >= BBR_DOWN && b->state <= BBR_UP;
}

/* cc_bbr_model.c */
void bbr_model_init(struct tcp_sock *ts, struct bbr *b);
void bbr_model_ack(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a);
void bbr_model_end(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a);
void bbr_min_rtt_update(struct bbr *b, const struct tcp_ack_info *a);
void bbr_note_loss(struct tcp_sock *ts, struct bbr *b);
void bbr_undo(struct bbr *b);
void bbr_round_begin(struct tcp_sock *ts, struct bbr *b);
void bbr_full_reset(struct bbr *b);
void bbr_lo_reset(struct bbr *b);
void bbr_signals_reset(struct bbr *b);
void bbr_bw_advance(struct bbr *b); /* a cycle of probing is over */
/* gain times what bw makes in a least round trip; the same with what bursts need on top. */
uint32_t bbr_bdp(const struct tcp_sock *ts, const struct bbr *b, uint64_t bw, unsigned gain);
uint32_t bbr_inflight(const struct tcp_sock *ts, const struct bbr *b, uint64_t bw, unsigned gain,
		      uint32_t extra);
uint32_t bbr_extra(const struct bbr *b);

/* cc_bbr_cycle.c */
void bbr_down_start(struct tcp_sock *ts, struct bbr *b, uint64_t now); /* ProbeBW begins with it */
void bbr_refill_start(struct tcp_sock *ts, struct bbr *b);
void bbr_cycle_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a);
/* Losses, or a mark, say that so much should not have been out. */
bool bbr_too_high(const struct tcp_sock *ts, const struct bbr *b, const struct tcp_rate *rs);
void bbr_probe_lost(struct tcp_sock *ts, struct bbr *b, const struct tcp_rec *r);
uint32_t bbr_headroom(const struct tcp_sock *ts, const struct bbr *b);
