/*
 * tests/harness/tcp_lab.h - a whole stack at 10.0.0.1 whose peer 10.0.0.2 is the test, segment by
 * segment, on a virtual clock.
 *
 *	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);      by real segments; now
 *	rx(ACK, .seq = 1, .ack = 1, .len = 100);       the stack receives this
 *	tx(ACK, .seq = 1, .ack = 101);                 the next segment it sends is this
 *	quiet();                                       and nothing more
 *
 * Numbers are relative to each side's first (a SYN has 0, data begin at 1); payloads are a pattern
 * that tells its own place and is checked both ways, as are all checksums.  PSH is compared only
 * when expected.  Timestamps, once agreed on, are put into what is received and must be in what is
 * sent.
 *
 * Sockets are non-blocking.  Teardown closes all, lets every timer run out and finds each gauge where
 * it was.  One lab at a time, as a checked fixture: tcp_lab_setup, tcp_lab_teardown.
 */
#pragma once
#include <check.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "net/rxbuf.h"
#include "socket/socket.h"
#include "tcp/tcp.h"
#include "tests/harness/tcp_seg.h"
#include "tests/harness/unit.h"

#define TCP_LAB_PORT 80         /* of the listener */
#define TCP_LAB_PEER_PORT 4000  /* of peer 0; peer n has 4000 + n */
#define TCP_LAB_ISN 0xfffffc00u /* of peers: the numbers pass 0 soon */
#define TCP_LAB_MTU 1500
#define TCP_LAB_BUF                                                                                \
	1048576 /* buffers at the start: they hold nobody back who does not ask for it */

enum tcp_lab_open { PASSIVE, ACTIVE };

/* A frame that the stack sent. */
struct tcp_lab_frame {
	struct tcp_lab_frame *next;
	uint64_t at; /* ns */
	uint32_t len;
	uint8_t bytes[]; /* the datagram */
};

/* The test's end of one connection. */
struct tcp_lab_peer {
	uint16_t port, lport;     /* its own, the stack's */
	uint32_t isn, iss;        /* its own first number, the stack's */
	bool iss_known;           /* its SYN was seen */
	bool ts_rx, ts_tx, ts_on; /* both SYNs had timestamps */
	uint32_t ts_last;         /* TSval of the stack's latest segment */
};

struct tcp_lab {
	struct env *env;
	struct stack *st;
	struct netdev *dev;
	struct tcp_lab_frame *head, **tail; /* sent and not looked at */
	unsigned nsent;                     /* how many of them */
	uint64_t last_at;                   /* ns: when the segment was sent that tx() took last */
	uint64_t mark;                      /* ns: tcp_lab_elapsed_ms() counts from here */
	struct tcp_lab_peer peer;
	int ls, fd;           /* listener, connection; -1: none */
	uint32_t sent, recvd; /* bytes that went through fd */
	struct seg syn;       /* ECE, CWR and options of the peer's SYN or SYN-ACK; .wnd */
	uint32_t snd, rcv;    /* relative SND.NXT, RCV.NXT once tcp_lab_state() is done */
	int64_t gauge[GAUGE_MAX];
	uint32_t features; /* of the device; set before tcp_lab_open() */
	struct rxbuf
	    *rxbuf; /* the test's: what is received is read through it, as by a driver; NULL: not */
	uint64_t seed;
};

extern struct tcp_lab tl;

void tcp_lab_setup(void); /* a device without offload, MTU 1500 */
void tcp_lab_setup_tso(void);
void tcp_lab_teardown(void);
/* The same in its parts; a test with a setup of its own sets tl.features before. */
void tcp_lab_open(void);
void tcp_lab_settle(void); /* closes descriptors, lets timers run out, compares gauges */
void tcp_lab_sysctl(const char *name, int64_t value);
void tcp_lab_setting(const char *name, const char *value);

/* The stack receives it; what it sends is queued. */
void tcp_lab_rx(const struct seg *s);
#define rx(f, ...) tcp_lab_rx(&(struct seg){.flags = (f), __VA_ARGS__})
/* The next segment sent must be this; returns it. */
struct seg tcp_lab_tx(const char *file, int line, const struct seg *want);
#define tx(f, ...) tcp_lab_tx(__FILE__, __LINE__, &(struct seg){.flags = (f), __VA_ARGS__})
/* Nothing was sent that is not looked at. */
void tcp_lab_quiet(const char *file, int line);
#define quiet() tcp_lab_quiet(__FILE__, __LINE__)
/* Takes the next segment sent whatever it is, relative; false: none. */
bool tcp_lab_take(struct seg *s);
unsigned tcp_lab_drop(void); /* forgets what was sent; returns how many */
/* A datagram as it is, from 10.0.0.2 or not. */
void tcp_lab_rx_bytes(const uint8_t *datagram, uint32_t n);
/* An ICMP error about a segment of the stack with this relative seq; mtu for frag-needed. */
void tcp_lab_rx_icmp(uint8_t type, uint8_t code, uint32_t seq, uint16_t mtu);

void advance_ms(uint64_t ms);
/* Runs until something is sent; ms that took, or fails after max. */
uint64_t wait_ms(uint64_t max);
/* ms between tcp_lab_mark() and the sending of the segment that tx() took last. */
void tcp_lab_mark(void);
uint64_t tcp_lab_elapsed_ms(void);

/* Another peer (0 is the first) is the one that rx and tx speak for. */
void tcp_lab_peer(unsigned n);
/* Sockets. */
int tcp_lab_socket(void);
int tcp_lab_listen(int backlog); /* on TCP_LAB_PORT; also tl.ls */
int tcp_lab_connect(void);       /* to the current peer; the SYN is queued; also tl.fd */
int tcp_lab_accept(void);        /* also tl.fd; -1 and errno */
void tcp_lab_write(uint32_t n);  /* n bytes of the pattern through tl.fd, all taken */
void tcp_lab_read(uint32_t n);   /* exactly n bytes are there, and right */
void tcp_lab_read_eof(void);
void tcp_lab_read_errno(int err);
void tcp_lab_write_errno(int err);
int tcp_lab_error(void); /* SO_ERROR */
short tcp_lab_poll(void);
void tcp_lab_setopt(int fd, int level, int name, int value);

/* Segments up to the state; numbers left in tl.snd, tl.rcv. */
void tcp_lab_state(unsigned state, enum tcp_lab_open how);
/* ESTABLISHED, passive, with a SYN of these options. */
void tcp_lab_established(const struct seg *syn);
/* What the stack has for the current peer: TCP_CLOSE when nothing. */
unsigned tcp_lab_now(void);
bool tcp_lab_view(struct tcp_view *v);
struct sock *tcp_lab_sock(void); /* a full one, with a reference */
#define ck_state(want) ck_assert_str_eq(tcp_state_text(tcp_lab_now()), tcp_state_text(want))
uint64_t tcp_lab_mib(enum mib m);
