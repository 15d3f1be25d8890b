/*
 * socket/socket.h - for the shell: whole stacks by their parts, and what a command's thread needs.
 */
#pragma once
#include "lib/stack.h"
#include "net/netdev.h"
#include <weft/weft.h>

struct sock_sink;

/*
 * A stack of every room with its loop device up, on any env, without a thread: what the lab and the
 * tests drive.  NULL: no memory.
 */
struct stack *stack_create(struct env *env);
/* Starts the timer threads, and a netdev thread for each device there is.  0 or -errno. */
int stack_threads_start(struct stack *st);
/* Joins every thread, closes every socket's sock, ends every room.  The env is the caller's. */
void stack_destroy(struct stack *st);
/* Opens a device by its spec, gives it its address and brings it up.  0 or -errno. */
int stack_device_open(struct stack *st, const struct weft_device *d, struct netdev **out);
/* RFC 5227, 2.3: whoever knew its address by another MAC, of a stack before this one, learns the new one. */
void stack_device_announce(struct netdev *dev);

/* The calling thread's waiter in st: who cancels a job sets its `cancel` and wakes it. */
struct waiter *stack_waiter(struct stack *st);

/*
 * As recv() of a stream with MSG_DONTWAIT, but up to `most` bytes go to the sink where they lie.  EAGAIN too when it
 * takes none.
 */
ssize_t socket_drain(int fd, struct sock_sink *sink, size_t most);

/* For `ss` and `stat`: what the descriptor table knows. */
struct socket_view {
	int fd;
	int type;        /* SOCK_STREAM, ... */
	struct sock *sk; /* valid during the call */
};
void socket_each(struct stack *st, void (*fn)(const struct socket_view *v, void *arg), void *arg);
