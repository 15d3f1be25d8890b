/*
 * socket/gateway_priv.h - the gateway's own: ends, events, who calls whom.
 *
 * An end is a program's socket as the gateway sees it: a descriptor of the stack, one or more of the kernel's,
 * a slot of the table.  Events only look at what there is now, so they may come late or twice.
 */
#pragma once
#include <pthread.h>

#include <bsd/sys/tree.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/lock.h"
#include "socket/gateway.h"
#include "socket/socket.h"

#define GATEWAY_BUFFER 262144u /* bytes moved by one call */
#define GATEWAY_BEHIND (sizeof(struct program_dgram) + PROGRAM_CONTROL + PROGRAM_DATAGRAM)
#define GATEWAY_ROUNDS 4 /* buffers a turn: then others have theirs */
#define GATEWAY_TURN 64  /* connections or bells that are heard at once: anybody can make more */
#define GATEWAY_STRANGERS 512u /* who may be connected and say nothing: any user can */
#define GATEWAY_PEERS 1024     /* remotes of one UDP socket that keep a socket of their own */

struct gateway;
struct gateway_end;

/* A descriptor of the kernel that the gateway waits for. */
struct gateway_watch {
	int fd; /* -1: none */
	void (*ready)(struct gateway *g, struct gateway_watch *w, uint32_t events);
	bool gone; /* closed in this round: what was read of it is void */
};

enum gateway_role {
	GATEWAY_BOUND, /* made, perhaps bound */
	GATEWAY_LISTENER,
	GATEWAY_CONNECTING,
	GATEWAY_STREAM,
	GATEWAY_LINGERING, /* its program has closed it, and waits */
	GATEWAY_DGRAM,     /* UDP, raw and ICMP */
};

/* One remote of a UDP socket. */
struct gateway_peer {
	struct gateway_watch watch; /* first: what the program sends to it alone */
	struct gateway_end *end;
	TAILQ_ENTRY(gateway_peer) in_use; /* the one used last is last */
	RB_ENTRY(gateway_peer) in_peers;
	uint64_t key; /* address and port */
};
TAILQ_HEAD(gateway_peer_list, gateway_peer);
RB_HEAD(gateway_peer_tree, gateway_peer);

/* A datagram on its way to the program. */
struct gateway_message {
	uint64_t key; /* whose it is: address and port */
	const uint8_t *bytes, *control;
	size_t len, ncontrol;
	int flags; /* MSG_ */
};

/* Bytes on their way that the next side did not take. */
struct gateway_rest {
	uint8_t *bytes; /* malloc'd; NULL: none */
	uint32_t at, len;
};

/*
 * LOCKING
 *	t	the gateway's thread only	l	written under the gateway's lock by its thread
 */
struct gateway_end {
	struct gateway_watch watch;       /* t: first; our end of the program's stream */
	struct gateway *gateway;          /* t */
	RB_ENTRY(gateway_end) in_ends;    /* l */
	TAILQ_ENTRY(gateway_end) in_turn; /* t: while `again` */
	uint32_t id;                      /* l: of its slot */
	int fd;                           /* l: in the stack; -1: closed */
	int pid;                          /* l: who had it last */
	uid_t uid;                        /* t: who asked to listen */
	enum gateway_role role;           /* t */
	int family;                       /* t */
	uint32_t flags;                   /* t: PROGRAM_ flags as the stack has them */
	uint32_t skip; /* t: bytes of the program's that are not data: pad, accept()'s */
	bool child;    /* t: it came in: the name is our end's */
	bool residual; /* t: one byte of it lies there, sent long since */
	bool bulk;     /* t: many bytes lay there the last time */
	bool up_ready, down_ready; /* t: may have more: the program's, the peer's bytes */
	bool up_mark;              /* t: an urgent byte may lie among the program's */
	bool up_urgent;            /* t: it is what is sent up */
	bool up_done, down_done;   /* t: that direction has ended */
	bool read_ended;           /* t: the program writes no more */
	bool hung_up;              /* t: it has closed, */
	bool aborted;              /* t: with bytes unread */
	uint8_t waits_cork;        /* t: so many rounds what it wrote corked has waited */
	bool unread;               /* t: bytes for it were thrown away: its close is a reset */
	bool reset;                /* t: by its peer, before the program has accepted it */
	int broken;      /* t: errno: nothing is sent any more, what came before is on its way; 0 */
	bool full;       /* t: its descriptor took not all there was */
	bool wants_room; /* t: the kernel tells when the program has read */
	bool again;      /* t: on the list of those that go on next round */
	struct gateway_rest up, down; /* t */
	struct gateway_end *listener; /* t: of one not accepted yet */
	int backlog, pending;         /* t: of a listener: handed over and not accepted */
	/* of a datagram socket */
	struct gateway_peer_list used;  /* t */
	struct gateway_peer_tree peers; /* t */
	unsigned npeers;                /* t */
	uint64_t blocked;               /* t: who sent what is put by, */
	int blocked_flags;              /* t: and what is known of it, MSG_ */
	uint64_t remote;                /* t: to whom it is connected */
	bool connected;                 /* t */
	bool has_ports;                 /* t: its protocol has */
	bool wants_errors;              /* t: IP_RECVERR */
	bool shows_error;               /* t: the program's descriptor does, since it asked last */
	int up_error;                   /* t: why the last datagram was not sent */
};
RB_HEAD(gateway_end_tree, gateway_end);
RB_PROTOTYPE(gateway_end_tree, gateway_end, in_ends, gateway_end_order)
TAILQ_HEAD(gateway_end_list, gateway_end);

/* A process whose end may leave sockets behind. */
struct gateway_process {
	struct gateway_watch watch; /* first: a pidfd */
	int pid;
	uint32_t at; /* it has ended: its slots below this were looked at */
	LIST_ENTRY(gateway_process) next;
};

/* LOCKING: the gateway's thread only. */
struct gateway_stranger {
	struct gateway_watch watch; /* first */
	LIST_ENTRY(gateway_stranger) next;
	struct ucred who;
	bool known; /* has said the secret */
};

/* LOCKING: the gateway's thread only. */
struct gateway_strangers {
	LIST_HEAD(, gateway_stranger) list;
	unsigned silent; /* of them those who have not said the secret */
	void (*ready)(struct gateway *g, struct gateway_watch *w, uint32_t events);
};

/*
 * LOCKING
 *	c	constant while the thread runs		t	the gateway's thread only
 *	l	written under the lock by the thread
 */
struct gateway {
	struct mutex lock;           /* a leaf: for those who ask who has what */
	struct stack *stack;         /* c */
	struct program_token token;  /* c */
	struct program_table *table; /* c: shared with the programs */
	int table_fd;                /* c */
	int epoll, kernel;           /* c: of the stack's sockets, of the kernel's */
	pthread_t thread;            /* c */
	struct gateway_watch stop, data, request, bell; /* c: an eventfd; those that listen */
	struct gateway_end_tree ends;                   /* l */
	struct gateway_end_list again;                  /* t */
	LIST_HEAD(, gateway_process) processes;         /* t */
	unsigned npeers;                                /* t: remotes of all UDP sockets, */
	unsigned peers_max; /* c: how many may be kept: descriptors are for others too */
	struct gateway_strangers askers;  /* t: connections for requests */
	struct gateway_strangers callers; /* t: streams that have not said whose they are */
	bool starved;              /* t: somebody could not be let in, for want of descriptors */
	struct gateway_end *probe; /* t: the next to be looked at */
	uint32_t collect;          /* t: likewise of slots, when the table is full */
	void **dead;               /* t: freed when the round is over */
	unsigned ndead, dead_room; /* t */
	uint8_t *buffer;           /* c: GATEWAY_BUFFER bytes */
	uint8_t *behind;           /* c: GATEWAY_BEHIND bytes: */
	size_t nbehind;            /* t: what came behind a request, so many */
	bool stopping;             /* t */
};

/* --- gateway.c -------------------------------------------------------------------------------------- */

/* Waits for events on w->fd, edge triggered.  0 or -errno. */
int gateway_watch_add(struct gateway *g, struct gateway_watch *w, uint32_t events);
/* What lies there yet is told anew, when others have had their turn. */
void gateway_watch_again(struct gateway *g, struct gateway_watch *w, uint32_t events);
/* Closes its descriptor, if it has one; who it belongs to goes on. */
void gateway_watch_off(struct gateway *g, struct gateway_watch *w);
/* Closes it; what was read of it in this round is void. */
void gateway_watch_close(struct gateway *g, struct gateway_watch *w);
/* Frees p when the round is over. */
void gateway_free_later(struct gateway *g, void *p);
/* Gives in() each connection that waits at w's socket, as many as have their turn and there are descriptors for. */
void gateway_let_in(struct gateway *g, struct gateway_watch *w,
		    void (*in)(struct gateway *g, int fd));
/* True: the secret is ours. */
bool gateway_knows(const struct gateway *g, const uint8_t *secret);

/*
 * Of a stream: recv() and send() but no points of cancellation, which cost more than the rest of the call in user
 * space.  ThreadSanitizer has to see them.
 */
#ifdef WEFT_TSAN
#define gateway_recv recv
#define gateway_send send
#else
static inline ssize_t gateway_recv(int fd, void *buf, size_t n, int flags)
{
	return syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

static inline ssize_t gateway_send(int fd, const void *buf, size_t n, int flags)
{
	return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}
#endif

/* --- gateway_end.c ---------------------------------------------------------------------------------- */

/*
 * The end of a slot, made if need be with a socket in the stack.  NULL with *err: of a raw one -EPERM if `who`
 * (NULL: nobody known) has no right to it.
 */
struct gateway_end *gateway_end_get(struct gateway *g, uint32_t id, const struct ucred *who,
				    int *err);
/* Closes a descriptor of the stack's: the peer sees a reset, whatever was on its way. */
void gateway_stack_reset(int fd);
/* Likewise that of an end. */
void gateway_reset(struct gateway_end *e);
/* One with the stack's descriptor fd, taken over also when it fails: no memory, or a program has spoilt the table. */
struct gateway_end *gateway_end_make(struct gateway *g, uint32_t id, int fd,
				     enum gateway_role role);
struct gateway_end *gateway_end_find(struct gateway *g, uint32_t id);
/* Waits for the stack's events of it. */
int gateway_end_watch(struct gateway_end *e);
/* Who has it, as its slot says now. */
void gateway_end_pid(struct gateway_end *e);
/* The stack's side alone: what it has goes on by itself. */
void gateway_end_stack_close(struct gateway_end *e);
/* What its program has stored since. */
void gateway_end_options(struct gateway_end *e);
/* Its socket in the stack is as one that never was connected, with its options. */
void gateway_end_disconnect(struct gateway_end *e);
/* Takes over that of another, which is connected no more.  0 or -EINVAL. */
int gateway_end_adopt(struct gateway_end *e, struct gateway_end *old);
void gateway_end_close(struct gateway_end *e);
/* Gives the slot back too: the program's socket is known to be closed. */
void gateway_end_forget(struct gateway_end *e);
struct program_slot *gateway_slot(struct gateway_end *e);
/* Both addresses as the stack has them now. */
void gateway_slot_names(struct gateway_end *e);
/* The stack answered err for this sockaddr: that there is no way to it is counted. */
void gateway_unreachable(struct gateway *g, const void *address, int err);
/* Its turn comes again in the next round. */
void gateway_end_again(struct gateway_end *e);

/* --- gateway_probe.c: sockets that were closed unseen ------------------------------------------------- */

void gateway_process_seen(struct gateway *g, int pid);
/* Looks whether the program's socket is there, and forgets the end if not: true. */
bool gateway_probe(struct gateway_end *e);
/* The program's socket is there no more. */
bool gateway_name_is_free(struct gateway_end *e);
void gateway_probe_two(struct gateway *g);
/* All the gateway knows: they may have ports. */
void gateway_probe_ends(struct gateway *g);
/* Some of all slots in turn.  True: those were the last. */
bool gateway_collect(struct gateway *g);
void gateway_processes_end(struct gateway *g);

/* --- gateway_linger.c: SO_LINGER with a time ---------------------------------------------------------- */

/* The program has closed it.  True: it waits until the peer has everything, the end is kept so long. */
bool gateway_linger(struct gateway_end *e);
/* The stack has events of one that is kept. */
void gateway_linger_look(struct gateway_end *e);
/* Who waits for it has closed its descriptor.  True: the end is kept yet. */
bool gateway_linger_closed(struct gateway *g, uint32_t id);
/* Nobody waits any more. */
void gateway_linger_over(struct gateway *g, uint32_t id);

/* --- gateway_stranger.c: who has connected, to ask or to connect --------------------------------------- */

/* s was allocated, NULL: there was no memory; fd is taken over. */
void gateway_stranger_begin(struct gateway *g, struct gateway_strangers *all,
			    struct gateway_stranger *s, int fd);
void gateway_stranger_known(struct gateway_strangers *all, struct gateway_stranger *s);
void gateway_stranger_end(struct gateway *g, struct gateway_strangers *all,
			  struct gateway_stranger *s);
void gateway_strangers_end(struct gateway *g, struct gateway_strangers *all);

/* --- gateway_request.c, gateway_listen.c, gateway_connect.c, gateway_stream.c, gateway_dgram.c ---------- */

void gateway_request_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);
void gateway_asker_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);
/* Is there one who waits for this id?  All of them are answered. */
bool gateway_is_awaited(struct gateway *g, uint32_t id);
void gateway_awaited(struct gateway *g, uint32_t id);
void gateway_data_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);
void gateway_caller_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);
/* Events may be late: who asks about one that connects has said so before. */
void gateway_callers_look(struct gateway *g);
int gateway_listen(struct gateway_end *e, int backlog, const struct ucred *who);
/* One that it handed over is accepted, or has gone. */
void gateway_accepted(struct gateway_end *e);
void gateway_accept(struct gateway_end *e);
/* The stack has answered a connect. */
void gateway_connected(struct gateway_end *e);
/* What a direction of a stream came to. */
enum gateway_progress { GATEWAY_IDLE, GATEWAY_MORE, GATEWAY_GONE };

/* The stack takes no more and answered err.  What it has got before goes to the program yet. */
void gateway_stream_broken(struct gateway_end *e, int err);
/* gateway_up.c: a piece of what the program wrote, to the stack. */
enum gateway_progress gateway_up(struct gateway_end *e);
/* Flags that were changed while bytes are held, and no bell has told. */
void gateway_up_held(struct gateway_end *e);
/* The residual byte is read: the program's close or ours is no reset. */
void gateway_residual_drain(struct gateway_end *e);
/* The program writes no more, and what it wrote is read away but for so many bytes. */
void gateway_up_discard(struct gateway_end *e, int keep);
/* Puts by; without memory false.  n bytes of what was put by are gone. */
bool gateway_rest_keep(struct gateway_rest *r, const uint8_t *bytes, uint32_t n);
void gateway_rest_done(struct gateway_rest *r, uint32_t n);
/* Waits for the program's stream.  0 or -errno. */
int gateway_stream_watch(struct gateway_end *e);
/* A program's stream has events; the stack's socket has. */
void gateway_stream_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);
void gateway_stream_run(struct gateway_end *e);
/* A flag has changed that bytes wait for: those that were written before it go with them. */
void gateway_stream_bell(struct gateway_end *e);
/* The stack answered err: the program sees a reset, SO_ERROR says why. */
void gateway_stream_fail(struct gateway_end *e, int err);
/* connect(AF_UNSPEC): the peer sees a reset. */
int gateway_stream_disconnect(struct gateway_end *e);
int gateway_dgram_open(struct gateway_end *e);
int gateway_dgram_connect(struct gateway_end *e, const struct sockaddr *a, socklen_t n);
void gateway_dgram_run(struct gateway_end *e);
/* What the program has sent until now. */
void gateway_dgram_up(struct gateway_end *e);
/* A datagram of the program's with its header, behind those it sent before: 0 or -errno. */
int gateway_dgram_send(struct gateway_end *e, uint8_t *bytes, size_t n);
/* Weft ends: the program's calls on it say so. */
void gateway_dgram_goodbye(struct gateway_end *e);
/* The program's descriptor shows an error no more; if there are some it shall. */
void gateway_dgram_errors_left(struct gateway_end *e);
/* An option was set. */
void gateway_dgram_option(struct gateway_end *e, int level, int name);
/* The next message of the error queue: 0 and the note's descriptor, or -errno. */
int gateway_dgram_errqueue(struct gateway_end *e, int *note);
void gateway_peer_ready(struct gateway *g, struct gateway_watch *w, uint32_t events);

/* --- gateway_peer.c, gateway_note.c ------------------------------------------------------------------ */

uint64_t gateway_key_of(const struct gateway_end *e, const struct sockaddr_storage *sa);
socklen_t gateway_key_address(const struct gateway_end *e, uint64_t key,
			      struct sockaddr_storage *sa);
void gateway_peers_begin(struct gateway_end *e);
void gateway_peers_end(struct gateway_end *e);
/* A datagram socket under the name of the remote.  A descriptor or -errno. */
int gateway_peer_socket(struct gateway_end *e, uint64_t key);
/* To the program's socket, so that the kernel tells when that has room.  0 or -errno. */
int gateway_peer_connect(struct gateway_end *e, int fd);
/* NULL: no memory. */
struct gateway_peer *gateway_peer_get(struct gateway_end *e, uint64_t key);
/* If it is the program's peer, the program's next call hears of a reset.  What lies in fd is lost. */
void gateway_peer_break(struct gateway_end *e, int fd, uint64_t key);
/* With a descriptor beside it, -1: none. */
ssize_t gateway_send_with(int to, const void *bytes, size_t n, int fd);
/* What the bytes do not tell, and with `data` those too: a file, or -1. */
int gateway_note(const struct gateway_message *m, bool data);
/* gateway_devices.c: interfaces from the n-th on. */
void gateway_devices(struct gateway *g, unsigned from, struct program_reply *r);
