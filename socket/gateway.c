/*
 * socket/gateway.c - the gateway: its thread, what it waits for, its beginning and end.
 *
 * One thread, a program of its own stack: it waits in weft_poll() for an epoll instance of weft's and one
 * of the kernel's, and so may lead (net/lead.c).  Everything is edge triggered, and what is closed in a
 * round is freed when the round is over.  docs/unmodified.md has the whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ip/route.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "socket/gateway_priv.h"

#define EVENTS 64
#define BACKLOG 4096

/* --- events ------------------------------------------------------------------------------------- */

int gateway_watch_add(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events | EPOLLET, .data.ptr = w};

	return epoll_ctl(g->kernel, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
}

void gateway_watch_again(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events | EPOLLET, .data.ptr = w};

	epoll_ctl(g->kernel, EPOLL_CTL_MOD, w->fd, &ev);
}

/* A child that has not come to exec() has a copy, and epoll would go on telling of it. */
void gateway_watch_off(struct gateway *g, struct gateway_watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(g->kernel, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
}

void gateway_watch_close(struct gateway *g, struct gateway_watch *w)
{
	gateway_watch_off(g, w);
	w->gone = true;
}

/* Without memory it leaks: better than what an event already read would find. */
void gateway_free_later(struct gateway *g, void *p)
{
	if (g->ndead == g->dead_room) {
		unsigned room = g->dead_room ? 2 * g->dead_room : 64;
		void **dead = realloc(g->dead, room * sizeof(*dead));

		if (!dead)
			return;
		g->dead = dead;
		g->dead_room = room;
	}
	g->dead[g->ndead++] = p;
}

void gateway_let_in(struct gateway *g, struct gateway_watch *w,
		    void (*in)(struct gateway *g, int fd))
{
	int fd;

	for (int i = 0; i < GATEWAY_TURN; i++) {
		fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			g->starved |= errno != EAGAIN && errno != ECONNABORTED;
			return;
		}
		in(g, fd);
	}
	gateway_watch_again(g, w, EPOLLIN);
}

/* Of who waits yet nothing is told anew: tried again when something has happened, which may have closed some. */
static void starved_look(struct gateway *g)
{
	if (!g->starved)
		return;
	g->starved = false;
	gateway_request_ready(g, &g->request, EPOLLIN);
	gateway_data_ready(g, &g->data, EPOLLIN);
}

bool gateway_knows(const struct gateway *g, const uint8_t *secret)
{
	uint8_t differ = 0;

	for (int i = 0; i < PROGRAM_SECRET; i++)
		differ |= secret[i] ^ g->token.secret[i];
	return differ == 0;
}

static void end_event(struct gateway_end *e, uint32_t events)
{
	switch (e->role) {
	case GATEWAY_LISTENER:
		gateway_accept(e);
		break;
	case GATEWAY_CONNECTING:
		gateway_connected(e);
		break;
	case GATEWAY_STREAM:
		e->down_ready |= (events & ~(uint32_t)EPOLLOUT) != 0;
		gateway_stream_run(e);
		break;
	case GATEWAY_LINGERING:
		gateway_linger_look(e);
		break;
	case GATEWAY_DGRAM:
		gateway_dgram_run(e);
		break;
	default:
		break;
	}
}

static void stack_events(struct gateway *g)
{
	struct epoll_event ev[EVENTS];
	int n = weft_epoll_wait(g->epoll, ev, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct gateway_end *e = ev[i].data.ptr;

		if (!e->watch.gone)
			end_event(e, ev[i].events);
	}
}

static void kernel_events(struct gateway *g)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(g->kernel, ev, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct gateway_watch *w = ev[i].data.ptr;

		if (!w->gone)
			w->ready(g, w, ev[i].events);
	}
}

/* Those of the last round that had more than their turn. */
static void again(struct gateway *g)
{
	struct gateway_end_list list = TAILQ_HEAD_INITIALIZER(list);
	struct gateway_end *e;

	TAILQ_CONCAT(&list, &g->again, in_turn);
	while ((e = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, e, in_turn);
		e->again = false;
		end_event(e, EPOLLOUT);
	}
}

static void bury(struct gateway *g)
{
	while (g->ndead > 0)
		free(g->dead[--g->ndead]);
}

static void *gateway_thread(void *arg)
{
	struct gateway *g = arg;

	pthread_setname_np(pthread_self(), "gateway");
	weft_use(g->stack);
	netdev_wait_serves(g->stack);
	while (!g->stopping) {
		struct pollfd p[2] = {{.fd = g->epoll, .events = POLLIN},
				      {.fd = g->kernel, .events = POLLIN}};

		if (weft_poll(p, 2, TAILQ_EMPTY(&g->again) ? -1 : 0) < 0 && errno != EINTR)
			break;
		again(g);
		if (p[0].revents)
			stack_events(g);
		if (p[1].revents)
			kernel_events(g);
		bury(g);
		starved_look(g);
	}
	return NULL;
}

/* --- beginning ---------------------------------------------------------------------------------- */

/* A program has uncorked, and bytes wait for that; or it has set options. */
static void bell_rung(struct gateway *g, uint32_t id)
{
	struct gateway_end *e = gateway_end_find(g, id);

	if (!e)
		return;
	gateway_end_options(e);
	gateway_stream_bell(e);
}

static void bell_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	uint32_t id;
	ssize_t n = 0;

	for (int i = 0; i < GATEWAY_TURN && n >= 0; i++) {
		n = recv(w->fd, &id, sizeof(id), MSG_DONTWAIT);
		if (n == sizeof(id))
			bell_rung(g, id);
	}
	if (n >= 0)
		gateway_watch_again(g, w, EPOLLIN);
}

static void stop_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	g->stopping = true;
}

static int gateway_listens(struct gateway *g, struct gateway_watch *w, int type,
			   enum program_kind kind)
{
	const struct program_name n = {.kind = kind};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, g->token.instance, &n);

	w->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&sa, len) ||
	    (type != SOCK_DGRAM && listen(w->fd, BACKLOG)))
		return -errno;
	return gateway_watch_add(g, w, EPOLLIN);
}

static void token_draw(struct gateway *g)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint64_t r = env_random(g->stack->env);

	for (int i = 0; i < PROGRAM_INSTANCE; i++, r >>= 5)
		g->token.instance[i] = letters[r & 31];
	g->token.pid = (uint32_t)getpid();
	for (int i = 0; i < PROGRAM_SECRET; i += 8) {
		r = env_random(g->stack->env);
		memcpy(g->token.secret + i, &r, 8);
	}
}

/* Programs may write to it, but not make it shorter under us. */
static int table_make(struct gateway *g)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	g->table_fd = memfd_create("weft-programs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (g->table_fd < 0 || ftruncate(g->table_fd, sizeof(*g->table)) ||
	    fcntl(g->table_fd, F_ADD_SEALS, seals))
		return -errno;
	g->table =
	    mmap(NULL, sizeof(*g->table), PROT_READ | PROT_WRITE, MAP_SHARED, g->table_fd, 0);
	if (g->table == MAP_FAILED) {
		g->table = NULL;
		return -ENOMEM;
	}
	g->table->magic = PROGRAM_MAGIC;
	route_generation_show(g->stack, &g->table->routes);
	return 0;
}

/* Each program's socket is a descriptor here.  Remotes of UDP sockets, as many as anybody likes, have half of them. */
static void descriptors_raise(struct gateway *g)
{
	struct rlimit r;

	g->peers_max = GATEWAY_PEERS / 2;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		g->peers_max = r.rlim_max / 2 < UINT_MAX ? (unsigned)(r.rlim_max / 2) : UINT_MAX;
	}
}

static int gateway_open(struct gateway *g)
{
	int err = table_make(g);

	if (err)
		return err;
	g->buffer = malloc(GATEWAY_BUFFER);
	g->behind = malloc(GATEWAY_BEHIND);
	g->epoll = weft_epoll_create1(0);
	g->kernel = epoll_create1(EPOLL_CLOEXEC);
	g->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!g->buffer || !g->behind || g->epoll < 0 || g->kernel < 0 || g->stop.fd < 0)
		return -ENOMEM;
	err = gateway_watch_add(g, &g->stop, EPOLLIN);
	if (!err)
		err = gateway_listens(g, &g->data, SOCK_STREAM, PROGRAM_DATA);
	if (!err)
		err = gateway_listens(g, &g->request, SOCK_SEQPACKET, PROGRAM_REQUEST);
	if (!err)
		err = gateway_listens(g, &g->bell, SOCK_DGRAM, PROGRAM_BELL);
	return err;
}

static void gateway_free(struct gateway *g)
{
	struct gateway_watch *const watches[] = {&g->stop, &g->data, &g->request, &g->bell};

	for (unsigned i = 0; i < sizeof(watches) / sizeof(watches[0]); i++)
		gateway_watch_close(g, watches[i]);
	if (g->kernel >= 0)
		close(g->kernel);
	if (g->epoll >= 0)
		weft_close(g->epoll);
	route_generation_show(g->stack, NULL);
	if (g->table)
		munmap(g->table, sizeof(*g->table));
	if (g->table_fd >= 0)
		close(g->table_fd);
	bury(g);
	free(g->dead);
	free(g->buffer);
	free(g->behind);
	mutex_fini(&g->lock);
	free(g);
}

static int thread_start(struct gateway *g)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&g->thread, NULL, gateway_thread, g);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int gateway_start(struct stack *st, struct gateway **out)
{
	struct gateway *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	mutex_init(&g->lock, RANK_LEAF);
	g->stack = st;
	g->table_fd = g->epoll = g->kernel = -1;
	g->stop = (struct gateway_watch){.fd = -1, .ready = stop_ready};
	g->data = (struct gateway_watch){.fd = -1, .ready = gateway_data_ready};
	g->request = (struct gateway_watch){.fd = -1, .ready = gateway_request_ready};
	g->bell = (struct gateway_watch){.fd = -1, .ready = bell_ready};
	g->askers.ready = gateway_asker_ready;
	g->callers.ready = gateway_caller_ready;
	TAILQ_INIT(&g->again);
	token_draw(g);
	descriptors_raise(g);
	weft_use(st);
	err = gateway_open(g);
	if (!err)
		err = thread_start(g);
	weft_use(NULL);
	if (err)
		gateway_free(g);
	else
		*out = g;
	return err;
}

void gateway_stop(struct gateway *g)
{
	struct gateway_end *e;

	eventfd_write(g->stop.fd, 1);
	atomic_store(&g->table->lost, 1);
	pthread_join(g->thread, NULL);
	while ((e = RB_MIN(gateway_end_tree, &g->ends))) {
		if (e->role == GATEWAY_LISTENER)
			program_goodbye(g->token.instance, e->id, false);
		if (e->role == GATEWAY_DGRAM)
			gateway_dgram_goodbye(e);
		gateway_end_close(e);
	}
	gateway_processes_end(g);
	gateway_strangers_end(g, &g->askers);
	gateway_strangers_end(g, &g->callers);
	gateway_free(g);
}

const struct program_token *gateway_token(const struct gateway *g)
{
	return &g->token;
}
