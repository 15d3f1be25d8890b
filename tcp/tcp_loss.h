/*
 * tcp/tcp_loss.h - the sender's view of the network: the send queue with its scoreboard, what an
 * ACK said, RACK, recovery and undo, delivery rate, pacing, and the table of congestion control.
 *
 * An ACK goes through four hands, in this order, each a file or two; none of them sends:
 *
 *	tcp_ack.c		what it acknowledges; RTT; window
 *	tcp_sack.c		its SACK blocks into the records' marks; D-SACK; reneging
 *	tcp_recovery.c		is something lost (tcp_rack.c), is recovery over, was it needed (tcp_undo.c)
 *	tcp_cc.c		cwnd and pacing rate: PRR while they fall, else the algorithm (cc_*.c)
 *
 * and tcp_push() then sends what is marked lost, and what is new.  Private to this room.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pkbuf;
struct piece;
struct stack;
struct tcp_seg;
struct tcp_sock;

#define TCP_DUPTHRESH 3u                /* RFC 5681, 3.2; RFC 6675, 2 */
#define TCP_SACK_BLOCKS 4u              /* of an ACK: as many as an option has room for */
#define TCP_CWND_MAX (UINT16_MAX << 14) /* no window is larger (RFC 7323, 2.3) */
#define TCP_CC_MAX 8                    /* algorithms */

/* --- the send queue ----------------------------------------------------------------------------
 */

#define REC_FIN 1u          /* its last sequence number is the FIN */
#define REC_SACKED 2u       /* the peer says it has it */
#define REC_LOST 4u         /* held for lost, to be sent again */
#define REC_RETRANS 8u      /* sent again since it was held for lost */
#define REC_APP_LIMITED 16u /* when it went the program had no more to send */
#define REC_EOR 32u         /* a message ends with it: no segment goes beyond (MSG_EOR) */
#define REC_PUSH 64u        /* its end is pushed however often it goes: it went beside the SYN */

/*
 * One range of the send queue: bytes of one payload piece, sent together or not yet sent.  A
 * record is split where a segment boundary or a SACK block's edge falls inside, so its marks hold
 * for all of it.  A record is on the list by time of transmission while it is out, not SACKed, and
 * not held for lost without having been sent again: those RACK has to look at.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_rec {
	struct tcp_rec *next;            /* l: the next higher */
	struct tcp_rec *later, *earlier; /* l: by time of transmission; see tcp_record.c */
	struct piece *piece;             /* l: reference; NULL: a FIN alone */
	uint32_t off;                    /* l: of its first byte in the piece */
	uint32_t seq, end;               /* l: as of a segment */
	uint8_t flags;                   /* l: REC_ */
	uint8_t times;                   /* l: transmissions, 255 and more alike; 0: not sent yet */
	uint16_t lead; /* l: bytes of its first segment that the record before has */
	uint64_t sent; /* l: ns, last transmission */
	/* l: as they stood when it was sent, for the rate sample (tcp_rate.c) */
	uint64_t delivered, delivered_at, first_sent;
	uint32_t flight; /* l: bytes on the way then, itself with them */
	uint32_t lost;   /* l: bytes ever held for lost, modulo 2^32 */
};

/*
 * The loss probe (RFC 8985, 7.1).
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_tlp {
	uint32_t end; /* l: SND.NXT when it went */
	bool out;     /* l: no ACK has told what became of it */
	bool again;   /* l: it was a retransmission */
};

/*
 * Proportional Rate Reduction (RFC 9937), in CWR and RECOVERY.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_prr {
	uint32_t flight;         /* l: RecoverFS */
	uint32_t delivered, out; /* l: since it began */
};

/*
 * Where cwnd and ssthresh stood, should it have been for nothing that they were lowered.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_undo {
	int64_t retrans;   /* l: bytes sent again less those that came twice; -1: none yet */
	uint32_t cwnd;     /* l */
	uint32_t ssthresh; /* l: 0: they stay lowered whatever comes */
	uint32_t marker;   /* l: SND.UNA then */
	uint32_t tsval;    /* l: of the first retransmission (RFC 3522) ... */
	bool stamped;      /* l: ... when there has been one */
	bool on;           /* l: else nothing of this holds */
};

/*
 * What lives while data are out or queued, and for as long as an ACK may still tell that a recovery
 * was not needed (tcp_xfer_done()).
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_xfer {
	struct tcp_rec *head, *tail; /* l: all records, by sequence number */
	struct tcp_rec *next;        /* l: the first that was never sent; NULL: all were */
	struct tcp_rec *again;       /* l: none before it is to be sent again; NULL: none at all */
	struct tcp_rec *oldest, *newest;        /* l: the list by time of transmission */
	struct tcp_rec *sack_last;              /* l: where the last walk marked */
	struct tcp_rec *sack_high;              /* l: the highest marked */
	uint32_t sack_seen[TCP_SACK_BLOCKS][2]; /* l: blocks of the last ACK; left == right: none */
	uint32_t sacked;       /* l: bytes the peer has out of order; without SACK by count */
	uint32_t lost;         /* l: bytes of records held for lost */
	uint32_t retrans;      /* l: bytes of those that were sent again since */
	uint32_t high_sacked;  /* l: the end of the highest SACKed record, while there is one */
	uint32_t snd_sml;      /* l: the end of the last small segment sent (Minshall) */
	uint32_t push_seq;     /* l: what the program finished writing ends here: PSH */
	uint32_t pushed;       /* l: the end of the highest segment that went with PSH */
	uint32_t burst_end;    /* l: behind SND.NXT: what goes to the wire together ends here */
	uint32_t snd_up;       /* l: TCP_F_URG_OUT: SND.UP */
	uint32_t until;        /* l: SND.NXT when this window of data began ... */
	uint32_t max_flight;   /* l: ... and the most out in it */
	uint64_t first_sent;   /* l: ns: when the record sent first in the current window went */
	uint64_t delivered_at; /* l: ns: when something was delivered last */
	uint32_t limit_ms;     /* l: since when ... */
	uint8_t limit;         /* l: ... enum tcp_limit holds the sender back */
	uint32_t recover;      /* l: what was out when the state was entered ends here */
	uint64_t rack_sent;    /* l: ns: RACK.xmit_ts (RFC 8985, 5) */
	uint32_t rack_end;     /* l: RACK.end_seq */
	uint32_t rack_rtt_us;  /* l: RACK.rtt */
	bool rack_advanced;    /* l: RACK has news since it last looked for losses */
	bool frto;             /* l: RFC 5682: the time-out may have been spurious */
	bool new_first;        /* l: RFC 5682, 3.1, 2b: the next push sends new data */
	bool big;              /* l: path_takes_big() */
	bool eor;              /* l: a record may be REC_EOR */
	struct tcp_tlp tlp;    /* l */
	struct tcp_prr prr;    /* l */
	struct tcp_undo undo;  /* l */
};

/* --- what an ACK said --------------------------------------------------------------------------
 */

/* A sample of the delivery rate (draft-ietf-ccwg-bbr, 4.1). */
struct tcp_rate {
	uint64_t delivered;       /* bytes over the interval */
	uint64_t interval_ns;     /* 0: no sample */
	uint64_t prior_delivered; /* delivery.bytes when the newest record delivered was sent */
	uint64_t prior_at;        /* delivery.at then; 0: nothing was delivered */
	uint64_t sent_ns;         /* from the first of its flight to it */
	uint32_t prior_lost;      /* delivery.lost then */
	uint32_t lost;            /* bytes since */
	uint32_t flight;          /* bytes on the way when that record was sent */
	uint32_t end;             /* its end */
	bool app_limited;
};

/*
 * Filled from hand to hand.  Times are those of sending of records that were sent once; 0: none.
 */
struct tcp_ack_info {
	uint64_t now;    /* ns */
	uint64_t rtt_ns; /* of the newest record delivered that was sent once; 0: none */
	uint64_t acked_first, acked_last, sacked_first, sacked_last;
	uint32_t prior_una;    /* SND.UNA before it */
	uint32_t prior_flight; /* bytes out before it */
	uint32_t prior_fack;   /* tcp_fack() before it */
	uint32_t acked;        /* bytes SND.UNA moved by */
	uint32_t sacked;       /* bytes newly SACKed */
	uint32_t delivered;    /* bytes newly delivered: acked or SACKed, each once */
	uint32_t lost;         /* bytes newly held for lost */
	uint32_t reordered; /* the lowest number delivered later than higher ones; see tcp_sack.c */
	uint32_t echo;      /* TSecr; 0: none */
	uint8_t prior_state; /* enum ca_state before it */
	bool pure;           /* no text, no news of the window */
	bool dup;            /* a duplicate (RFC 5681, 2) */
	bool dsack;          /* it tells of something received twice ... */
	bool dsack_tlp;      /* ... which is the loss probe */
	bool odd;            /* not what an ACK is when all goes well */
	bool ece;            /* ECN-Echo: the network marked something */
	bool acked_retrans;  /* it acknowledged what was sent more than once */
	bool orig_delivered; /* and what was sent once, before the loss (RFC 5682) */
	bool lost_retrans;   /* what was sent again is held for lost again */
	bool timer_set;      /* the RTX deadline has been set for what comes next */
	bool cwnd_limited;   /* cwnd was what held the sender back (RFC 7661, 4.1) */
	struct tcp_rate rate;
};

/* --- delivery rate, pacing ---------------------------------------------------------------------
 */

/* What holds the sender back. */
enum tcp_limit {
	TCP_LIMIT_NONE, /* nothing is out or waits */
	TCP_LIMIT_BUSY, /* the network: cwnd, or waiting for ACKs */
	TCP_LIMIT_RWND, /* the peer's window */
	TCP_LIMIT_SNDBUF,
	TCP_LIMITS,
};

/* --- congestion control ------------------------------------------------------------------------
 */

enum tcp_cc_event {
	TCP_CC_RECOVERY, /* loss by RACK or duplicate ACKs: ssthresh() was asked */
	TCP_CC_CWR,      /* ECN-Echo: ssthresh() was asked */
	TCP_CC_TIMEOUT,  /* loss by time-out: ssthresh() was asked */
	TCP_CC_EXIT,     /* recovery is over */
	TCP_CC_UNDO,     /* ... and had not been needed: cwnd is back */
	TCP_CC_IDLE,     /* the sender was idle longer than an RTO: cwnd falls now */
	TCP_CC_START,    /* nothing was out, and data come */
};

/* An algorithm.  All with the sock's lock held. */
struct tcp_cc_ops {
	const char *name;                          /* required: as TCP_CONGESTION names it */
	int (*init)(struct tcp_sock *ts);          /* optional: cc_priv is zero; -ENOMEM */
	void (*release)(struct tcp_sock *ts);      /* optional: its block */
	uint32_t (*ssthresh)(struct tcp_sock *ts); /* required: the new one, after a loss */
	/* Required without control(): n bytes were acknowledged, nothing is being repaired, and
	 * cwnd was the limit. */
	void (*acked)(struct tcp_sock *ts, const struct tcp_ack_info *a, uint32_t n);
	void (*sample)(struct tcp_sock *ts, const struct tcp_ack_info *a); /* optional: every ACK */
	/* Optional, in place of acked() and PRR: sets cwnd and pacing_rate at every ACK. */
	void (*control)(struct tcp_sock *ts, const struct tcp_ack_info *a);
	/* Optional: r is held for lost, and delivery.lost counts it. */
	void (*lost)(struct tcp_sock *ts, const struct tcp_rec *r);
	uint32_t (*undo)(struct tcp_sock *ts); /* optional: cwnd when a loss was none */
	void (*event)(struct tcp_sock *ts, enum tcp_cc_event ev); /* optional */
};

enum ca_state { /* Linux's numbers, for TCP_INFO */
		CA_OPEN,
		CA_DISORDER, /* something came out of order, nothing is held for lost */
		CA_CWR,      /* cwnd falls after ECN-Echo */
		CA_RECOVERY,
		CA_LOSS, /* after a retransmission time-out */
};

/* --- tcp_record.c: the send queue ---------------------------------------------------------------
 */

void tcp_xfer_free(struct tcp_sock *ts);
struct tcp_rec *tcp_rec_add(struct tcp_sock *ts); /* at the end, empty; NULL: no memory */
int tcp_rec_split(struct tcp_sock *ts, struct tcp_rec *r, uint32_t len);
/* Takes the next record into r, where both are SACKed and lie side by side; false: they do not. */
bool tcp_rec_join(struct tcp_sock *ts, struct tcp_rec *r);
int tcp_queue_fin(struct tcp_sock *ts);
/* r goes out now, n bytes behind the beginning of its packet. */
void tcp_rec_sent(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n, uint64_t now);
/* What a cumulative ACK takes off the queue. */
void tcp_rec_acked(struct tcp_sock *ts, uint32_t ack, struct tcp_ack_info *a);
/* The first n numbers of r are delivered, whichever way, for the first time. */
void tcp_rec_delivered(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n, struct tcp_ack_info *a);
void tcp_rec_mark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flag);
void tcp_rec_unmark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flag);
void tcp_rec_lose(struct tcp_sock *ts, struct tcp_rec *r); /* or what was sent again of it */
void tcp_rec_unlose(struct tcp_sock *ts);                  /* all: nothing is held for lost */
static inline uint32_t tcp_rec_len(const struct tcp_rec *r)
{
	return r->end - r->seq - (r->flags & REC_FIN ? 1 : 0);
}

/* --- tcp_rtt.c ---------------------------------------------------------------------------------
 */

void tcp_rtt_init(struct tcp_sock *ts);
/* Of the segment that was out longest, which waited for the ACK, and of the newest, for the least. */
void tcp_rtt_sample(struct tcp_sock *ts, uint64_t now, uint64_t rtt_ns, uint64_t newest_ns);
void tcp_syn_stamp(struct tcp_sock *ts, uint64_t now); /* a SYN goes, or went */
void tcp_syn_rtt(struct tcp_sock *ts, uint64_t now);
/* The RTO now, backed off; ns. */
uint64_t tcp_rto_ns(const struct tcp_sock *ts);
/* How long nobody has answered when the RTX deadline of that RTO passes; ns. */
uint64_t tcp_unanswered_ns(const struct tcp_sock *ts);

/* --- tcp_sack.c ---------------------------------------------------------------------------------
 */

void tcp_sack_in(struct tcp_sock *ts, const struct pkbuf *b, struct tcp_ack_info *a);
void tcp_sack_forget(struct tcp_sock *ts); /* the peer has reneged: no mark holds */
/* Linux's FACK: all below the highest SACKed byte; SND.UNA when nothing is SACKed. */
uint32_t tcp_fack(const struct tcp_sock *ts);
/* `low` came later than what is SACKed above it: how far packets are reordered. */
void tcp_reordering(struct tcp_sock *ts, uint32_t low, bool by_timestamp);

/* --- tcp_rack.c ---------------------------------------------------------------------------------
 */

void tcp_rack_init(struct tcp_sock *ts);
/* Segments: the setting, or the largest reordering there was. */
uint32_t tcp_reordering_is(const struct tcp_sock *ts);
void tcp_reordering_set(struct tcp_sock *ts, uint32_t segs); /* ... and has been seen again */
/* r, up to end, is delivered. */
void tcp_rack_delivered(struct tcp_sock *ts, const struct tcp_rec *r, uint32_t end,
			const struct tcp_ack_info *a);
void tcp_rack_dsack(struct tcp_sock *ts, const struct tcp_ack_info *a); /* the window's steps */
void tcp_rack_calm(struct tcp_sock *ts); /* a recovery ended and had been needed */
void tcp_rack_find(struct tcp_sock *ts, struct tcp_ack_info *a);
void tcp_rack_timeout(struct tcp_sock *ts, uint64_t now);
/* ns until r, if it is not delivered by then, is lost; 0: it is. */
uint64_t tcp_rack_left(const struct tcp_sock *ts, const struct tcp_rec *r, uint64_t now,
		       uint64_t window);

/* --- tcp_plpmtud.c: path MTU without ICMP (RFC 4821) ---------------------------------------------
 */

void tcp_plpmtud_start(struct tcp_sock *ts, uint64_t now);
uint32_t tcp_plpmtud_limit(const struct tcp_sock *ts, uint32_t mtu);
void tcp_plpmtud_blackhole(struct tcp_sock *ts, uint64_t now); /* time-outs in a row */
void tcp_plpmtud_push(struct tcp_sock *ts);                    /* a probe, if one may go */
void tcp_plpmtud_acked(struct tcp_sock *ts);
bool tcp_plpmtud_lost(struct tcp_sock *ts); /* true: what is lost was the probe */

/* --- tcp_recovery.c ----------------------------------------------------------------------------
 */

void tcp_recovery_ack(struct tcp_sock *ts, struct tcp_ack_info *a);
void tcp_recovery_enter(struct tcp_sock *ts, const struct tcp_ack_info *a); /* a NULL: by timer */
/* The same, but a lost probe of the path MTU is only sent again: false. */
bool tcp_recovery_begin(struct tcp_sock *ts, const struct tcp_ack_info *a);
void tcp_recovery_timeout(struct tcp_sock *ts);
void tcp_recovery_mtu(struct tcp_sock *ts); /* all that is out was too large */
/* The next record to send again, NULL: none. */
struct tcp_rec *tcp_recovery_next(struct tcp_sock *ts);
/* OPEN, or DISORDER while something is SACKed, lost or may come twice. */
void tcp_recovery_open(struct tcp_sock *ts);
void tcp_cwr_once(struct tcp_sock *ts); /* cwnd falls at once: what was lost has been repaired */
bool tcp_cwnd_falls(const struct tcp_sock *ts); /* in CWR or RECOVERY */
/* Nothing is out or queued, and no ACK can tell more about what was. */
bool tcp_xfer_done(const struct tcp_sock *ts);

/* --- tcp_reno.c: losses without SACK, or without RACK ------------------------------------------- */

void tcp_reno_dup(struct tcp_sock *ts, struct tcp_ack_info *a);
void tcp_reno_acked(struct tcp_sock *ts, struct tcp_ack_info *a);
void tcp_reno_find(struct tcp_sock *ts, const struct tcp_ack_info *a);
void tcp_dupthresh_find(struct tcp_sock *ts); /* RFC 6675, 4: IsLost() */

/* --- tcp_prr.c ---------------------------------------------------------------------------------
 */

void tcp_prr_start(struct tcp_sock *ts, uint32_t delivered);
void tcp_prr_ack(struct tcp_sock *ts, const struct tcp_ack_info *a); /* sets cwnd */

/* --- tcp_undo.c --------------------------------------------------------------------------------
 */

void tcp_undo_start(struct tcp_sock *ts);                         /* a window is lowered */
void tcp_undo_sent(struct tcp_sock *ts, const struct tcp_rec *r); /* r, lost, is sent again */
void tcp_undo_dsack(struct tcp_sock *ts, uint32_t left, uint32_t right);
/* Each true: it was for nothing, and is undone. */
bool tcp_undo_recovery(struct tcp_sock *ts, const struct tcp_ack_info *a);
bool tcp_undo_partial(struct tcp_sock *ts, const struct tcp_ack_info *a);
bool tcp_undo_by_dsack(struct tcp_sock *ts);
bool tcp_undo_loss(struct tcp_sock *ts, const struct tcp_ack_info *a, bool frto);

/* --- tcp_tlp.c ---------------------------------------------------------------------------------
 */

/* Arms the loss probe in place of the RTO; false: there is to be none.  rearm: the RTO begins anew. */
bool tcp_tlp_arm(struct tcp_sock *ts, uint64_t now, bool rearm);
void tcp_tlp_timeout(struct tcp_sock *ts, uint64_t now);
void tcp_tlp_ack(struct tcp_sock *ts, const struct tcp_ack_info *a);

/* --- tcp_rate.c --------------------------------------------------------------------------------
 */

void tcp_rate_sent(struct tcp_sock *ts, struct tcp_rec *r);
void tcp_rate_delivered(struct tcp_sock *ts, const struct tcp_rec *r, struct tcp_ack_info *a);
void tcp_rate_done(struct tcp_sock *ts, struct tcp_ack_info *a);
void tcp_rate_app_limited(struct tcp_sock *ts);
void tcp_rate_limit(struct tcp_sock *ts, uint32_t ahead);
void tcp_limit_update(struct tcp_sock *ts);
void tcp_limit_end(struct tcp_sock *ts); /* nothing is out or waits any more */
uint32_t tcp_limit_ms(const struct tcp_sock *ts, enum tcp_limit which);

/* --- tcp_pace.c --------------------------------------------------------------------------------
 */

bool tcp_pace_hold(struct tcp_sock *ts);
uint32_t tcp_pace_quantum(const struct tcp_sock *ts); /* most that goes as one burst */
void tcp_pace_sent(struct tcp_sock *ts, uint32_t n, uint64_t now);
/* Bytes of a super-segment's datagram now; and when something was lost or refused: 64 KB from then on. */
uint32_t tcp_gso_max(const struct tcp_sock *ts);
void tcp_gso_doubt(struct tcp_sock *ts);
uint64_t tcp_pace_estimate(const struct tcp_sock *ts);
void tcp_pace_set(struct tcp_sock *ts, uint64_t rate); /* 0: not paced */

/* --- tcp_hystart.c -----------------------------------------------------------------------------
 */

/* A part of the algorithm's own state, zero to begin with. */
struct tcp_hystart {
	uint32_t end; /* of the round: SND.NXT when it began */
	uint32_t least_us,
	    last_us;        /* least RTT of this round and the one before; UINT32_MAX: none */
	uint32_t css_us;    /* conservative slow start: least RTT when it began; 0: no */
	uint8_t css_rounds; /* it has lasted */
	uint8_t samples;    /* of this round */
	bool on;            /* the first round has begun */
};
unsigned tcp_hystart_divisor(const struct tcp_hystart *h); /* for tcp_slow_start() */
void tcp_hystart_ack(struct tcp_sock *ts, struct tcp_hystart *h, const struct tcp_ack_info *a);
void tcp_hystart_delay(struct tcp_sock *ts, struct tcp_hystart *h, const struct tcp_ack_info *a);

/* --- tcp_cc.c, cc_newreno.c --------------------------------------------------------------------
 */

extern const struct tcp_cc_ops cc_newreno, cc_cubic, cc_bbr;
void tcp_cc_start(struct stack *st);
extern const struct tcp_cc_ops *const tcp_cc_table[];
const struct tcp_cc_ops *tcp_cc(const struct tcp_sock *ts);
uint8_t tcp_cc_default(struct stack *st); /* a place in the table */
int tcp_cc_choose(struct stack *st, const char *name);
void tcp_cc_init(struct tcp_sock *ts); /* the connection is there: cwnd, and the algorithm runs */
void tcp_cc_stop(struct tcp_sock *ts); /* gives back what it has; also when it does not run */
int tcp_cc_change(struct tcp_sock *ts, uint8_t cc);
/* The last hand: cwnd, after tcp_recovery.c has seen the ACK and tcp_rate_done() made its sample. */
void tcp_cc_ack(struct tcp_sock *ts, struct tcp_ack_info *a);
/* For algorithms: slow start takes a share of n bytes, returns what is left over when it ends. */
uint32_t tcp_slow_start(struct tcp_sock *ts, uint32_t n, unsigned divisor);
uint32_t tcp_init_cwnd(const struct tcp_sock *ts); /* RFC 6928 */
uint32_t tcp_flight(const struct tcp_sock *ts);    /* FlightSize: bytes sent, not acknowledged */
uint32_t tcp_pipe(const struct tcp_sock *ts);      /* bytes believed to be on the way */
void tcp_cwnd_validate(struct tcp_sock *ts, uint64_t now); /* after sending */
void tcp_cwnd_idle(struct tcp_sock *ts, uint64_t now);     /* RFC 5681, 4.1 */
