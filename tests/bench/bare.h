/*
 * tests/bench/bare.h - what the bare responder's parts share: bare.c takes frames in, bare_out.c sends them,
 * bare_relay.c has a program between, bare_socket.c has what the socket calls ask for, and bare_tcp.c what TCP does.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "tests/bench/ports.h"

#define FRAME_MAX (1 << 17)
#define MSS 1460u
#define SUPER (44 * MSS)
#define APP (1u << 17)  /* what a sink's bytes are copied to and a source's from, round and round */
#define PENDING 64      /* sinks that are owed an ACK */
#define KEPT 16         /* buffers in turn */
#define GROUP_MAX 64    /* answers held */
#define PORT_RELAY 6379 /* redis's */
#define BARE_SHIFT                                                                                 \
	5 /* of the window offered: 1 MB, so that what waits in the TAP is still cached */
#define BARE_STAMPS 12u /* bytes of timestamps in a header */

/* What TCP keeps of a connection: bare_tcp.c.  Times are ns, 0: not set. */
struct bare_tcp {
	bool stamps, cwnd_limited;
	uint32_t ts_recent, rcv_adv, ack_sent;
	uint32_t snd_wl1, snd_wl2, max_window;
	uint32_t cwnd, ssthresh, dupacks;
	uint32_t unacked; /* bytes received since the last ACK */
	uint64_t srtt, rttvar, rto;
	uint64_t sent_at, rto_at, ack_at;
};

struct conn {
	uint16_t port; /* of the service */
	bool open;
	bool owed;     /* an ACK: it is on `pending` */
	uint8_t shift; /* of the client's window */
	uint32_t rcv_nxt, snd_nxt, snd_una, snd_wnd;
	uint64_t total;     /* a sink's bytes */
	int stream;         /* to who answers PORT_RELAY, or 0 */
	struct ip4_hdr ip;  /* of the answers */
	struct ether_hdr e; /* likewise */
	struct bare_tcp tcp;
};

/* What the arguments ask for. */
struct ways {
	bool plain;        /* no offload */
	bool spin;         /* never asleep */
	bool sockets;      /* small messages go by socks, and as TCP asks */
	bool copy;         /* each write is kept in a buffer, each frame read into the next one */
	unsigned compute;  /* ns for the answer of a request */
	unsigned group;    /* requests answered together, at most */
	unsigned queues;   /* of the TAP, a thread each */
	const char *relay; /* an AF_UNIX socket that answers PORT_RELAY */
};

struct answer {
	uint16_t client;
	uint16_t n;
	char data[QUESTION];
};

struct bare_sockets;

struct bare {
	int fd, epfd; /* the latter for streams */
	struct ways is;
	unsigned piece;    /* of a source: bytes a write */
	struct conn *conn; /* by the client's port */
	char *rx;          /* of the buffers below */
	char *kept[KEPT];
	unsigned turn; /* of them */
	char *app;
	size_t app_at;
	uint16_t pending[PENDING]; /* ports of the clients */
	unsigned npending;
	struct answer held[GROUP_MAX];
	unsigned nheld;
	struct bare_sockets *sockets;
};

/* The next of the buffers that bytes are kept in. */
char *bare_keep(struct bare *b);
/* So many bytes of the program's. */
char *bare_app(struct bare *b, size_t n);
/* To this client. */
void bare_segment(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n);
/* The same of a message. */
void bare_message(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n);
/* A source: as much as the client takes. */
void bare_pump(struct bare *b, uint16_t client);
/* The answer to a request, after so much computing; held for others where the arguments say so. */
void bare_answer(struct bare *b, uint16_t client, const void *data, size_t n);
/* To all that wait for the end of a batch: answers held, and ACKs owed. */
void bare_flush(struct bare *b);
/* Streams to who answers PORT_RELAY, and all there is to do, until standard input ends. */
void bare_relay_open(struct bare *b, uint16_t client);
void bare_relay_close(struct bare *b, uint16_t client);
void bare_relay_in(struct bare *b, uint16_t client, const void *data, size_t n);
void bare_relay_run(struct bare *b);
/* Small messages by socks: bytes taken in (false: nobody's), what is read of them, the answer. */
struct bare_sockets *bare_sockets_create(void);
void bare_socket_open(struct bare *b, uint16_t client, const struct ip4_hdr *ip,
		      const struct tcp_hdr *t);
bool bare_socket_in(struct bare *b, const struct ip4_hdr *ip, const struct tcp_hdr *t, size_t n);
const char *bare_socket_read(struct bare *b);
void bare_socket_write(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n);
/* The time of the last frame, ns. */
uint64_t bare_sockets_now(const struct bare_sockets *ss);
/* What TCP asks for: of a SYN, of a segment with n new bytes (false: it is dropped), of n bytes to be sent (false: not
 * now), of a header (its window and options, how many bytes of these). */
void bare_tcp_open(struct conn *c, const struct tcp_hdr *t);
bool bare_tcp_in(struct conn *c, const struct ip4_hdr *ip, const struct tcp_hdr *t, uint32_t n,
		 uint64_t now);
bool bare_tcp_may_send(struct conn *c, uint32_t n, uint64_t now);
unsigned bare_tcp_header(struct conn *c, struct tcp_hdr *t, uint8_t *options, uint64_t now);
/* Frames until there are none. */
void bare_batch(struct bare *b);
/* Of the pseudo header. */
uint64_t bare_sum(const struct ip4_hdr *ip);
