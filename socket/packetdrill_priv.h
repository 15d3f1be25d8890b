/*
 * socket/packetdrill_priv.h - what the files of libweft_packetdrill.so share: the table that
 * packetdrill calls by, its world (time and threads) and its wire.
 *
 * packetdrill loads the library, asks it for the table and runs a script through it: every socket
 * call, packet, sleep and look at the clock.  One script a process, so one world.
 */
#pragma once
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "lib/env.h"
#include "lib/ipaddr.h"
#include "net/netdev.h"
#include "socket/socket.h"

/* packetdrill's table: the order of its members is the interface. */
struct packetdrill_interface {
	void *userdata;
	void (*free)(void *ud);
	int (*socket)(void *ud, int domain, int type, int protocol);
	int (*bind)(void *ud, int fd, const struct sockaddr *a, socklen_t n);
	int (*listen)(void *ud, int fd, int backlog);
	int (*accept)(void *ud, int fd, struct sockaddr *a, socklen_t *n);
	int (*connect)(void *ud, int fd, const struct sockaddr *a, socklen_t n);
	ssize_t (*read)(void *ud, int fd, void *buf, size_t n);
	ssize_t (*readv)(void *ud, int fd, const struct iovec *v, int nv);
	ssize_t (*recv)(void *ud, int fd, void *buf, size_t n, int flags);
	ssize_t (*recvfrom)(void *ud, int fd, void *buf, size_t n, int flags, struct sockaddr *a,
			    socklen_t *an);
	ssize_t (*recvmsg)(void *ud, int fd, struct msghdr *m, int flags);
	ssize_t (*write)(void *ud, int fd, const void *buf, size_t n);
	ssize_t (*writev)(void *ud, int fd, const struct iovec *v, int nv);
	ssize_t (*send)(void *ud, int fd, const void *buf, size_t n, int flags);
	ssize_t (*sendto)(void *ud, int fd, const void *buf, size_t n, int flags,
			  const struct sockaddr *a, socklen_t an);
	ssize_t (*sendmsg)(void *ud, int fd, const struct msghdr *m, int flags);
	int (*fcntl)(void *ud, int fd, int cmd, ...);
	int (*ioctl)(void *ud, int fd, unsigned long request, ...);
	int (*close)(void *ud, int fd);
	int (*shutdown)(void *ud, int fd, int how);
	int (*getsockopt)(void *ud, int fd, int level, int name, void *v, socklen_t *n);
	int (*setsockopt)(void *ud, int fd, int level, int name, const void *v, socklen_t n);
	int (*poll)(void *ud, struct pollfd *fds, nfds_t n, int timeout_ms);
	int (*netdev_send)(void *ud, const void *packet, size_t n);
	int (*netdev_receive)(void *ud, void *buf, size_t *n, long long *time_us);
	int (*usleep)(void *ud, useconds_t us);
	int (*gettimeofday)(void *ud, struct timeval *tv, struct timezone *tz);
	int (*epoll_create)(void *ud, int size);
	int (*epoll_ctl)(void *ud, int epfd, int op, int fd, struct epoll_event *ev);
	int (*epoll_wait)(void *ud, int epfd, struct epoll_event *ev, int max, int timeout_ms);
	int (*pipe)(void *ud, int fds[2]);
	int (*splice)(void *ud, int in, loff_t *off_in, int out, loff_t *off_out, size_t n,
		      unsigned flags);
};

/* The two names the library shows. */
WEFT_API void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc);
WEFT_API int packetdrill_so_setting(void *ud, const char *name, const char *value);

/* --- packetdrill_world.c: time and threads ------------------------------------------------------
 */

struct world;

/* Virtual time, or the real one.  The calling thread is the driver: only it moves virtual time. */
struct world *world_create(bool real, uint64_t seed);
void world_destroy(struct world *w);
struct env *world_env(struct world *w);
bool world_is_real(const struct world *w);
/* Around everything that enters the stack: one thread at a time, the driver when no other is busy. */
void world_enter(struct world *w);
void world_leave(struct world *w);
/* Inside: the next event at or before `until` (ns), and whom it woke has slept again; false: none. */
bool world_step(struct world *w, uint64_t until);
void world_sleep(struct world *w, uint64_t ns);
/* The clock as packetdrill reads it: a look takes a microsecond of virtual time. */
uint64_t world_look(struct world *w);

/* --- packetdrill_wire.c: the device -------------------------------------------------------------
 */

struct wire;

/* A point-to-point device that carries bare IP.  NULL: no memory. */
struct wire *wire_create(struct stack *st, uint32_t mtu);
struct netdev *wire_dev(struct wire *w);
/* From now on what is sent is lost. */
void wire_cut(struct wire *w, bool cut);
/* A datagram from the other side, with all that it causes.  0 or -ENOMEM. */
int wire_in(struct wire *w, const void *packet, size_t n);
/* The oldest datagram that left: its length and when (ns); 0: none. */
size_t wire_take(struct wire *w, void *buf, size_t n, uint64_t *when);
/* Real time: waits for one, at most so many ms. */
void wire_wait(struct wire *w, unsigned ms);

/* --- packetdrill_start.c: beginning and end -----------------------------------------------------
 */

#define PACKETDRILL_FDS 4096
#define PIPE_END (-2) /* in place of weft's descriptor: one of the kernel's, made for the script */

/*
 * What the table's first argument points to.
 *
 * LOCKING
 *	c	constant after creation		w	inside the world: world_enter()
 */
struct packetdrill {
	struct world *world;          /* c */
	struct stack *stack;          /* c */
	struct wire *wire;            /* c */
	bool paced;                   /* w: the device paces: new sockets do */
	int weft_fd[PACKETDRILL_FDS]; /* w: by kernel descriptor; 0: none; PIPE_END */
};

/* "key=value;key=value": a stack with one device.  Ends the process where it cannot. */
struct packetdrill *packetdrill_start(const char *flags);
void packetdrill_end(struct packetdrill *d);
/* packetdrill_ip.c: an ip(8) command.  0 or -errno. */
int packetdrill_ip(struct packetdrill *d, const char *command);
/* Around every call: the stack is this thread's until it leaves. */
void packetdrill_enter(struct packetdrill *d);
void packetdrill_leave(struct packetdrill *d);
