/*
 * tests/sim/lab_world.h - a simulated network at work: stacks, lines between them, programs, and what is
 * known of each connection.  One thread, virtual time; nothing here is locked.
 *
 * The engine has one alarm in the env; its own events (frames, programs) wait in a heap, and one of them is
 * run a step.  After each step programs that can go on do so, and what the step touched is checked.
 */
#pragma once
#include <stdio.h>

#include "lib/env.h"
#include "lib/mib.h"
#include "lib/random.h"
#include "socket/socket_priv.h"
#include "tests/sim/lab_scene.h"

#define LAB_PORT 7000u     /* of the first job's server */
#define LAB_PATTERN 65521u /* bytes after which a stream repeats: a prime */
#define LAB_CHUNK 65536u   /* most bytes of one send or recv */
#define LAB_HASH 1024u

struct lab_world;
struct lab_conn;

/* --- frames and events ---------------------------------------------------------------------------- */

struct lab_frame {
	struct lab_frame *next;
	uint64_t queued; /* when it came to the queue it stands in */
	uint32_t len;
	uint8_t bytes[];
};

struct lab_event {
	uint64_t when, order;
	void (*fn)(void *arg, struct lab_frame *f);
	void *arg;
	struct lab_frame *frame; /* NULL: none; fn's from then on */
};

/* A binary heap by time, then by arrival. */
struct lab_agenda {
	struct lab_event *heap;
	uint32_t n, size;
	uint64_t order;
};

/* lab_event.c */
/* Without memory the run ends by a violation, and f with it. */
void lab_at(struct lab_world *w, uint64_t when, void (*fn)(void *arg, struct lab_frame *f),
	    void *arg, struct lab_frame *f);
void lab_agenda_begin(struct lab_world *w);
void lab_agenda_end(struct lab_world *w);

/* --- lines ---------------------------------------------------------------------------------------- */

enum lab_drop {
	LAB_DROP_TAIL,
	LAB_DROP_CODEL,
	LAB_DROP_LOSS,
	LAB_DROP_BLACKOUT,
	LAB_DROP_MEMORY,
	LAB_DROPS
};

struct lab_line_stats {
	uint64_t in, delivered, duplicated, marked, reordered, corrupted, truncated;
	uint64_t dropped[LAB_DROPS];
};

/* RFC 8289, 5. */
struct lab_codel {
	uint64_t first_above, drop_next;
	uint32_t count, last_count;
	bool dropping;
};

/* One direction of a link: a queue, the line that empties it, and the air behind. */
struct lab_line {
	struct lab_world *w;
	const struct lab_line_config *c;
	struct netdev *from, *to;
	struct random random;
	struct lab_frame *head, **tail; /* the queue */
	uint32_t queued, flying;        /* frames in it; on the line or in the air */
	uint64_t queued_bytes;
	bool busy, bad; /* sends; Gilbert's bad state */
	uint64_t last;  /* when the last that kept its place arrives */
	struct lab_codel codel;
	struct lab_line_stats stats;
};

/* lab_line.c: consumes f. */
void lab_line_in(struct lab_line *l, struct lab_frame *f);
void lab_line_end(struct lab_line *l);
void lab_line_drop(struct lab_line *l, struct lab_frame *f, enum lab_drop why);
/* lab_codel.c: the next frame to send, or NULL. */
struct lab_frame *lab_line_take(struct lab_line *l);
struct lab_frame *lab_codel_take(struct lab_line *l);
/* Congestion experienced, if the sender knows ECN: true. */
bool lab_frame_mark(struct lab_line *l, struct lab_frame *f);
/* lab_air.c: loss, copies, damage, delay. */
void lab_air(struct lab_line *l, struct lab_frame *f);
/* lab_port.c: the device of a line's sender. */
struct netdev *lab_port_create(struct stack *st, unsigned i, struct lab_line *out);
/* Consumes f; false: the receiver has no memory for it. */
bool lab_port_rx(struct netdev *dev, struct lab_frame *f);

/* --- nodes ---------------------------------------------------------------------------------------- */

struct lab_node {
	struct stack *stack;
	uint32_t addr; /* of its first link */
	unsigned ports;
	int64_t gauge[GAUGE_MAX]; /* before there was traffic */
};

/* --- programs ------------------------------------------------------------------------------------- */

enum lab_side { LAB_CLIENT, LAB_SERVER };

/* One end of a connection. */
struct lab_end {
	struct lab_conn *conn;
	int fd;                 /* -1: not there yet, or closed */
	struct socket *socket;  /* while fd is open */
	struct wait_entry wait; /* its events make the connection ready */
	struct sock *sk; /* a reference, until the connection is let go; NULL: not there yet */
	uint64_t todo, sent, got;
	bool awake; /* an event or a timer says that its program may go on */
	bool shut, eof;
	int err;
	/* as seen at the last look, lab_check.c */
	bool seen;
	uint32_t snd_edge, rcv_edge, una;
	uint64_t rto; /* ns, the largest since SND.UNA moved: what a timer may have been set for */
	uint32_t taken_before; /* of the connection's `taken`: when SND.UNA moved */
};

struct lab_run; /* of a job */

struct lab_conn {
	struct lab_world *w;
	struct lab_run *run;
	unsigned number; /* in its job */
	uint16_t port;   /* the client's */
	struct lab_end end[2];
	bool connected, ready, touched, reset, over, gone;
	unsigned timers; /* events that will call it */
	uint32_t round;  /* begun */
	bool thinking;   /* ... and the next waits for its time */
	bool slow_waits; /* a slow reader waits for its time */
	uint64_t begun, ended;
	uint64_t moved;        /* when something last got on */
	uint64_t hurt;         /* when the network last took or held back something of it */
	uint32_t taken;        /* frames the network took ... */
	uint32_t taken_before; /* ... until something last got on */
	uint64_t carried[2];   /* TCP payload bytes that reached each end, again ones too */
	struct lab_conn *next_ready, *next_touched, *next_hash, *next, **prev;
};

struct lab_run {
	struct lab_world *w;
	const struct lab_job *job;
	int listener;
	struct socket *socket; /* the listener's */
	struct wait_entry wait;
	bool accepting; /* on the ready list */
	struct lab_run *next_ready;
	uint32_t begun, over, failed; /* connections */
	uint64_t first, last;         /* when the first began, the last was over */
	uint64_t bytes;               /* that programs got, both ways */
	uint64_t carried, retrans;    /* payload that came; segments sent again */
	uint64_t got;                 /* by servers, as it comes */
};

/* --- the world ------------------------------------------------------------------------------------ */

#define LAB_WHAT 480

struct lab_violation {
	bool set;
	uint64_t when;       /* since the start */
	char what[LAB_WHAT]; /* with host and connection */
};

struct lab_world {
	struct lab_scene scene;
	struct env *env;
	uint64_t start; /* the env's time when traffic may begin */
	struct alarm alarm;
	struct lab_agenda agenda;
	struct lab_node node[LAB_NODES];
	struct lab_line line[2 * LAB_LINKS];
	struct lab_run run[LAB_JOBS];
	unsigned runs_left;
	struct lab_conn *hash[LAB_HASH];
	struct lab_conn *conns; /* all there are */
	struct lab_conn *ready, **ready_tail;
	struct lab_run *accepting;
	struct lab_conn *touched;
	bool sweeping; /* the next look is at all connections */
	bool running;  /* all is set up */
	uint64_t hurt; /* when something that belongs to no connection was lost */
	uint64_t path; /* ns that a frame takes at most through all of it */
	uint64_t connections, events, checks, frames, digest;
	struct lab_violation bad;
	FILE *pcap; /* NULL: none */
	int pcap_err;
	uint8_t pattern[LAB_PATTERN + LAB_CHUNK];
	uint8_t buf[LAB_CHUNK];
};

/* ns since the start of traffic */
static inline uint64_t lab_now(const struct lab_world *w)
{
	return env_now(w->env) - w->start;
}

/* lab_world.c */
/* NULL: why[LAB_WHY] says what a scene asks that cannot be. */
struct lab_world *lab_world_open(const struct lab_scene *s, char *why);
/* Nothing may be left: looked at unless something was violated before.  Frees w; `bad` has the last word. */
void lab_world_close(struct lab_world *w, struct lab_violation *bad);
/* lab_route.c: addresses and routes of all nodes; false: no way between two that have traffic. */
bool lab_routes_set(struct lab_world *w, char *why);
uint32_t lab_addr(unsigned link, unsigned end);
/* The node that has it; LAB_NODES: none. */
unsigned lab_node_of(const struct lab_world *w, uint32_t addr);

/* lab_run.c */
/* One event and what comes of it; false: none is left up to `until` (ns since start), or a violation. */
bool lab_step(struct lab_world *w, uint64_t until);
/* Until all programs are over, or `until`.  True: they are. */
bool lab_run_until(struct lab_world *w, uint64_t until);
/* Programs are gone: until nothing is left of their connections, two hours at most. */
void lab_drain(struct lab_world *w);
void lab_violate(struct lab_world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same with host and connection named. */
void lab_violate_end(const struct lab_end *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* lab_job.c: traffic begins, connections come and go. */
bool lab_jobs_begin(struct lab_world *w, char *why);
void lab_jobs_end(struct lab_world *w);
void lab_job_conn_over(struct lab_conn *c); /* both its programs are done */
/* lab_conn.c */
void lab_conn_moved(struct lab_conn *c);
/* So many transmissions in a row were lost that giving up is what TCP does. */
bool lab_conn_cut_off(const struct lab_conn *c);
/* The same of what one end sends: its peer's may have got on meanwhile. */
bool lab_end_cut_off(const struct lab_end *e);
struct lab_conn *lab_conn_open(struct lab_run *r); /* NULL: no port now, or no memory */
void lab_conn_port(struct lab_conn *c);
void lab_conn_accept(struct lab_run *r);
void lab_end_ready(struct lab_end *e);
/* Looks whether the socks are gone, and lets it go then. */
bool lab_conn_settle(struct lab_conn *c);
void lab_conn_free(struct lab_conn *c);
bool lab_options_set(struct lab_end *e, int fd); /* lab_option.c; false: violated */
bool lab_end_opens(const struct lab_end *e);     /* its SYN has no answer yet */
bool lab_options_listen(const struct lab_job *j, int fd);
/* lab_find.c: connections by the addresses in a frame. */
void lab_conn_hash(struct lab_conn *c);
void lab_conn_unhash(struct lab_conn *c);
/* Marks the connection of a frame; `toward`: payload reached that end. NULL: belongs to none. */
struct lab_conn *lab_frame_touch(struct lab_world *w, const struct lab_frame *f, bool delivered);
/* lab_pump.c: the programs. */
void lab_pump(struct lab_conn *c);
/* Only what no event tells: a peer that has given up. */
void lab_pump_forlorn(struct lab_conn *c);
void lab_end_close(struct lab_end *e, bool reset);

/* lab_check.c: what must hold; the first that does not is told. */
void lab_check_end(struct lab_end *e);
void lab_check_conn(struct lab_conn *c);
void lab_check_stall(struct lab_conn *c);
void lab_check_info(struct lab_end *e); /* lab_info.c: TCP_INFO */
/* lab_scoreboard.c: the send queue's counts beside a walk over it. */
struct tcp_sock;
void lab_check_scoreboard(struct lab_end *e, const struct tcp_sock *ts);
uint32_t lab_end_retrans(const struct lab_end *e); /* segments its sock sent again */
/* lab_ledger.c: what went in came out; memory. */
void lab_check_line(struct lab_line *l);
void lab_check_world(struct lab_world *w);
void lab_check_left(struct lab_world *w); /* at the end */

/* lab_pcap.c: every frame as it comes to a line.  0 or -errno. */
int lab_pcap_open(struct lab_world *w, const char *path);
void lab_pcap_frame(struct lab_world *w, const struct lab_frame *f);
int lab_pcap_close(struct lab_world *w);
