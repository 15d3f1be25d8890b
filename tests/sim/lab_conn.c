/*
 * tests/sim/lab_conn.c - a connection's life: opened, accepted, told of events, let go when both its socks are
 * gone.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "tcp/tcp.h"
#include "tests/sim/lab_world.h"

/* Frames lost since either end got on: the end that gives up may have been cut off for longer. */
#define CUT_OFF 2u

static bool end_event(struct wait_entry *e)
{
	struct lab_end *end = (struct lab_end *)((char *)e - offsetof(struct lab_end, wait));

	lab_end_ready(end);
	return true;
}

void lab_end_ready(struct lab_end *e)
{
	struct lab_conn *c = e->conn;

	e->awake = true;
	if (c->ready)
		return;
	c->ready = true;
	c->next_ready = NULL;
	*c->w->ready_tail = c;
	c->w->ready_tail = &c->next_ready;
}

void lab_conn_moved(struct lab_conn *c)
{
	c->moved = lab_now(c->w);
	c->taken_before = c->taken;
}

bool lab_conn_cut_off(const struct lab_conn *c)
{
	return c->taken - c->taken_before >= CUT_OFF || c->w->hurt > c->moved;
}

bool lab_end_cut_off(const struct lab_end *e)
{
	return e->conn->taken - e->taken_before >= CUT_OFF || lab_conn_cut_off(e->conn);
}

/* From here on e has a descriptor, and its sock is looked at until it is gone. */
static void end_begin(struct lab_end *e, int fd)
{
	e->fd = fd;
	e->socket = fd_get(fd, SOCKET_REF);
	e->sk = sock_hold(e->socket->sk);
	e->wait = (struct wait_entry){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP, .fn = end_event};
	wait_add(e->socket, &e->wait);
}

void lab_end_close(struct lab_end *e, bool reset)
{
	struct linger l = {.l_onoff = 1};

	if (e->fd < 0)
		return;
	if (reset)
		weft_setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	wait_del(e->socket, &e->wait);
	socket_put(e->socket, SOCKET_REF);
	e->socket = NULL;
	if (weft_close(e->fd) < 0)
		lab_violate_end(e, "close() fails: %s", strerror(errno));
	e->fd = -1;
}

/* --- opening -------------------------------------------------------------------------------------- */

static bool client_connect(struct lab_conn *c, int fd)
{
	const struct lab_run *r = c->run;
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);

	a.sin_port = htobe16((uint16_t)(LAB_PORT + (unsigned)(r - c->w->run)));
	a.sin_addr.s_addr = htobe32(c->w->node[r->job->to].addr);
	if (weft_connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno != EINPROGRESS) {
		if (errno != EADDRNOTAVAIL)
			lab_violate_end(&c->end[0], "connect() fails: %s", strerror(errno));
		return false;
	}
	weft_getsockname(fd, (struct sockaddr *)&a, &n);
	c->port = be16toh(a.sin_port);
	return true;
}

/* With Fast Open it may come only with the first byte. */
void lab_conn_port(struct lab_conn *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);

	if (c->port || c->end[LAB_CLIENT].fd < 0)
		return;
	weft_getsockname(c->end[LAB_CLIENT].fd, (struct sockaddr *)&a, &n);
	c->port = be16toh(a.sin_port);
	if (c->port)
		lab_conn_hash(c);
}

static struct lab_conn *conn_alloc(struct lab_run *r)
{
	struct lab_conn *c = calloc(1, sizeof(*c));
	const struct lab_job *j = r->job;

	if (!c) {
		lab_violate(r->w, "no memory for a connection");
		return NULL;
	}
	c->w = r->w;
	c->run = r;
	c->number = r->begun;
	c->round = 1;
	c->begun = c->moved = lab_now(r->w);
	for (unsigned i = 0; i < 2; i++) {
		c->end[i].conn = c;
		c->end[i].fd = -1;
	}
	c->end[LAB_CLIENT].todo = j->up * j->rounds;
	c->end[LAB_SERVER].todo = j->down * j->rounds;
	return c;
}

static void conn_link(struct lab_conn *c)
{
	struct lab_world *w = c->w;

	c->next = w->conns;
	c->prev = &w->conns;
	if (c->next)
		c->next->prev = &c->next;
	w->conns = c;
	if (c->port)
		lab_conn_hash(c);
	w->connections++;
}

struct lab_conn *lab_conn_open(struct lab_run *r)
{
	struct lab_conn *c = conn_alloc(r);
	int fd;

	if (!c)
		return NULL;
	weft_use(r->w->node[r->job->from].stack);
	fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		lab_violate(r->w, "socket() fails: %s", strerror(errno));
	if (fd < 0 || !lab_options_set(&c->end[0], fd) || !client_connect(c, fd)) {
		if (fd >= 0)
			weft_close(fd);
		free(c);
		return NULL;
	}
	if (r->begun == 0)
		r->first = lab_now(r->w);
	r->begun++;
	conn_link(c);
	end_begin(&c->end[LAB_CLIENT], fd);
	lab_end_ready(&c->end[LAB_CLIENT]);
	return c;
}

static struct lab_conn *conn_of_port(struct lab_run *r, uint16_t port)
{
	struct lab_conn *c;

	for (c = r->w->conns; c; c = c->next) {
		if (c->run == r && c->port == port && !c->end[LAB_SERVER].sk)
			return c;
	}
	return NULL;
}

void lab_conn_accept(struct lab_run *r)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	struct lab_conn *c;
	int fd;

	while ((fd = weft_accept4(r->listener, (struct sockaddr *)&a, &n, SOCK_NONBLOCK)) >= 0) {
		c = conn_of_port(r, be16toh(a.sin_port));
		n = sizeof(a);
		if (!c || c->over) { /* the client has given up */
			weft_close(fd);
			continue;
		}
		end_begin(&c->end[LAB_SERVER], fd);
		lab_options_set(&c->end[LAB_SERVER], fd);
		lab_conn_moved(c);
		lab_end_ready(&c->end[LAB_SERVER]);
	}
	if (errno != EAGAIN)
		lab_violate(r->w, "accept() fails: %s", strerror(errno));
}

/* --- the end -------------------------------------------------------------------------------------- */

static bool end_gone(const struct lab_end *e)
{
	return !e->sk || (e->fd < 0 && atomic_load(&e->sk->c.state) == TCP_CLOSE);
}

static void end_put(struct lab_end *e)
{
	struct batch b;

	if (!e->sk)
		return;
	batch_begin(&b, e->sk->stack);
	sock_put(e->sk);
	batch_end(&b);
	e->sk = NULL;
}

void lab_conn_free(struct lab_conn *c)
{
	end_put(&c->end[0]);
	end_put(&c->end[1]);
	lab_conn_unhash(c);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

bool lab_conn_settle(struct lab_conn *c)
{
	if (!c->over || c->timers || c->ready || c->touched || !end_gone(&c->end[0]) ||
	    !end_gone(&c->end[1]))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		c->run->carried += c->carried[i];
		if (c->end[i].sk)
			c->run->retrans += lab_end_retrans(&c->end[i]);
	}
	lab_conn_free(c);
	return true;
}
