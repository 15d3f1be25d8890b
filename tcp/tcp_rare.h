/*
 * tcp/tcp_rare.h - what few connections need: options that the program set, Fast Open, pacing, the
 * search for a path's MTU, what reordering and duplicates taught, counters of what went wrong.
 *
 * Reading needs no block: until the first word is written ts->rare is tcp_rare_none, all zeros,
 * which everywhere stands for the stack's setting or for nothing.  Who writes asks tcp_rare_get().
 * Private to this room.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tcp_fastopen;
struct tcp_listen;
struct tcp_ofo;
struct tcp_sock;
struct tcp_stamp;

/*
 * Path MTU without ICMP (tcp_plpmtud.c): sizes of datagrams, bytes.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_plpmtud {
	uint16_t low, high;  /* l: works; may work.  low 0: off */
	uint16_t probe;      /* l: of the one that is out; 0: none */
	uint32_t start, end; /* l: its sequence numbers */
	uint32_t since_ms;   /* l: when this search began */
};

/*
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_rare {
	struct tcp_fastopen *fo;   /* l: NULL: Fast Open is not used */
	uint64_t pacing_rate;      /* l: bytes a second; 0: not paced */
	uint64_t max_pacing_rate;  /* l: SO_MAX_PACING_RATE; 0: none */
	uint64_t pace_next;        /* l: ns: the next byte may go */
	struct tcp_ofo *ofo;       /* l: out of order; NULL: nothing */
	struct tcp_listen *listen; /* l: a listener's */
	struct tcp_stamp *stamps;  /* l: bytes whose way is asked for: the root of a tree */
	uint64_t bytes_retrans;    /* l */
	uint32_t total_retrans;    /* l: segments */
	uint32_t rwnd_ms,
	    sndbuf_ms;        /* l: the peer's window, the send buffer held the sender back */
	uint32_t rcv_ooopack; /* l: segments out of order */
	uint32_t segs_ce;     /* l: tcpi_delivered_ce */
	uint32_t oow_ack_ms;  /* l: last ACK to a segment out of the window */
	uint32_t dsack_left, dsack_right; /* l: came twice, is to be told; equal: no */
	uint32_t rcv_up;                  /* l: TCP_F_URG_IN: RCV.UP */
	uint32_t user_timeout;            /* l: ms: TCP_USER_TIMEOUT */
	uint32_t wnd_clamp;               /* l: TCP_WINDOW_CLAMP */
	uint32_t notsent_lowat;           /* l: TCP_NOTSENT_LOWAT */
	int32_t linger2_s;                /* l: TCP_LINGER2; -1: none at all */
	uint16_t keepidle, keepintvl;     /* l: s */
	uint16_t user_mss;                /* l: TCP_MAXSEG */
	uint8_t keep_probes;              /* l: keepalives without an answer */
	uint8_t keepcnt, syncnt;          /* l */
	uint8_t defer_accept;             /* l: TCP_DEFER_ACCEPT, as a number of time-outs */
	bool big_failed; /* l: no more super-segments of more than 64 KB: tcp_gso_doubt() */
	/* l: of RFC 8985, 5, what reordering taught */
	uint8_t reo_more;     /* l: RACK.reo_wnd_mult, less the one it always is */
	uint8_t reo_persist;  /* l: recoveries it still holds for */
	uint16_t reordering;  /* l: segments: the largest seen; 0: the setting */
	uint16_t reord_seen;  /* l: how often */
	uint32_t dsack_round; /* l: SND.NXT when the window was last widened; 0: a round ago */
	uint32_t dsack_dups;  /* l: segments that came twice, for TCP_INFO */
	struct tcp_plpmtud plpmtud; /* l */
};

extern const struct tcp_rare tcp_rare_none;

/* The sock's own; NULL: no memory. */
struct tcp_rare *tcp_rare_get(struct tcp_sock *ts);
/* A child has its listener's options; false: no memory. */
bool tcp_rare_inherit(struct tcp_sock *child, const struct tcp_sock *ls);
void tcp_retrans_count(struct tcp_sock *ts, uint32_t segs, uint32_t bytes);
void tcp_rare_free(struct tcp_sock *ts);
