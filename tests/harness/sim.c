/*
 * tests/harness/sim.c - see sim.h: the world and its programs.
 */
#include "tests/harness/sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "net/ifaddr.h"

#define SIM_CHUNK 65536
#define SIM_STREAM (16u << 20) /* bytes of a stream, at most */

/* --- the world ----------------------------------------------------------------------------------
 */

static void sim_seen(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out)
{
	static uint8_t bytes[PKBUF_MAX];
	struct sim *s = c->arg;
	uint64_t h = s->hash ^ env_now(s->env);

	if (!out)
		return;
	pkbuf_read(b, 0, bytes, b->len);
	for (uint32_t i = 0; i < b->len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	s->hash = h;
	s->frames++;
}

static void sim_gauges(struct sim *s, int64_t g[2][GAUGE_MAX])
{
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < GAUGE_MAX; k++)
			g[i][k] = gauge_read(s->st[i], k);
	}
}

static void sim_wire(struct sim *s)
{
	struct veth_end end[2];

	for (unsigned i = 0; i < 2; i++)
		end[i] = (struct veth_end){.stack = s->st[i], .name = "veth0"};
	ck_assert_int_eq(veth_create(&end[0], &end[1]), 0);
	s->dev[0] = end[0].dev;
	s->dev[1] = end[1].dev;
	for (unsigned i = 0; i < 2; i++) {
		struct ip_addr own = ip_addr4(0x0a000001 + i), other = ip_addr4(0x0a000002 - i);
		struct batch b;

		batch_begin(&b, s->st[i]);
		netdev_up(s->dev[i]);
		if (s->cfg.mtu)
			ck_assert_int_eq(netdev_set_mtu(s->dev[i], s->cfg.mtu), 0);
		ck_assert_int_eq(ifaddr_add(s->dev[i], &own, IP_PREFIX4(24)), 0);
		ck_assert_int_eq(neigh_add_permanent(s->dev[i], &other, s->dev[1 - i]->mac), 0);
		batch_end(&b);
	}
}

static void sim_impair(struct sim *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct netem_config n = s->cfg.netem;

		n.seed = s->cfg.seed * 2 + i + 1;
		ck_assert_int_eq(netem_set(s->dev[i], NETEM_OUT, &n), 0);
		s->cap[i] = (struct capture){.fn = sim_seen, .arg = s};
		capture_add(s->dev[i], &s->cap[i]);
	}
}

static void sim_buffers(const struct sim *s, int fd)
{
	if (s->cfg.sndbuf)
		weft_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &s->cfg.sndbuf, sizeof(int));
	if (s->cfg.rcvbuf)
		weft_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &s->cfg.rcvbuf, sizeof(int));
}

static struct sockaddr_in sim_server(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(SIM_PORT)};

	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	return a;
}

static void sim_listen(struct sim *s)
{
	struct sockaddr_in a = sim_server();

	weft_use(s->st[1]);
	s->listener = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	sim_buffers(s, s->listener);
	ck_assert_int_eq(weft_bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(weft_listen(s->listener, SIM_FLOWS), 0);
}

void sim_open(struct sim *s, const struct sim_config *cfg)
{
	memset(s, 0, sizeof(*s));
	s->cfg = *cfg;
	s->env = env_lab_create(cfg->seed);
	ck_assert_ptr_nonnull(s->env);
	for (unsigned i = 0; i < 2; i++) {
		s->st[i] = stack_create(s->env);
		ck_assert_ptr_nonnull(s->st[i]);
	}
	sim_wire(s);
	env_lab_advance(s->env, 20 * NSEC_PER_SEC);
	sim_gauges(s, s->gauge);
	sim_impair(s);
	sim_listen(s);
}

static void sim_end_close(struct sim_end *e)
{
	if (e->fd >= 0)
		ck_assert_int_eq(weft_close(e->fd), 0);
	e->fd = -1;
}

void sim_close(struct sim *s)
{
	int64_t g[2][GAUGE_MAX];

	for (unsigned i = 0; i < s->nflows; i++) {
		sim_end_close(&s->flow[i].end[0]);
		sim_end_close(&s->flow[i].end[1]);
	}
	weft_close(s->listener);
	env_lab_advance(s->env, 7200 * NSEC_PER_SEC);
	sim_gauges(s, g);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < GAUGE_MAX; k++)
			ck_assert_msg(g[i][k] == s->gauge[i][k], "stack %u, %s: %lld, was %lld", i,
				      gauge_info[k].text, (long long)g[i][k],
				      (long long)s->gauge[i][k]);
		capture_del(s->dev[i], &s->cap[i]);
	}
	weft_use(NULL);
	stack_destroy(s->st[0]);
	stack_destroy(s->st[1]);
	env_lab_destroy(s->env);
}

/* --- the programs -------------------------------------------------------------------------------
 */

struct sim_flow *sim_flow(struct sim *s, uint32_t up, uint32_t down)
{
	struct sockaddr_in a = sim_server();
	socklen_t n = sizeof(a);
	struct sim_flow *f = &s->flow[s->nflows++];
	int fd, r;

	ck_assert_uint_le(s->nflows, SIM_FLOWS);
	weft_use(s->st[0]);
	fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	sim_buffers(s, fd);
	r = weft_connect(fd, (struct sockaddr *)&a, sizeof(a));
	ck_assert(r == 0 || errno == EINPROGRESS);
	ck_assert_int_eq(weft_getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*f = (struct sim_flow){
	    .end = {{.fd = fd, .todo = up}, {.fd = -1, .todo = down}},
	    .used = true,
	    .port = ntohs(a.sin_port),
	};
	return f;
}

static bool end_over(const struct sim_end *e)
{
	return e->err || (e->shut && e->eof);
}

bool sim_done(const struct sim_flow *f)
{
	return end_over(&f->end[0]) && (f->end[0].err || f->end[1].err || end_over(&f->end[1]));
}

static bool again(struct sim_end *e)
{
	if (errno != EAGAIN && errno != ENOTCONN)
		e->err = errno;
	return false;
}

/* n bytes of every stream, made once: programs that are refused try again and again. */
static const uint8_t *stream_at(uint32_t from, uint32_t n)
{
	static uint8_t bytes[SIM_STREAM];
	static uint32_t made;

	ck_assert_uint_le(from + n, sizeof(bytes));
	if (made < from + n) {
		stream_fill(bytes + made, from + n - made, made);
		made = from + n;
	}
	return bytes + from;
}

/* True: something was sent. */
static bool end_send(struct sim_end *e, uint32_t chunk)
{
	uint32_t n = e->todo - e->sent;
	ssize_t r;

	if (e->shut)
		return false;
	if (n == 0) {
		e->shut = true;
		if (weft_shutdown(e->fd, SHUT_WR) < 0) {
			e->err = errno;
			return false;
		}
		return true;
	}
	n = n < chunk ? n : chunk;
	r = weft_send(e->fd, stream_at(e->sent, n), n, MSG_NOSIGNAL);
	if (r < 0)
		return again(e);
	e->sent += (uint32_t)r;
	return r > 0;
}

static bool end_recv(struct sim_end *e, uint32_t chunk)
{
	static uint8_t bytes[SIM_CHUNK];
	ssize_t r;

	if (e->eof)
		return false;
	r = weft_recv(e->fd, bytes, chunk, 0);
	if (r < 0)
		return again(e);
	if (r == 0)
		e->eof = true;
	ck_assert_msg(stream_is(bytes, (uint32_t)r, e->got), "bytes at %u are wrong", e->got);
	e->got += (uint32_t)r;
	return true;
}

/* The client is through connect(): a FIN must not be asked for before. */
static bool end_connected(const struct sim_end *e)
{
	struct pollfd p = {.fd = e->fd, .events = POLLOUT};

	return weft_poll(&p, 1, 0) == 1;
}

static bool flow_pump(struct sim *s, struct sim_flow *f)
{
	uint32_t chunk = f->chunk && f->chunk < SIM_CHUNK ? f->chunk : SIM_CHUNK;
	struct sim_end *c = &f->end[0], *v = &f->end[1];
	bool moved = false;

	if (c->fd >= 0 && !end_over(c) && (c->sent || end_connected(c))) {
		moved |= end_send(c, chunk);
		if (!c->err)
			moved |= end_recv(c, chunk);
	}
	if (v->fd < 0 || end_over(v))
		return moved;
	if (!f->answer_late || v->eof)
		moved |= end_send(v, chunk);
	if (!v->err && env_now(s->env) >= f->next_read) {
		if (end_recv(v, chunk)) {
			f->next_read = env_now(s->env) + f->pause;
			moved = true;
		}
	}
	return moved;
}

static void sim_accept(struct sim *s)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	int fd;

	while ((fd = weft_accept4(s->listener, (struct sockaddr *)&a, &n, SOCK_NONBLOCK)) >= 0) {
		struct sim_flow *f = s->flow;

		while (f < s->flow + s->nflows && (f->accepted || f->port != ntohs(a.sin_port)))
			f++;
		if (f == s->flow + s->nflows) {
			weft_close(fd);
			continue;
		}
		f->accepted = true;
		f->end[1].fd = fd;
	}
}

static void sim_pump(struct sim *s)
{
	bool moved = true;

	sim_accept(s);
	for (unsigned rounds = 0; moved && rounds < 1000; rounds++) {
		moved = false;
		for (unsigned i = 0; i < s->nflows; i++) {
			if (s->flow[i].used && !sim_done(&s->flow[i]))
				moved |= flow_pump(s, &s->flow[i]);
		}
	}
}

/* When a program that sleeps between reads looks again; ENV_NEVER: none does. */
static uint64_t sim_next_read(const struct sim *s)
{
	uint64_t first = ENV_NEVER;

	for (unsigned i = 0; i < s->nflows; i++) {
		const struct sim_flow *f = &s->flow[i];

		if (f->pause && !sim_done(f) && f->next_read < first &&
		    f->next_read > env_now(s->env))
			first = f->next_read;
	}
	return first;
}

bool sim_step(struct sim *s, uint64_t until)
{
	uint64_t read, now;
	bool more;

	sim_pump(s);
	read = sim_next_read(s);
	more = env_lab_step(s->env, read < until ? read : until);
	now = env_now(s->env);
	if (!more && read < until) {
		env_lab_advance(s->env, read - now);
		more = true;
	}
	s->events++;
	if (!s->cfg.whole || s->events % 64 == 0)
		sim_invariants(s);
	return more;
}

static bool sim_all_done(const struct sim *s)
{
	for (unsigned i = 0; i < s->nflows; i++) {
		if (s->flow[i].used && !sim_done(&s->flow[i]))
			return false;
	}
	return true;
}

void sim_run(struct sim *s, uint64_t seconds)
{
	uint64_t until = env_now(s->env) + seconds * NSEC_PER_SEC;

	sim_pump(s);
	while (!sim_all_done(s) && sim_step(s, until))
		;
	sim_pump(s);
	for (unsigned i = 0; i < s->nflows; i++) {
		const struct sim_end *e = s->flow[i].end;

		ck_assert_msg(
		    sim_done(&s->flow[i]),
		    "flow %u is not over after %llu s: sent %u/%u got %u, sent %u/%u got %u", i,
		    (unsigned long long)seconds, e[0].sent, e[0].todo, e[0].got, e[1].sent,
		    e[1].todo, e[1].got);
	}
}

void sim_check(const struct sim_flow *f)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct sim_end *e = &f->end[i];

		ck_assert_msg(!e->err, "end %u: %s", i, strerror(e->err));
		ck_assert_uint_eq(e->got, f->end[1 - i].todo);
		ck_assert(e->eof && e->shut);
	}
}
