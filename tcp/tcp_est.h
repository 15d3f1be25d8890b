/*
 * tcp/tcp_est.h - what a connection learns from its traffic: estimates, the window, counters, and the
 * heads of its queues.
 *
 * A socket has the block from the beginning; one that is disconnected gives it back until it connects
 * again, and so does an open connection that has carried no data, at the end of tcp_push(), until the
 * first segment or call to come (tcp_est.c).  In between ts->est is tcp_est_none, which is there to be read: whoever writes has asked
 * tcp_est_get().  Private to this room.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/pkbuf.h"
#include "tcp/tcp_flow.h"

struct tcp_sock;
struct tcp_xfer;

/*
 * How fast the network delivers (draft-ietf-ccwg-bbr, 4.1); see struct tcp_xfer for the flight's.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_delivery {
	uint64_t bytes; /* l: delivered in the connection's life */
	uint64_t rate;  /* l: bytes a second, the last good sample, for TCP_INFO */
	uint32_t
	    app_limited; /* l: samples up to this of bytes are limited by the program; 0: none */
	uint32_t lost;   /* l: bytes ever held for lost, modulo 2^32 */
};

/*
 * How much of cwnd is used (RFC 7661, 4.1): growth waits until it is, and what long was not falls.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_usage {
	uint32_t used;     /* l: most out since stamp_ms */
	uint32_t stamp_ms; /* l: cwnd was used last, or was lowered */
};

/*
 * In the order of use: what an ACK and a send touch, then what text does, then what only some do.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_est {
	struct tcp_xfer *xfer;               /* l: NULL: nothing is queued or out */
	uint32_t cwnd, ssthresh;             /* l */
	uint32_t srtt_us, rttvar_us, rto_us; /* l: srtt 0: no sample yet */
	uint32_t min_rtt_us;                 /* l: of the window net.ipv4.tcp_min_rtt_wlen */
	uint32_t min_rtt_next_us;            /* l: of the half of it that runs ... */
	uint32_t min_rtt_ms;                 /* l: ... since then */
	struct tcp_delivery delivery;        /* l */
	uint32_t delivered_segs;             /* l: tcpi_delivered */
	struct tcp_usage usage;              /* l */
	uint32_t busy_ms;           /* l: something was out or waited, and cwnd was the limit */
	uint64_t cc_priv;           /* l: the algorithm's own: a word, or its block */
	uint64_t bytes_acked;       /* l */
	uint32_t max_window;        /* l: the largest SND.WND seen */
	uint32_t segs_in, segs_out; /* l */
	uint32_t data_segs_in, data_segs_out;             /* l */
	uint32_t last_sent_ms, last_rcvd_ms, last_ack_ms; /* l: data sent, received; ACK received */

	struct pkbuf *rcvq_head, *rcvq_tail; /* l: in order, copied_seq somewhere in the first */
	uint64_t bytes_received;             /* l */
	struct tcp_tune tune;                /* l */
	uint16_t rcv_mss;                    /* l: payload of the peer's segments, estimated */
	uint16_t ato_ms;                     /* l: how long an ACK waits; 0: no text has come */
	uint32_t irs;                        /* l */
	uint32_t syn_sent_us; /* l: SYN or SYN-ACK, for the first RTT; 0: no sample */
	uint32_t rcv_fin;     /* l: TCP_F_FIN_SEEN: the peer's FIN */
};

extern const struct tcp_est tcp_est_none;

bool tcp_est_make(struct tcp_sock *ts); /* tcp_est_get() where it has none; false: no memory */
void tcp_est_park(struct tcp_sock *ts); /* gives it back, if it can be made anew */
void tcp_est_free(struct tcp_sock *ts);
