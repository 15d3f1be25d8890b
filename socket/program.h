/*
 * socket/program.h - what an unmodified program's preload library and weft's gateway agree on: names,
 * the shared table, requests.
 *
 * A program's socket is an AF_UNIX one; its name in the kernel says which it is, so that it stays known
 * over dup, fork, exec and SCM_RIGHTS.  docs/unmodified.md has the life of a connection.  Included by
 * the preload library, which links nothing else of weft.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PROGRAM_VARIABLE "WEFT_PROGRAM" /* INSTANCE:SECRET:PID, a struct program_token as text */
#define PROGRAM_DNS "WEFT_DNS"          /* the name server to ask; without it resolv.conf's */
#define PROGRAM_LIBRARY "libweft_preload.so"
#define PROGRAM_VERSION 2u
#define PROGRAM_MAGIC (0x77656600u + PROGRAM_VERSION)
#define PROGRAM_INSTANCE 6 /* characters that tell one weft's names from another's */
#define PROGRAM_SECRET 16  /* bytes: who knows them was started by this weft's user */
#define PROGRAM_TOKEN (PROGRAM_INSTANCE + 1 + 2 * PROGRAM_SECRET + 1 + 8 + 1)
#define PROGRAM_SLOTS 65536u
/*
 * The send buffer of a program's socket, as the kernel counts it: a quarter is more than one message of
 * sendfile()'s, which the residual byte pins.  The pad is more than that quarter: the socket is full.
 */
#define PROGRAM_SNDBUF 425984u
#define PROGRAM_PAD 114688u
/* A sixth argument, where a call has fewer: it is not for `weft run` to serve, for who says so serves itself. */
#define PROGRAM_PASS 0x7765667450617373l

/* --- names: an abstract address of 16 characters ------------------------------------------------ */

#define PROGRAM_NAME 16
#define PROGRAM_NAME_LEN (offsetof(struct sockaddr_un, sun_path) + 1 + PROGRAM_NAME)

enum program_kind {
	PROGRAM_STREAM =
	    's', /* a program's TCP socket; listening, also the own name of what it accepts */
	PROGRAM_DGRAM = 'u',   /* a program's UDP socket */
	PROGRAM_CHILD = 'c',   /* the gateway's end of a connection that came in */
	PROGRAM_DATA = 'd',    /* where a program's TCP socket connects to */
	PROGRAM_REQUEST = 'r', /* where requests go */
	PROGRAM_BELL =
	    'b', /* where an id is sent when a flag has changed that `held` bytes wait for */
	PROGRAM_PEER =
	    'p', /* the gateway's end of a UDP socket, for one remote; 0:0: for all others */
};

struct program_token {
	char instance[PROGRAM_INSTANCE];
	uint8_t secret[PROGRAM_SECRET];
	uint32_t pid; /* weft's, as `weft run` sees it; 0: it does not */
};

struct program_name {
	enum program_kind kind;
	uint32_t id;         /* not of a peer; 0: of the gateway as a whole */
	uint16_t slot, port; /* of a peer */
	uint32_t addr;       /* of a peer: IPv4, host order */
};

/* The address of a name, and its length. */
socklen_t program_address(struct sockaddr_un *sa, const char *instance,
			  const struct program_name *n);
/* False: it is not a name of this instance. */
bool program_name_of(struct program_name *n, const char *instance, const struct sockaddr_un *sa,
		     socklen_t len);
/* As text of PROGRAM_TOKEN bytes, and back.  False: it is none. */
void program_token_text(const struct program_token *t, char *text);
bool program_token_of(struct program_token *t, const char *text);

/* --- the table ------------------------------------------------------------------------------------ */

enum program_state {
	PROGRAM_NEW,
	PROGRAM_LISTENING,
	PROGRAM_CONNECTING,
	PROGRAM_CONNECTED,
	PROGRAM_CLOSED, /* it was connected, or failed to be: `error` says why */
};

/* Options whose setting is a store: the gateway looks before it sends. */
#define PROGRAM_NODELAY 1u
#define PROGRAM_CORK 2u
/* Of a datagram socket: it wants to hear of errors (IP_RECVERR). */
#define PROGRAM_ERRORS 4u
/* Of a datagram socket: its program has shut it for sending. */
#define PROGRAM_SHUT 16u
/* Of a stream: the kernel's descriptor has it, so that its children get it. */
#define PROGRAM_OOBINLINE 8u
#define PROGRAM_UNCORKED                                                                           \
	256u /* from here on, of a stream: how often it was uncorked, counted before it is */

/* An address as both sides keep it: IPv6, or IPv4 in its mapped form. */
struct program_addr {
	uint8_t ip[16];
	uint16_t port; /* host order */
};

#define PROGRAM_OPTIONS 6 /* that wait in a slot */

/*
 * A socket of a program.  The gateway believes nothing it reads here.
 *
 * LOCKING
 *	a	atomic: written by both		p	atomic: written by programs
 *	g	written by the gateway before `state` or before the name is told
 *	c	constant while it is taken
 */
struct program_slot {
	_Atomic uint32_t word;  /* a: generation << 1, + 1: taken */
	_Atomic uint32_t state; /* a: enum program_state */
	_Atomic int32_t error;  /* a: what SO_ERROR tells next, a positive errno */
	_Atomic uint32_t flags; /* p: PROGRAM_NODELAY, ..., PROGRAM_UNCORKED */
	_Atomic uint32_t
	    held;            /* a: not 0: bytes wait for a flag to go; its change needs a request */
	_Atomic int32_t pid; /* p: who has it, as far as is known */
	uint16_t family;     /* c */
	uint16_t type;       /* c: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW */
	_Atomic uint32_t has_local; /* a: `local` is valid */
	struct program_addr local;  /* g */
	struct program_addr remote; /* g */
	_Atomic uint32_t told;      /* p: connect() has said how it ended */
	uint16_t protocol;          /* c */
	_Atomic uint16_t linger;    /* p: SO_LINGER: s that close() waits; 0: none */
	union {
		_Atomic uint32_t listener; /* g: of what came in: the id for which the name is; 0 */
		_Atomic uint32_t changes;  /* g: of a datagram socket: bind, connect, options */
	};
	_Atomic uint64_t option[PROGRAM_OPTIONS]; /* a: stored and not taken yet; 0: none */
};
_Static_assert(sizeof(struct program_slot) == 128, "two cache lines");

/* --- what was refused ------------------------------------------------------------------------------ */

#define PROGRAM_MISSES 256u

enum program_call {
	PROGRAM_CALL_SOCKET = 1, /* family; type << 16 | protocol */
	PROGRAM_CALL_CONNECT,    /* also where a datagram went: family; IPv4, host order */
	PROGRAM_CALL_SETSOCKOPT, /* level; name */
	PROGRAM_CALL_GETSOCKOPT, /* level; name */
	PROGRAM_CALL_SEND,       /* flags */
	PROGRAM_CALL_RECV,       /* flags */
};

/*
 * What programs asked for and did not get, and how often: for `weft doctor`.
 *
 * LOCKING
 *	a	atomic		c	written before `call`, then constant
 */
struct program_miss {
	_Atomic uint32_t call;  /* a: enum program_call; 0: free */
	int32_t first, second;  /* c: see there */
	int32_t err;            /* c: a positive errno */
	_Atomic uint32_t count; /* a */
};

/*
 * LOCKING
 *	c	constant		a	atomic
 */
struct program_table {
	uint32_t magic;          /* c */
	_Atomic uint32_t first;  /* a: no slot below this is free, as far as is known */
	_Atomic uint32_t top;    /* a: no slot from this on has ever been taken */
	_Atomic uint32_t lost;   /* a: weft was killed, says `weft run` */
	_Atomic uint32_t routes; /* a: moves with the stack's addresses, routes and path MTUs */
	uint32_t unused[26];     /* c */
	struct program_slot slot[PROGRAM_SLOTS];  /* see above */
	struct program_miss miss[PROGRAM_MISSES]; /* see above */
};

/* Takes a free slot: its id, 0: there is none. */
uint32_t program_slot_take(struct program_table *t);
void program_slot_free(struct program_table *t, uint32_t id);
/* NULL: it is somebody else's by now. */
struct program_slot *program_slot_of(struct program_table *t, uint32_t id);

/* Counts a refusal; err is a positive errno.  More kinds of them than there is room for are not counted. */
void program_missed(struct program_table *t, enum program_call call, int first, int second,
		    int err);

struct program_option {
	int level, name;
	union {
		int number;
		struct linger linger;
	} value;
	socklen_t len;
};

/* True: it is set, as far as the program is concerned.  False: it is a request. */
bool program_option_store(struct program_slot *s, int level, int name, const void *v, socklen_t n);
/* The i-th place's, for setsockopt(); false: nothing is there. */
bool program_option_take(struct program_slot *s, unsigned i, struct program_option *to);

/*
 * Whoever accepts from the program's listening socket, or receives by a datagram socket, is told that weft has
 * ended: by weft, or by `weft run` when weft was killed.
 */
void program_goodbye(const char *instance, uint32_t id, bool dgram);

/* --- requests ------------------------------------------------------------------------------------- */

#define PROGRAM_VALUE 256 /* bytes of an option or an address */

enum program_request_kind {
	PROGRAM_HELLO, /* answered with the table's descriptor and the program's pid, as the gateway sees it */
	PROGRAM_STAY,    /* `weft run`: answered likewise, and the connection ends with weft */
	PROGRAM_SETTLED, /* -EAGAIN: what programs wrote waits to be sent yet */
	PROGRAM_OPEN,    /* nothing but that the gateway knows the socket */
	PROGRAM_BIND,    /* bytes: a sockaddr */
	PROGRAM_LISTEN,  /* name: the backlog */
	PROGRAM_CONNECT, /* UDP; bytes: a sockaddr */
	PROGRAM_SETOPT,
	PROGRAM_GETOPT,
	PROGRAM_ERRQUEUE, /* answered with a note (struct program_note); -EAGAIN: there is none */
	PROGRAM_DISCONNECT, /* a stream: its connection is reset, its options stay for PROGRAM_ADOPT */
	PROGRAM_ADOPT, /* name: the id of a stream that is connected no more; its socket becomes ours */
	PROGRAM_ERRORS_LEFT, /* a call took the error that the descriptor shows: more may wait in the queue */
	PROGRAM_COLLECT, /* the table is full: sockets that were closed give their slots back; -EAGAIN: more may */
	PROGRAM_LINGER, /* before a close(), on a connection that stays; again with a name after it: answered
			    when the peer has everything, or at once if others have the socket yet */
	PROGRAM_SEND, /* behind it what would go to 0:0, a struct program_dgram first: sent at once */
	PROGRAM_DEVICES, /* bytes, of the answer: struct program_device, as many as fit from `name` on */
};

/* On a connection of its own, answered there. */
struct program_request {
	uint32_t magic;
	uint32_t kind; /* enum program_request_kind */
	uint8_t secret[PROGRAM_SECRET];
	uint32_t id;
	int32_t level, name;
	uint32_t len;
	uint8_t bytes[PROGRAM_VALUE];
};

struct program_reply {
	uint32_t magic;
	int32_t err; /* 0 or -errno */
	uint32_t len;
	uint8_t bytes[PROGRAM_VALUE];
};

/* What a TCP socket writes first: this, padded to PROGRAM_PAD. */
struct program_connect {
	uint32_t magic;
	uint32_t id;
	uint8_t secret[PROGRAM_SECRET];
	uint32_t len;
	uint8_t bytes[sizeof(struct sockaddr_storage)];
};

#define PROGRAM_CONTROL 512     /* bytes of control messages of one datagram, at most */
#define PROGRAM_DATAGRAM 65535u /* its own, at most */

/* Before what goes to the gateway's end 0:0: control messages, then the bytes of the datagram. */
struct program_dgram {
	uint32_t magic;
	uint32_t addr; /* IPv4, host order */
	uint16_t port;
	uint16_t named;   /* 0: to where the socket is connected */
	uint32_t flags;   /* MSG_ of the call */
	uint32_t control; /* bytes of it */
};

/*
 * In the file whose descriptor comes with a datagram that has control messages, or that 0:0 sends on behalf of
 * a remote; and what PROGRAM_ERRQUEUE answers, with the quoted datagram.  Control messages follow, then data.
 */
struct program_note {
	uint32_t magic;
	uint32_t addr; /* IPv4, host order */
	uint32_t port;
	int32_t flags;         /* MSG_ */
	uint32_t control, len; /* bytes that follow */
};

struct program_device {
	char name[16];
	uint32_t index, flags, mtu; /* IFF_ */
	uint32_t addr, mask;        /* IPv4, host order; 0: none */
	uint8_t mac[6];
	uint8_t unused[2];
};
