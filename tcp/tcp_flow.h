/*
 * tcp/tcp_flow.h - the receive half and the two buffers: how large they grow and by what measure
 * (tcp_autotune.c), what of a segment came twice (tcp_sack_out.c), ECN (tcp_ecn.c).
 *
 * A buffer starts small and follows its connection: the receive buffer what the program reads in a
 * round trip, the send buffer cwnd.  A size the program has set stays.  Private to this room.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pkbuf;
struct tcp_hdr;
struct tcp_seg;
struct tcp_sock;

#define TCP_MID_RCVBUF 131072u  /* from here on what is copied goes into large pieces */
#define TCP_RCVBUF_HALF 2u      /* of the receive buffer a half is the window: see tcp_window.c */
#define TCP_WND_CLAMP_MIN 1152u /* TCP_WINDOW_CLAMP: no less (Linux) */

/*
 * The measure the receive buffer is sized by.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_tune {
	uint32_t since_us; /* l: when the round trip of the reader that runs began */
	uint32_t seq;      /* l: copied_seq then */
	uint32_t space;    /* l: bytes read in the best round trip there was */
	uint32_t rtt_us;   /* l: of a round trip as the receiver sees it; 0: not known */
	uint32_t
	    rtt_since_us; /* l: when the sample of a round trip that runs began; 0: none does */
	union {           /* l: without timestamps; with them */
		uint32_t rtt_seq;   /* l: the sample ends with what lies behind this */
		uint32_t rtt_tsecr; /* l: the echo that the last sample was of */
	};                          /* l */
};

/* What net.ipv4.tcp_ecn says: ask, and answer who asks. */
#define TCP_ECN_ASK 1

/* --- tcp_delack.c ------------------------------------------------------------------------------
 */

/* Text has come in order, its end pushed. */
void tcp_ack_schedule(struct tcp_sock *ts, bool pushed, uint64_t now);
void tcp_ack_read(struct tcp_sock *ts);  /* ... and was read */
void tcp_ack_delay(struct tcp_sock *ts); /* an ACK is owed, and may ride on what is sent */
bool tcp_ack_hold(struct tcp_sock *ts); /* it is due, but the program comes back at once for more */
void tcp_ack_waited(struct tcp_sock *ts); /* ... and its ACK long enough */
void tcp_ack_rides(struct tcp_sock *ts, uint64_t now);

/* --- tcp_recv.c, tcp_window.c ------------------------------------------------------------------
 */

void tcp_urg_pass(struct tcp_sock *ts);          /* before RCV.UP moves on */
bool tcp_wnd_is_shut(const struct tcp_sock *ts); /* no more will come until something is read */

/* --- tcp_ecn.c ---------------------------------------------------------------------------------
 */

bool tcp_ecn_offered(const struct pkbuf *b, const struct tcp_hdr *h); /* does this SYN ask? */
void tcp_ecn_connect(struct tcp_sock *ts);                            /* before our SYN */
void tcp_ecn_synsent(struct tcp_sock *ts, const struct tcp_seg *g);   /* its answer */
/* What is added to a segment's flags; fresh: it carries new text. */
uint8_t tcp_ecn_flags(struct tcp_sock *ts, uint8_t flags, bool fresh);
void tcp_ecn_reduced(struct tcp_sock *ts); /* cwnd has fallen */
void tcp_ecn_in(struct tcp_sock *ts, const struct pkbuf *b, const struct tcp_seg *g);
bool tcp_ecn_echo(const struct tcp_sock *ts, const struct tcp_seg *g);

/* --- tcp_sack_out.c: what came twice (RFC 2883) ---------------------------------------------------
 */

/* A segment that lies before RCV.NXT: an ACK of ours may have been lost. */
void tcp_dsack_old(struct tcp_sock *ts, const struct tcp_seg *g);
/* The next ACK tells the peer that left..right came once more. */
void tcp_dsack_set(struct tcp_sock *ts, uint32_t left, uint32_t right);
void tcp_dsack_forget(struct tcp_sock *ts); /* it is told, or need not be */

/* --- tcp_autotune.c ----------------------------------------------------------------------------
 */

void tcp_tune_start(struct tcp_sock *ts, uint64_t now); /* ESTABLISHED: both buffers */
/* n bytes are about to be taken in order with g: is it a sample of the round trip? */
void tcp_tune_rtt(struct tcp_sock *ts, const struct tcp_seg *g, uint32_t n, uint64_t now);
void tcp_tune_read(struct tcp_sock *ts); /* the program has read up to copied_seq */
void tcp_sndbuf_tune(struct tcp_sock *ts);
