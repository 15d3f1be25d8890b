/*
 * tests/sim/lab_pump.c - the programs: what each end of a connection does when it can.
 *
 * A client sends what its round asks for, a server answers each round; an end that has all and has said its
 * last closes.  Of many connections an odd one ends its half at once, and with every third the server is the
 * first to end, so that each end comes to TIME-WAIT.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/lab_world.h"

#define PATIENCE_NS (60 * NSEC_PER_SEC) /* after a reset the other end may never hear of it */

static struct lab_end *other(const struct lab_end *e)
{
	struct lab_conn *c = e->conn;

	return &c->end[e == &c->end[0]];
}

static bool is_client(const struct lab_end *e)
{
	return e == &e->conn->end[LAB_CLIENT];
}

/* Streams begin at different places of the pattern. */
static const uint8_t *stream_at(const struct lab_end *e, uint64_t at)
{
	const struct lab_conn *c = e->conn;
	uint64_t salt =
	    (uint64_t)(c->run - c->w->run) * 9973 + c->number * 31ull + is_client(e) * 17;

	return c->w->pattern + (at + salt) % LAB_PATTERN;
}

/* --- errors and the end --------------------------------------------------------------------------- */

/*
 * A request may run out of time as its last answer travels; and a cookie is not to be seen in what comes behind a
 * lost third ACK.
 */
static bool server_may_refuse(const struct lab_conn *c)
{
	struct stack *st = c->w->node[c->run->job->to].stack;

	return !c->end[LAB_SERVER].sk || mib_read(st, MIB_TcpExt_SyncookiesFailed);
}

/* Is it what the network explains: nothing got through for long, or the other end had to give up? */
static bool error_expected(const struct lab_end *e, int err)
{
	const struct lab_conn *c = e->conn;

	if (c->reset || other(e)->err)
		return true;
	if (err == ECONNRESET)
		return c->hurt && server_may_refuse(c);
	if (err == ETIMEDOUT || err == EHOSTUNREACH)
		return lab_end_cut_off(e);
	return false;
}

static void end_fails(struct lab_end *e, int err)
{
	if (!error_expected(e, err))
		lab_violate_end(e, "the connection fails: %s", strerror(err));
	e->err = err;
	lab_end_close(e, false);
}

static void conn_over(struct lab_conn *c)
{
	struct lab_end *v = &c->end[LAB_SERVER];

	if (c->over || c->end[LAB_CLIENT].fd >= 0 || v->fd >= 0)
		return;
	if (!v->sk && !c->end[LAB_CLIENT].err && !c->reset)
		return; /* not accepted yet */
	c->over = true;
	c->ended = lab_now(c->w);
	lab_job_conn_over(c);
}

/* --- sending -------------------------------------------------------------------------------------- */

/* Bytes that e may have sent by now. */
static uint64_t end_may_send(const struct lab_end *e)
{
	const struct lab_conn *c = e->conn;
	const struct lab_job *j = c->run->job;

	if (is_client(e))
		return c->thinking ? j->up * (c->round - 1) : j->up * c->round;
	if (j->kind == LAB_HALFCLOSE)
		return e->eof ? e->todo : 0;
	if (j->both || j->up == 0)
		return e->todo;
	return j->down * (e->got / j->up);
}

/* Is it e's turn to end its half?  All is sent. */
static bool end_may_shut(const struct lab_end *e)
{
	const struct lab_conn *c = e->conn;
	bool has_all = e->got == other(e)->todo;

	if (c->run->job->fastopen && is_client(e) && lab_end_opens(e))
		return false; /* it would end the connection (RFC 9293, 3.10.4) */
	switch (c->run->job->kind) {
	case LAB_RR:
		return is_client(e) ? has_all : e->eof;
	case LAB_MANY:
		if (c->number % 3 == 2)
			return is_client(e) ? e->eof : has_all;
		return is_client(e) ? has_all || c->number % 2 : e->eof;
	default:
		return is_client(e) || e->eof;
	}
}

static bool end_again(struct lab_end *e)
{
	if (errno != EAGAIN && errno != ENOTCONN)
		end_fails(e, errno);
	return false;
}

/* True: something went. */
static bool end_send(struct lab_end *e)
{
	uint64_t n = end_may_send(e) - e->sent;
	uint32_t chunk = e->conn->run->job->chunk;
	ssize_t r;

	if (chunk == 0 || chunk > LAB_CHUNK)
		chunk = LAB_CHUNK;
	if (n > 0) {
		n = n < chunk ? n : chunk;
		r = weft_send(e->fd, stream_at(e, e->sent), n, MSG_NOSIGNAL);
		if (r < 0)
			return end_again(e);
		e->sent += (uint64_t)r;
		lab_conn_port(e->conn);
		return r > 0;
	}
	if (e->sent < e->todo || !end_may_shut(e))
		return false;
	if (weft_shutdown(e->fd, SHUT_WR) < 0)
		return end_again(e);
	e->shut = true;
	lab_conn_port(e->conn);
	return true;
}

/* --- receiving ------------------------------------------------------------------------------------ */

static void end_take(struct lab_end *e, const uint8_t *bytes, size_t n)
{
	struct lab_end *o = other(e);

	if (e->got + n > o->sent)
		lab_violate_end(e, "it got %llu bytes, and %llu were sent",
				(unsigned long long)(e->got + n), (unsigned long long)o->sent);
	else if (memcmp(bytes, stream_at(o, e->got), n) != 0)
		lab_violate_end(e, "the bytes from %llu on are not those that were sent",
				(unsigned long long)e->got);
	e->got += n;
	if (!is_client(e))
		e->conn->run->got += n;
}

static void end_eof(struct lab_end *e)
{
	struct lab_end *o = other(e);

	e->eof = true;
	if (e->got < o->todo && !e->conn->reset && !o->err)
		lab_violate_end(e, "the stream ends after %llu of %llu bytes",
				(unsigned long long)e->got, (unsigned long long)o->todo);
}

static bool end_recv(struct lab_end *e, size_t most)
{
	struct lab_world *w = e->conn->w;
	ssize_t r = weft_recv(e->fd, w->buf, most, 0);

	if (r < 0)
		return end_again(e);
	if (r == 0)
		end_eof(e);
	else
		end_take(e, w->buf, (size_t)r);
	return true;
}

/* --- times ---------------------------------------------------------------------------------------- */

static void conn_timer(void *arg, struct lab_frame *f)
{
	struct lab_conn *c = arg;

	c->timers--;
	c->thinking = false;
	c->slow_waits = false;
	lab_end_ready(&c->end[LAB_CLIENT]);
	lab_end_ready(&c->end[LAB_SERVER]);
}

static void conn_sleep(struct lab_conn *c, uint64_t ns)
{
	c->timers++;
	lab_at(c->w, env_now(c->w->env) + ns, conn_timer, c, NULL);
}

static bool read_slowly(struct lab_end *e)
{
	struct lab_conn *c = e->conn;
	const struct lab_job *j = c->run->job;

	if (c->slow_waits || !end_recv(e, j->read < LAB_CHUNK ? j->read : LAB_CHUNK))
		return false;
	if (!e->eof) {
		c->slow_waits = true;
		conn_sleep(c, j->every);
	}
	return true;
}

/* The client has its answer: the next round. */
static bool round_next(struct lab_conn *c)
{
	const struct lab_job *j = c->run->job;

	if (c->round == j->rounds || c->end[LAB_CLIENT].got < j->down * c->round)
		return false;
	c->round++;
	if (j->think) {
		c->thinking = true;
		conn_sleep(c, j->think);
	}
	return true;
}

/* --- pumping -------------------------------------------------------------------------------------- */

/* Only who was woken goes on: a wake-up that is forgotten must show. */
static bool end_pump(struct lab_end *e)
{
	bool moved = false;

	if (e->fd < 0 || !e->awake || (is_client(e) && !e->conn->connected))
		return false;
	if (!e->shut)
		moved = end_send(e);
	if (e->fd >= 0 && !e->eof) {
		if (!is_client(e) && e->conn->run->job->kind == LAB_SLOWREADER)
			moved |= read_slowly(e);
		else
			moved |= end_recv(e, LAB_CHUNK);
	}
	if (e->fd >= 0 && e->shut && e->eof) {
		lab_end_close(e, false);
		moved = true;
	}
	return moved;
}

static void client_connected(struct lab_conn *c)
{
	struct lab_end *e = &c->end[LAB_CLIENT];
	struct pollfd p = {.fd = e->fd, .events = POLLOUT};
	int err = 0;
	socklen_t n = sizeof(err);

	if (c->connected || e->fd < 0 || weft_poll(&p, 1, 0) != 1)
		return;
	if (weft_getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 && err) {
		end_fails(e, err);
		return;
	}
	c->connected = true;
	lab_conn_moved(c);
}

/* One end vanishes; a program at the other end has some patience, no more. */
static void conn_reset(struct lab_conn *c)
{
	const struct lab_job *j = c->run->job;

	if (j->kind != LAB_RESET || c->reset || c->end[LAB_SERVER].got < j->after ||
	    c->end[LAB_SERVER].fd < 0 || c->end[LAB_CLIENT].fd < 0)
		return;
	c->reset = true;
	lab_end_close(&c->end[j->by_server ? LAB_SERVER : LAB_CLIENT], true);
	conn_sleep(c, PATIENCE_NS);
}

static void patience_ends(struct lab_conn *c)
{
	if (!c->reset || c->timers)
		return;
	lab_end_close(&c->end[0], true);
	lab_end_close(&c->end[1], true);
}

/* Its program was done, and the stack gave up what was still to be sent. */
static bool end_gave_up(const struct lab_end *e)
{
	return e->sk && e->fd < 0 && (e->sk->err == ETIMEDOUT || e->sk->err == EHOSTUNREACH) &&
	       lab_end_cut_off(e);
}

/* Who only waits is not told that its peer has given up: its program does not wait for ever. */
static void widow_close(struct lab_conn *c)
{
	if (end_gave_up(&c->end[0]) || end_gave_up(&c->end[1])) {
		c->reset = true;
		lab_end_close(&c->end[0], true);
		lab_end_close(&c->end[1], true);
	}
	if (c->end[LAB_CLIENT].err && c->end[LAB_SERVER].fd >= 0)
		lab_end_close(&c->end[LAB_SERVER], true);
	if (c->end[LAB_SERVER].err && c->end[LAB_CLIENT].fd >= 0)
		lab_end_close(&c->end[LAB_CLIENT], true);
}

void lab_pump_forlorn(struct lab_conn *c)
{
	if (c->over)
		return;
	widow_close(c);
	conn_over(c);
}

void lab_pump(struct lab_conn *c)
{
	bool moved = true;

	if (c->over)
		return;
	client_connected(c);
	while (moved && !c->w->bad.set) {
		moved = end_pump(&c->end[LAB_CLIENT]);
		moved |= end_pump(&c->end[LAB_SERVER]);
		moved |= round_next(c);
		conn_reset(c);
		if (moved)
			lab_conn_moved(c);
	}
	c->end[LAB_CLIENT].awake = c->end[LAB_SERVER].awake = false;
	patience_ends(c);
	widow_close(c);
	conn_over(c);
}
