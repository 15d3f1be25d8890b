/*
 * tcp/tcp_priv.h - what the files of this room share: the three kinds of sock, the parsed segment
 * and each file's doors; tcp/tcp_loss.h has the send queue and what loss and congestion do to it.
 *
 * Whatever takes a struct tcp_sock, or the sock of one, is called with its lock held, inside a
 * batch; what takes a struct tcp_request holds its listener's.  tcp_set_state() asserts it.  The
 * theory of operation is in tcp/README.md.  Nobody above includes this.
 */
#pragma once
#include <assert.h>
#include <stddef.h>

#include "ip/inet_hash.h"
#include "lib/mib.h"
#include "lib/seq.h"
#include "lib/stack.h"
#include "lib/timer.h"
#include "lib/wire/tcp.h"
#include "tcp/tcp.h"
#include "tcp/tcp_est.h"
#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_flow.h"
#include "tcp/tcp_loss.h"
#include "tcp/tcp_rare.h"

#define TCP_RTO_INIT_US 1000000u    /* RFC 6298, 2.1 */
#define TCP_RTO_SYN_US 3000000u     /* RFC 6298, 5.7: after a SYN was lost and without timestamps */
#define TCP_ATO_MIN_NS 40000000ull  /* delayed ACK: at least (Linux) */
#define TCP_ATO_MAX_NS 200000000ull /* and at most; RFC 9293, 3.8.6.3 asks for below 500 ms */
#define TCP_TX_RETRY_NS 500000000ull /* what the device had no room for, again (Linux) */
#define TCP_OVERRIDE_NS 200000000ull /* sender's SWS override, RFC 9293, 3.8.6.2.1: 0.1 to 1 s */
#define TCP_QUICKACKS 16u   /* ACKs without delay at the start: the peer is in slow start */
#define TCP_MSS_MIN 48u     /* least segment a peer or an ICMP error can bring us to */
#define TCP_GSO_MAX 65535u  /* bytes of a super-segment's datagram ... */
#define TCP_GSO_BIG 196608u /* ... where the path takes big ones */
#define TCP_PAWS_IDLE_MS (24u * 86400 * 1000) /* RFC 7323, 5.5: TS.Recent is void after this */
#define TCP_FAIR_SHARE 65536u /* bytes of one queue that may stand when memory is short */
#define TCP_SACK_SEND_MAX 4u  /* RFC 2018, 3: as many as fit; 3 beside timestamps */

/* --- the parsed segment -----------------------------------------------------------------------
 */

#define SEG_OPT_MSS 1u
#define SEG_OPT_WSCALE 2u
#define SEG_OPT_SACK_OK 4u
#define SEG_OPT_TS 8u
#define SEG_OPT_FO 32u     /* Fast Open (RFC 7413, 4.1.1): a cookie or a request */
#define SEG_OPT_FOEXP 64u  /* with it: in the experimental option */
#define SEG_PREDICTED 128u /* not an option: header prediction took it */
#define SEG_OPT_ECN 16u    /* not an option: the SYN asks for ECN, and we answer that we can */

/* A segment in host order, in the cb of its pkbuf from tcp_in() until the reader has it. */
struct tcp_seg {
	uint32_t seq, end; /* SEG.SEQ and the number after its last: SYN and FIN count */
	uint32_t ack;      /* SEG.ACK */
	uint32_t wnd;      /* SEG.WND as it stands in the header, not scaled */
	uint32_t tsval, tsecr;
	uint32_t iss;     /* a SYN that takes a TIME-WAIT sock over: least ISS; 0: free to choose */
	uint16_t up;      /* SEG.UP */
	uint16_t mss;     /* of the MSS option */
	uint8_t flags;    /* TCP_FIN, ... */
	uint8_t opts;     /* SEG_OPT_ */
	uint8_t wscale;   /* at most TCP_WSCALE_MAX */
	uint8_t nsack;    /* blocks received */
	uint8_t sack_off; /* of the first, from the TCP header at l4 */
	uint8_t fo_off, fo_len; /* likewise the cookie; length 0: a request */
	struct later again;     /* tcp_in.c: seg_again() */
};
_Static_assert(sizeof(struct tcp_seg) <= sizeof(((struct pkbuf *)0)->cb), "fits the pkbuf's notes");

static inline struct tcp_seg *tcp_seg(struct pkbuf *b)
{
	return (struct tcp_seg *)(void *)b->cb;
}

/* --- the connection ------------------------------------------------------------------------- */

/* What TCP_DUE_RTX stands for while it is set. */
enum tcp_rtx {
	RTX_RTO,     /* SYN, retransmission time-out */
	RTX_REORDER, /* RACK: what may have been reordered is lost then */
	RTX_PROBE,   /* loss probe */
	RTX_PERSIST, /* probe of a closed window; or our own hold-back is overridden */
};

enum tcp_deadline {
	TCP_DUE_RTX,  /* one of enum tcp_rtx at a time */
	TCP_DUE_ACK,  /* delayed ACK */
	TCP_DUE_KEEP, /* keepalive; an orphan in FIN-WAIT-2: its end; a listener: requests */
	TCP_DUE_PACE, /* more may go at the rate there is */
	TCP_DUE_MAX,
};

#define TCP_F_ACK_NOW 0x1u         /* the next push sends an ACK */
#define TCP_F_ACK_DELAY 0x2u       /* an ACK is owed, at the latest at TCP_DUE_ACK */
#define TCP_F_NODELAY 0x4u         /* TCP_NODELAY */
#define TCP_F_CORK 0x8u            /* TCP_CORK */
#define TCP_F_TS 0x10u             /* timestamps on every segment (RFC 7323) */
#define TCP_F_SACK 0x20u           /* SACK permitted, both ways */
#define TCP_F_WSCALE 0x40u         /* window scaling, both ways */
#define TCP_F_FIN_QUEUED 0x80u     /* our FIN is on the send queue */
#define TCP_F_FIN_SEEN 0x100u      /* rcv_fin is the peer's FIN */
#define TCP_F_NOSPACE 0x200u       /* a sender was refused, or poll found no room: tell once */
#define TCP_F_CWND_LIMITED 0x400u  /* cwnd held something back in this window of data */
#define TCP_F_URG_OUT 0x800u       /* snd_up is ahead of snd_una */
#define TCP_F_URG_IN 0x1000u       /* rcv_up is ahead of what was read */
#define TCP_F_URG_READ 0x2000u     /* ... and its byte was read by MSG_OOB */
#define TCP_F_PASSIVE 0x4000u      /* came from a listener */
#define TCP_F_ORPHAN 0x8000u       /* counted in GAUGE_tcp_orphans */
#define TCP_F_WND_CLOSED 0x10000u  /* a window of zero was advertised */
#define TCP_F_SYN_RTX 0x20000u     /* the SYN was sent more than once */
#define TCP_F_PUSH 0x40000u        /* cork or Nagle is overridden once */
#define TCP_F_TX_FULL 0x80000u     /* the device had no room for the last segment of the queue */
#define TCP_F_PINGPONG 0x100000u   /* data went out after data came in: ACKs may ride on answers */
#define TCP_F_MORE 0x200000u       /* MSG_MORE: as TCP_F_CORK for this send */
#define TCP_F_NOMEM 0x400000u      /* send() was refused for want of memory: tell when it may */
#define TCP_F_SYN_DATA 0x4000000u  /* data beside the SYN were taken (RFC 7413) */
#define TCP_F_FASTOPEN 0x8000000u  /* a child whose SYN is not acknowledged; snd_una is behind it */
#define TCP_F_CC_CHOSEN 0x800000u  /* TCP_CONGESTION: a listener's children have it too */
#define TCP_F_CC_RUNS 0x1000000u   /* the algorithm has been started: cc_priv is its own */
#define TCP_F_SHRUNK 0x2000000u    /* the send queue has, and tcp_snd_wake() has somebody to tell */
#define TCP_F_ECN 0x10000000u      /* ECN, both ways; before the answer: our SYN asked */
#define TCP_F_ECE 0x20000000u      /* a segment came marked: ECE on all until CWR comes */
#define TCP_F_CWR 0x40000000u      /* cwnd has fallen: CWR on the next new segment */
#define TCP_F_ECN_SEEN 0x80000000u /* the peer marks its segments as capable */

struct tcp_ofo;
struct tcp_listen;

/*
 * A full sock: a connection, a listener, or neither yet.
 *
 * cwnd, ssthresh and all windows count bytes.  The right edge we have advertised is rcv_adv, so
 * RCV.WND is rcv_adv - rcv_nxt; SND.WND is scaled already.
 *
 * In the order of use: what each segment touches, in 88 bytes; deadlines; what opening needs; the
 * timer, which a segment as a rule leaves alone.
 *
 * LOCKING
 *	l	own lock	c	constant after creation
 *	p	lock of the listener that holds this child for accept()
 */
struct tcp_sock {
	struct sock sk; /* see ip/inet_sock.h */

	union {                                   /* l: what its traffic taught; see tcp_est.h */
		struct tcp_est *est;              /* l: never NULL */
		const struct tcp_est *est_shared; /* l: the same, where it may be tcp_est_none */
	};                                        /* l */
	union {                                   /* l: what few need; see tcp_rare.h */
		const struct tcp_rare *rare;      /* l: never NULL */
		struct tcp_rare *rare_own;        /* l: the same, where it is not tcp_rare_none */
	};                                        /* l */
	uint32_t flags;                           /* l: TCP_F_ */
	/* l: sequence space, RFC 9293, 3.3.1 */
	uint32_t rcv_nxt;                   /* l */
	uint32_t rcv_adv;                   /* l: the right edge of the window advertised */
	uint32_t ack_sent;                  /* l: RFC 7323's Last.ACK.sent */
	uint32_t copied_seq;                /* l: the reader has all before it */
	uint32_t snd_una, snd_nxt, snd_wnd; /* l */
	uint32_t snd_wl1, snd_wl2;          /* l */
	uint32_t write_seq;                 /* l: the end of the send queue */
	uint32_t iss;                       /* l */
	uint32_t ts_recent, ts_recent_ms, ts_offset; /* l: RFC 7323 */
	uint16_t mss;              /* l: payload of a segment beside its constant options */
	uint16_t advmss, peer_mss; /* l: MSS options sent, received */
	uint8_t snd_wscale : 4, rcv_wscale : 4; /* l: TCP_WSCALE_MAX is 14 */
	uint8_t cc : 3;                         /* l: tcp_cc() */
	uint8_t quickacks : 5;                  /* l: ACKs still to be sent without delay */
	uint8_t ca_state : 3;                   /* l: enum ca_state */
	uint8_t rtx : 2;                        /* l: enum tcp_rtx */
	bool probe_blind : 1;      /* l: no RTT sample since the last loss probe (RFC 8985, 7.3) */
	bool rate_app_limited : 1; /* l: of the sample in est->delivery.rate */
	bool ack_pushed : 1;       /* l: TCP_F_ACK_DELAY, and the sender may stop there */
	uint8_t backoff, retransmits; /* l: of the RTX deadline; times it went by in a row */
	uint8_t dupacks_owed;         /* l: ACKs that the next push sends for data out of order */
	uint32_t syn_rtt_us;          /* l: without est: the SYN's round trip; 0: not known */
	uint32_t timer_at;            /* l: ms: when it was armed for; 0: not, or it has fired */
	uint32_t due[TCP_DUE_MAX];    /* l: ms, as the wheel ticks, rounded up; 0: off */

	struct tcp_sock *accept_next; /* p: behind it on the accept queue */

	struct timer timer; /* see lib/timer.h: armed for the earliest deadline or before */
};
_Static_assert(sizeof(struct tcp_sock) == 320, "never used: what docs/performance.md says of it");
_Static_assert(sizeof(struct tcp_sock) + sizeof(struct tcp_est) == 512, "idle after use: the same");

static inline struct tcp_sock *tcp_sk(struct sock *sk)
{
	return (struct tcp_sock *)sk;
}

static inline bool tcp_est_is_own(const struct tcp_sock *ts)
{
	return ts->est_shared != &tcp_est_none;
}

static inline bool tcp_est_get(struct tcp_sock *ts)
{
	return tcp_est_is_own(ts) || tcp_est_make(ts);
}

static inline unsigned tcp_state_of(const struct tcp_sock *ts)
{
	return atomic_load_explicit(&ts->sk.c.state, memory_order_relaxed);
}

/* SND.UNA is our SYN.  After 4 GB its number comes again, and is a byte's. */
static inline bool tcp_syn_is_out(const struct tcp_sock *ts)
{
	return ts->snd_una == ts->iss && ts->est->bytes_acked == 0;
}

/* Sets of states, for tests of membership. */
#define TCP_IN(state) (1u << (state))
#define TCP_SYNCHRONIZED                                                                           \
	(TCP_IN(TCP_SYN_RECV) | TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_FIN_WAIT1) |                  \
	 TCP_IN(TCP_FIN_WAIT2) | TCP_IN(TCP_CLOSE_WAIT) | TCP_IN(TCP_CLOSING) |                    \
	 TCP_IN(TCP_LAST_ACK))
#define TCP_CAN_SEND (TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_CLOSE_WAIT))
#define TCP_CAN_RECV (TCP_IN(TCP_ESTABLISHED) | TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_FIN_WAIT2))

static inline bool tcp_state_in(const struct tcp_sock *ts, unsigned set)
{
	return (TCP_IN(tcp_state_of(ts)) & set) != 0;
}

/* --- a request: SYN-RECEIVED, of a listener -----------------------------------------------------
 */

/*
 * In the connection table from the SYN to the third ACK (RFC 4987, 3.5).
 *
 * LOCKING
 *	c	constant after creation		p	lock of its listener
 */
struct tcp_request {
	struct sock_common c; /* see ip/inet_sock.h */
	struct tcp_request *next,
	    **prev;            /* p: on the listener's list of its retry; prev NULL: off */
	struct sock *listener; /* c: reference */
	struct path *path;     /* p: reference, to the peer; NULL: none, or the child's now */
	uint64_t due;          /* p: ns: the next SYN-ACK */
	uint64_t sent;         /* p: ns: the last SYN-ACK */
	uint32_t irs, iss;     /* c */
	uint32_t snd_wnd;      /* c: of the SYN, never scaled */
	uint32_t rcv_wnd;      /* c: as advertised */
	uint32_t ts_recent, ts_offset;  /* p, c */
	uint32_t cookie_ts;             /* c: not 0: the clock its SYN-ACK shows (tcp_cookie.c) */
	uint32_t oow_ack_ms;            /* p: last ACK to a segment out of the window */
	uint16_t peer_mss, advmss;      /* c */
	uint8_t opts;                   /* c: SEG_OPT_ both ends agreed on */
	uint8_t snd_wscale, rcv_wscale; /* c */
	uint8_t retries;                /* p: times its timer ran out */
	uint8_t resent;                 /* p: SYN-ACKs sent again for that */
	bool answered;                  /* p: ... or because the SYN came again */
	bool acked;                     /* p: the third ACK was here, without data */
};

/* SYN-ACKs by how often they were sent again: each list has one time-out, so it is in order. */
#define TCP_REQUEST_LISTS 8

/*
 * LOCKING
 *	l	lock of the listener
 */
struct tcp_listen {
	struct tcp_sock *accept_head, **accept_tail; /* l: complete, for accept() */
	uint32_t accept_count, backlog;              /* l */
	uint32_t nrequests, nyoung;                  /* l: young: their timer never ran out */
	uint64_t cookie_sent;                        /* l: ns: the last SYN cookie; 0: none yet */
	struct {
		struct tcp_request *head, **tail; /* l */
	} requests[TCP_REQUEST_LISTS];            /* l: by retries */
};

/* --- TIME-WAIT ---------------------------------------------------------------------------------
 */

/*
 * What is left of a connection for 2 MSL: enough to acknowledge again, to refuse old duplicates
 * and to let a new connection follow (RFC 6191).  It needs no lock: what changes stands alone.
 *
 * LOCKING
 *	c	constant after creation		a	atomic
 */
struct tcp_timewait {
	struct sock_common c;                     /* see ip/inet_sock.h */
	struct stack *stack;                      /* c */
	struct port_share *port;                  /* c: given back with its memory */
	struct timer timer;                       /* see lib/timer.h */
	_Atomic uint64_t due;                     /* a: ns: the end of 2 MSL */
	_Atomic uint32_t ts_recent, ts_recent_ms; /* a */
	_Atomic uint32_t oow_ack_ms;              /* a: last ACK to a segment out of the window */
	uint32_t snd_nxt, rcv_nxt, rcv_wnd;       /* c */
	uint32_t ts_offset, mark;                 /* c */
	uint8_t rcv_wscale, tos;                  /* c */
	bool ts_ok;                               /* c */
	_Atomic bool over;                        /* a: it leaves the table, or has left it */
};

/* --- the stack's TCP ---------------------------------------------------------------------------
 */

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 */
struct tcp_state {
	struct stack *stack;                  /* c */
	struct inet_table *table;             /* c */
	uint8_t isn_key[16];                  /* c: RFC 6528's secret */
	uint8_t ts_key[16];                   /* c: of timestamp offsets */
	uint8_t cookie_key[16];               /* c: of SYN cookies */
	uint8_t fo_row_key[16];               /* c: of the rows of fo */
	struct tcp_fo_cache *fo;              /* c: see tcp_fastopen.h */
	_Atomic uint32_t orphans;             /* a */
	_Atomic uint32_t timewaits;           /* a */
	_Atomic uint32_t ofos;                /* a: socks that hold data out of order */
	_Atomic uint64_t challenge;           /* a: second << 32 | challenge ACKs left in it */
	const char *cc_names[TCP_CC_MAX + 1]; /* c: NULL at the end */
};

static inline uint64_t tcp_now(const struct tcp_sock *ts)
{
	return batch_now(ts->sk.stack);
}

static inline uint32_t tcp_ms(uint64_t ns)
{
	return (uint32_t)(ns / NSEC_PER_MSEC);
}

/* --- tcp_in.c: the way in ----------------------------------------------------------------------
 */

void tcp_in(struct pkbuf *b);
void tcp_backlog_in(struct sock *sk, struct pkbuf *b);

/* --- tcp_state.c: states and the list of steps -------------------------------------------------
 */

void tcp_set_state(struct tcp_sock *ts, unsigned to);
void tcp_process(struct tcp_sock *ts, struct pkbuf *b);

/*
 * A step of RFC 9293, 3.10.7.4.  DROP_NONE: go on with the next; else the segment ends here for
 * that reason.
 */
typedef enum drop_reason tcp_step_fn(struct tcp_sock *ts, struct pkbuf *b);

/* ops->push runs once when the batch ends. */
void tcp_push_later(struct tcp_sock *ts);
/* tcp_check.c */
tcp_step_fn tcp_check_paws, tcp_check_seq, tcp_check_rst, tcp_check_syn;
void tcp_ts_recent_update(struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now);
/* May an ACK to a segment out of the window be sent now, after one at `last` (ms)? */
bool tcp_oow_allowed(struct stack *st, uint32_t last, enum mib skipped);
void tcp_challenge_ack(struct tcp_sock *ts);
void tcp_challenge_owe(struct tcp_sock *ts); /* the same, as a delayed ACK */
/* RFC 9293, 3.10.7.4, first: is any of seq..end in the window rcv_nxt..rcv_nxt + wnd? */
bool tcp_seq_acceptable(const struct tcp_seg *g, uint32_t rcv_nxt, uint32_t wnd);
/* tcp_ack.c */
tcp_step_fn tcp_ack;
/* One not older than SND.UNA. */
void tcp_ack_take(struct tcp_sock *ts, struct pkbuf *b, uint64_t now);
/* tcp_text.c */
tcp_step_fn tcp_urg;
void tcp_text(struct tcp_sock *ts, struct pkbuf *b); /* seventh; consumes b */
void tcp_fin(struct tcp_sock *ts);                   /* eighth: when all before it has come */
/* Puts b, charged already, which begins at rcv_nxt, on the receive queue; copied behind the last
 * one where that pins less.  Consumes b. */
void tcp_rcvq_take(struct tcp_sock *ts, struct pkbuf *b);
/* Copies what it can of b behind `tail`, when b pins more than twice what it holds, or is short and
 * fits there; how much. */
uint32_t tcp_rcvq_merge(struct sock *sk, struct pkbuf *tail, struct pkbuf *b);
/* Where b pins far more than it holds, a packet, charged, with what it can of b; else NULL. */
struct pkbuf *tcp_rcvq_pack(struct sock *sk, struct pkbuf *b);
/* tcp_reass.c: out-of-order data */
void tcp_ofo_add(struct tcp_sock *ts, struct pkbuf *b); /* consumes b */
/* g is older than TS.Recent, but only because it was overtaken: sequence numbers have not wrapped since. */
bool tcp_ofo_overtaken(const struct tcp_sock *ts, const struct tcp_seg *g);
uint32_t tcp_ofo_bytes(const struct tcp_sock *ts);
void tcp_ofo_drain(struct tcp_sock *ts);                /* what is in order now */
bool tcp_ofo_prune(struct tcp_sock *ts, uint32_t need); /* true: rcv_bytes + need fit rcvbuf */
void tcp_ofo_free(struct tcp_sock *ts);
uint32_t tcp_ofo_end(const struct tcp_sock *ts); /* the number after the highest byte held */
void tcp_reclaim(struct sock *sk);
void tcp_reclaim_stack(struct stack *st);
/* tcp_sack_out.c: what the peer is told of them */
void tcp_ofo_ack_first(struct tcp_sock *ts);   /* before the ACKs of what came out of order */
bool tcp_sack_owed(const struct tcp_sock *ts); /* blocks have grown that no ACK has told of */
/* Up to max SACK blocks: what came twice, then the most recent, then the others (RFC 2018, 4; RFC
 * 2883, 4).  They are told by that. */
unsigned tcp_sack_out(struct tcp_sock *ts, uint32_t (*block)[2], unsigned max);

/* --- opening: tcp_listen.c, tcp_syn.c, tcp_request.c, tcp_child.c, tcp_cookie.c, tcp_connect.c --
 */

int tcp_listen(struct sock *sk, int backlog);
struct sock *tcp_accept(struct sock *sk, int *err);
void tcp_listen_in(struct tcp_sock *ls, struct pkbuf *b); /* RFC 9293, 3.10.7.2; consumes b */
void tcp_listen_close(struct tcp_sock *ls);
bool tcp_accept_full(const struct tcp_listen *l);
void tcp_accept_add(struct tcp_sock *ls, struct tcp_sock *child);
void tcp_syn_in(struct tcp_sock *ls, struct pkbuf *b); /* consumes b */
void tcp_request_in(struct tcp_sock *ls, struct tcp_request *rq, struct pkbuf *b);
void tcp_request_drop(struct tcp_sock *ls, struct tcp_request *rq);
void tcp_request_timer(struct tcp_sock *ls);
void tcp_request_free(struct tcp_request *rq);
void tcp_request_empty(
    struct tcp_request *rq); /* of what fill gave it and no child has: its path */
/* All but the ISS, by the addresses of b and the SYN; no reference of the listener is taken. */
void tcp_request_fill(struct tcp_request *rq, struct tcp_sock *ls, const struct pkbuf *b,
		      const struct tcp_seg *syn);
void tcp_request_link(struct tcp_sock *ls, struct tcp_request *rq); /* onto the SYN queue */
uint32_t tcp_request_bound(const struct tcp_sock *ls);
uint32_t tcp_request_iss(const struct tcp_request *rq, const struct tcp_seg *syn);
void tcp_request_synack(const struct tcp_request *rq, const struct tcp_fo_cookie *cookie);
/* The full sock of a request that is in the table (hashed), or was never: locked, in SYN-RECEIVED. */
enum drop_reason tcp_child_make(struct tcp_sock *ls, struct tcp_request *rq, bool hashed,
				struct tcp_sock **child);
/* Its first segment, the accept queue, and its lock let go.  Consumes b. */
void tcp_child_open(struct tcp_sock *ls, struct tcp_sock *child, struct pkbuf *b);
#define TCP_COOKIES_ALWAYS 2 /* net.ipv4.tcp_syncookies: not only when the SYN queue is full */
void tcp_cookie_synack(struct tcp_sock *ls, const struct pkbuf *b);
bool tcp_cookie_ack(struct tcp_sock *ls, struct pkbuf *b); /* true: it was one; consumes b */
int tcp_connect(struct sock *sk, const struct ip_addr *a, uint16_t port);
int tcp_disconnect(struct sock *sk);
void tcp_connect_syn(struct tcp_sock *ts);              /* the first SYN goes */
void tcp_synsent(struct tcp_sock *ts, struct pkbuf *b); /* RFC 9293, 3.10.7.3; consumes b */
/* What both ways in share, once the options are known; the second calls the first, unless a child
 * of Fast Open has sent already. */
void tcp_transfer_init(struct tcp_sock *ts, uint64_t now);
void tcp_established(struct tcp_sock *ts, uint64_t now);
/* The MSS option to send by `path` (NULL: none known), and the window to open with. */
uint16_t tcp_advmss(const struct sock *sk, const struct ip_addr *dst, const struct path *path);
uint32_t tcp_rcv_wnd_init(const struct sock *sk);
uint8_t tcp_rcv_wscale_init(const struct sock *sk);
/* SND.MSS from peer_mss and the path (RFC 9293, 3.7.1); returns whether it fell. */
bool tcp_mss_sync(struct tcp_sock *ts, uint32_t mtu);

/* --- the way out -------------------------------------------------------------------------------
 */

/* tcp_send.c */
ssize_t tcp_send(struct sock *sk, struct sock_msg *m);
uint32_t tcp_send_take(struct tcp_sock *ts, const struct sock_msg *m, uint32_t most);
bool tcp_snd_space(const struct sock *sk); /* room worth telling of */
uint32_t tcp_send_burst(struct tcp_sock *ts);
void tcp_snd_grow(struct tcp_sock *ts);  /* makes more of it, before what may go has gone */
void tcp_snd_wake(struct tcp_sock *ts);  /* tells it to whom there was none */
void tcp_snd_retry(struct tcp_sock *ts); /* memory may be there again: tells the program */
/* tcp_out.c */
void tcp_push(struct sock *sk);
/* tcp_xmit.c: one super-segment each; what goes out with an ACK settles what is owed. */
int tcp_xmit_whole(struct tcp_sock *ts, uint32_t len); /* ... not to be cut, however long */
/* The next len bytes; -ENOMEM, or -ENOBUFS: the device had no room, they are not sent. */
int tcp_xmit(struct tcp_sock *ts, uint32_t len, bool fin);
/* what went with r, but for a single segment at most `most` bytes, a multiple of SND.MSS */
int tcp_retransmit(struct tcp_sock *ts, struct tcp_rec *r, uint32_t most);
bool tcp_push_one(struct tcp_sock *ts); /* a new segment whatever cwnd is; false: none may go */
/* Of n bytes those behind the last whole segment: mostly there is one, whole or not, and no division. */
static inline uint32_t tcp_seg_rest(const struct tcp_sock *ts, uint32_t n)
{
	if (n <= ts->mss)
		return n < ts->mss ? n : 0;
	return n % ts->mss;
}
uint32_t tcp_xmit_max(struct tcp_sock *ts); /* bytes one tcp_xmit() may take */
void tcp_send_ack(struct tcp_sock *ts);
void tcp_send_probe(struct tcp_sock *ts);   /* below the window, so that it is answered */
void tcp_send_syn(struct tcp_sock *ts);     /* or SYN-ACK, in SYN-RECEIVED */
int tcp_send_syn_data(struct tcp_sock *ts); /* the SYN with what is queued; -ENOMEM */
void tcp_send_rst(struct tcp_sock *ts);
/* Checksum left to the device: b's front and l4 are at the header h, len bytes with payload. */
void tcp_csum_partial(struct pkbuf *b, const struct ip_addr *src, const struct ip_addr *dst);
/* tcp_window.c: the receive window */
uint16_t tcp_wnd_advertise(struct tcp_sock *ts); /* moves rcv_adv; as it goes into the header */
bool tcp_wnd_update_due(const struct tcp_sock *ts);
uint32_t tcp_wnd_limit(const struct tcp_sock *ts); /* the largest window as things are */

/* What a segment without a full sock says (tcp_reply.c). */
struct tcp_reply {
	struct stack *stack;
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint32_t ifindex, mark;
	uint32_t seq, ack, wnd; /* wnd as it goes into the header */
	uint32_t tsval, tsecr;
	uint16_t mss;
	uint8_t flags, opts;                /* opts: SEG_OPT_ */
	uint8_t wscale, tos, ttl;           /* ttl 0: the default */
	const struct tcp_fo_cookie *cookie; /* or NULL */
	struct path *path;                  /* NULL: to be looked up */
};
int tcp_reply_send(const struct tcp_reply *r);
/* The RST of RFC 9293, 3.10.7.1 to a segment that belongs to nobody.  Does not consume b. */
void tcp_reply_rst(struct pkbuf *b);

/* tcp_debug.c: l4 is at the header, addresses and TOS are noted; b begins with the data (in), with the header (out). */
void tcp_debug_in(const struct pkbuf *b);
void tcp_debug_out(const struct pkbuf *b);

/* --- tcp_recv.c, tcp_close.c -------------------------------------------------------------------
 */

ssize_t tcp_recv(struct sock *sk, struct sock_msg *m);
/* tcp_land.c: nothing is there and the caller will wait: m's buffer is lent, if that pays; and taken back. */
void tcp_land_lend(struct tcp_sock *ts, struct sock_msg *m);
void tcp_recv_end(struct sock *sk, struct sock_msg *m);
int tcp_ioctl(struct sock *sk, unsigned long req, int *value);
uint32_t tcp_poll(struct sock *sk);
void tcp_await(struct sock *sk);
int tcp_shutdown(struct sock *sk, int how);
void tcp_close(struct sock *sk);
void tcp_rcvq_free(struct tcp_sock *ts);
/* The end of a connection: CLOSED, out of tables, queues and wheel; err (or 0) for the program. */
void tcp_done(struct tcp_sock *ts, int err);
void tcp_abort(struct tcp_sock *ts, int err); /* with a RST where the peer knows us */
/* TIME-WAIT begins: a small sock takes the place of ts. */
void tcp_time_wait(struct tcp_sock *ts);
void tcp_fin_wait2_orphan(struct tcp_sock *ts);

/* --- tcp_timewait.c ----------------------------------------------------------------------------
 */

/* Consumes b, but for a SYN that may open a new connection: true, and tw is gone. */
bool tcp_timewait_in(struct tcp_timewait *tw, struct pkbuf *b);
bool tcp_timewait_take(struct sock_common *c, struct sock *taker);
void tcp_timewait_kill(struct tcp_timewait *tw);
void tcp_timewait_free(struct tcp_timewait *tw);

/* --- tcp_timer.c -------------------------------------------------------------------------------
 */

void tcp_timer_fire(struct timer *t);
void tcp_timer(struct sock *sk);
void tcp_timer_set(struct tcp_sock *ts, enum tcp_deadline d, uint64_t when);
void tcp_timer_clear(struct tcp_sock *ts, enum tcp_deadline d);
void tcp_timer_stop(struct tcp_sock *ts); /* all, and off the wheel */
void tcp_rtx_arm(struct tcp_sock *ts, enum tcp_rtx what, uint64_t when);
void tcp_syn_again(struct tcp_sock *ts, uint64_t now);
void tcp_rto_arm(struct tcp_sock *ts, uint64_t now);
/* The RTO in place of a timer that was nearer, from when the first record went; or none. */
void tcp_rto_rearm(struct tcp_sock *ts, uint64_t now);
void tcp_rtx_sent(struct tcp_sock *ts, uint64_t now); /* new data went out */
uint64_t tcp_rto_due(const struct tcp_sock *ts, uint64_t now);
/* TCP_F_TX_FULL: until the next try, an RTO at first. */
uint64_t tcp_tx_wait(const struct tcp_sock *ts);
/* When, in ns; 0: off. */
uint64_t tcp_due_at(const struct tcp_sock *ts, enum tcp_deadline d);
static inline bool tcp_persists(const struct tcp_sock *ts)
{
	return ts->due[TCP_DUE_RTX] && ts->rtx == RTX_PERSIST;
}
void tcp_keepalive_arm(struct tcp_sock *ts);
void tcp_keepalive_answered(struct tcp_sock *ts);

/* --- tcp_opt.c, tcp_isn.c ----------------------------------------------------------------------
 */

/* Parses the header and options at the front of b into its tcp_seg.  0: malformed. */
unsigned tcp_seg_parse(struct pkbuf *b);
/* The SACK block i of a segment. */
void tcp_seg_sack(const struct pkbuf *b, unsigned i, uint32_t *left, uint32_t *right);

struct tcp_opts {
	uint8_t opts; /* SEG_OPT_ */
	uint8_t wscale, nsack;
	uint16_t mss;
	uint32_t tsval, tsecr;
	uint32_t sack[TCP_SACK_SEND_MAX][2];
	const struct tcp_fo_cookie *cookie; /* of SEG_OPT_FO */
};
unsigned tcp_opt_len(const struct tcp_opts *o);
unsigned tcp_opt_write(const struct tcp_opts *o, uint8_t *to); /* bytes written, in words */

uint32_t tcp_isn(struct stack *st, const struct inet_tuple *tu);
uint32_t tcp_ts_offset(struct stack *st, const struct ip_addr *a, const struct ip_addr *b);

/* --- tcp_stamp.c: SO_TIMESTAMPING ---------------------------------------------------------------
 */

int tcp_stamp_count(struct tcp_sock *ts, const void *v);           /* v: the flags; 0 or -errno */
void tcp_stamp_ask(struct tcp_sock *ts, const struct sock_msg *m); /* of the last byte queued */
/* b is going to be sent, with these numbers. */
void tcp_stamp_packet(struct tcp_sock *ts, struct pkbuf *b, uint32_t from, uint32_t to);
void tcp_stamp_acked(struct tcp_sock *ts, uint32_t ack);
void tcp_stamp_forget(struct tcp_sock *ts);
void tcp_stamp_in(struct tcp_sock *ts, struct pkbuf *b); /* a message from the backlog */

/* --- tcp_err.c, tcp_info.c, tcp_sockopt.c ------------------------------------------------------
 */

void tcp_err(const struct ip_err *e);
void tcp_err_in(struct tcp_sock *ts, const struct sock_err *e);
int tcp_info_get(struct tcp_sock *ts, void *v, socklen_t *n);
int tcp_setopt(struct sock *sk, int level, int name, const void *v, socklen_t n);
int tcp_getopt(struct sock *sk, int level, int name, void *v, socklen_t *n);
