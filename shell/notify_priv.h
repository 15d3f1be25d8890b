/*
 * shell/notify_priv.h - between notify.c and its parts: one call of a target, from its notification to its answer.
 *
 * A target is the thread that made the call; it sleeps in the kernel until it is answered or takes a signal.
 * One thread serves all of them and waits for none: a call that has to wait is put by without its descriptor.
 */
#pragma once
#include <linux/seccomp.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "shell/notify.h"
#include "socket/guest.h"

#define NOTIFY_BUFFER 66000u /* more than any datagram */
#define NOTIFY_PARTS 1024    /* IOV_MAX */

enum notify_end {
	NOTIFY_ANSWER, /* `value` */
	NOTIFY_NATIVE, /* the kernel goes on with the call */
	NOTIFY_WAIT,   /* made again when `events` are there, or `wait_ms` are over */
};

/* LOCKING: one thread, all of it. */
struct notify_call {
	struct notify *notify;
	uint64_t id;
	int tid;
	struct seccomp_data data;
	struct guest_socket s; /* s.fd: our copy of its descriptor, or -1 */
	int64_t began;         /* ms */
	bool again;            /* it has waited, */
	bool late;             /* and its time is over */
	int pidfd;             /* the thread's, or -1: not opened */

	enum notify_end end;
	long value;   /* 0 or more, or -errno */
	int give;     /* a descriptor of ours that is the value, or -1 */
	bool cloexec; /* of that */
	short events; /* POLLIN, POLLOUT; 0: it is made again when the time is over */
	int wait_ms;  /* since it began, -1: without end; without events: from now on */
};

/*
 * What calls wait for of one socket: in an epoll instance of its own, which keeps no descriptor open; one for all of
 * them, for the kernel allows no more than 500 to watch a file.
 */
struct notify_watch {
	LIST_ENTRY(notify_watch) next;
	TAILQ_HEAD(notify_waits, notify_wait) waiting; /* who came last is last */
	unsigned nwaits;                               /* those that are due too */
	int epoll;
	uint32_t id; /* of the socket */
	short events;
};

/* A call put by. */
struct notify_wait {
	LIST_ENTRY(notify_wait) next;
	TAILQ_ENTRY(notify_wait) beside; /* others of its watch, or those that are due */
	struct notify_call call;
	struct notify_watch *watch;
	bool due;
	int pidfd;
	int64_t until; /* ms; -1: without end */
};

/* What a signal kept from its target: it is told when the call comes again. */
struct notify_kept {
	LIST_ENTRY(notify_kept) next;
	struct notify_call call;
};

struct notify {
	struct guest guest;
	int fd, epoll;
	LIST_HEAD(, notify_wait) waiting;
	struct notify_waits due;
	LIST_HEAD(, notify_watch) watches;
	LIST_HEAD(, notify_kept) kept;
	struct seccomp_notif *request;
	struct seccomp_notif_resp *response;
	struct iovec parts[NOTIFY_PARTS];
	uint8_t buffer[NOTIFY_BUFFER];
};

/* --- notify_target.c: another process's descriptors and memory ----------------------------------------- */

/* True: the target still sleeps in that call, so that what was read of it is its own. */
bool target_sleeps(const struct notify_call *c);
/* True: it is no more, nor is its process. */
bool target_ended(const struct notify_call *c);
/* A pidfd of its process, or -errno. */
int target_pidfd(const struct notify_call *c);
/* A copy of its descriptor, close-on-exec, or -errno. */
int target_fd(struct notify_call *c, int fd);
/* Of the call: what that has opened. */
void target_close(struct notify_call *c);
/* Its process. */
int target_pid(const struct notify_call *c);
/* True: raw sockets are for it, as the gateway has it of who asks: root with CAP_NET_RAW. */
bool target_may_be_raw(const struct notify_call *c);
bool target_fd_cloexec(const struct notify_call *c, int fd);
/* 0 or -EFAULT: also when it lives no more, so that its number may be another's. */
int target_read(const struct notify_call *c, uint64_t from, void *to, size_t n);
int target_write(const struct notify_call *c, uint64_t to, const void *from, size_t n);
/* The same for n bytes that are in several parts there. */
int target_gather(const struct notify_call *c, void *to, size_t n, const struct iovec *parts,
		  size_t nparts);
int target_scatter(const struct notify_call *c, const void *from, size_t n,
		   const struct iovec *parts, size_t nparts);

/* --- notify_replace.c ---------------------------------------------------------------------------------- */

/* Puts fresh, a descriptor of ours, under fd and all numbers of its process's that are the socket c->s.  0 or -errno. */
int target_replace(struct notify_call *c, int fd, int fresh);

/* --- notify_kept.c: results that a signal kept back ---------------------------------------------------- */

/* Without memory it is lost, as if the target had closed it. */
void notify_kept_add(const struct notify_call *c);
/* True: this call was made before; c has what came of it. */
bool notify_kept_take(struct notify_call *c);
void notify_kept_end(struct notify *n);

/* --- notify.c, notify_call.c, notify_message.c ------------------------------------------------------------------- */

/* ms, monotonic. */
int64_t notify_now(void);
/* Runs the call: c->end says how it ended. */
void notify_call_run(struct notify_call *c);
void notify_answer(struct notify_call *c, long value);
/* The descriptor, or -errno. */
void notify_give(struct notify_call *c, int fd, bool cloexec);
/*
 * r but where it says -EAGAIN and the descriptor blocks, by the option SO_RCVTIMEO or SO_SNDTIMEO: then it is made
 * again on these events.
 */
void notify_answer_or_wait(struct notify_call *c, long r, int option, short events);
/* An address into the target's memory, and its length beside it, as accept() does. */
int notify_address_put(struct notify_call *c, uint64_t to, uint64_t len_at,
		       const struct sockaddr_storage *sa, socklen_t len);

void call_sendto(struct notify_call *c);
void call_sendmsg(struct notify_call *c);
void call_sendmmsg(struct notify_call *c);
void call_recvfrom(struct notify_call *c);
void call_recvmsg(struct notify_call *c);
void call_recvmmsg(struct notify_call *c);
