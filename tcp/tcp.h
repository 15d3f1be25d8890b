/* tcp/tcp.h - TCP for the rooms above: the ops table, the states, and what `ss` shows. */
#pragma once
#include "ip/inet_sock.h"

/* Linux's numbers, so that TCP_INFO and `ss` agree with it. */
enum tcp_state_name {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NSTATES,
};

void tcp_metrics_flush(struct stack *st); /* forgets what is kept of destinations: Fast Open's */
struct tcp_state *tcp_state_create(struct stack *st); /* sets st->tcp; registers with ip */
void tcp_state_destroy(struct stack *st);
extern const struct sock_ops tcp_ops;
struct inet_table *tcp_table(struct stack *st);
const char *tcp_state_text(unsigned state); /* RFC 9293's: "ESTABLISHED", "FIN-WAIT-1", ... */
/* At the end of a stack: every connection gets FIN or RST, nothing is waited for. */
void tcp_abort_all(struct stack *st);

/* Of the program's bytes, those that the peer has acknowledged.  The sock's lock is held. */
uint64_t tcp_bytes_acked(struct sock *sk);

/* The control block by RFC 9293's names, for `ss -e`; all of any kind of sock. */
struct tcp_view {
	struct ip_addr laddr, raddr;
	uint16_t lport, rport;
	uint8_t state;
	uint32_t snd_una, snd_nxt, snd_wnd, snd_up, snd_wl1, snd_wl2, iss;
	uint32_t rcv_nxt, rcv_wnd, rcv_up, irs;
	uint32_t mss, advmss, cwnd, ssthresh, srtt_us, rttvar_us, rto_us;
	uint32_t rcvq, sndq; /* bytes; a listener: accept queue length and backlog */
	uint32_t rcv_bytes, snd_bytes, rcvbuf, sndbuf, backlog;
	uint8_t snd_wscale, rcv_wscale;
	const char *cc;                      /* of a full sock: its congestion control */
	uint64_t pacing_rate, delivery_rate; /* bytes a second; 0: not known */
	const char
	    *timer; /* "on", "keepalive", "timewait", "persist", "delack" or NULL: as ss -o */
	uint64_t timer_ns; /* left */
	uint32_t retransmits;
	bool orphan; /* closed by its program */
};
void tcp_view_get(struct sock_common *c, struct tcp_view *v);
