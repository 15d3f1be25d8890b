/*
 * shell/cmd_inetd.c - `inetd`: echo, discard, chargen and daytime (RFC 862, 863, 864, 867) on TCP and UDP.
 *
 * A service is a row of a table.  Over UDP nobody who speaks from a port below 1024 is answered, or two
 * such services, given each other's address, would talk for ever.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shell/parse.h"
#include "shell/serve.h"

#define INETD_BUF 65536u
#define INETD_TURNS 4 /* reads of one connection before the others' turn */
#define CHARGEN_LINE 74u
#define CHARGEN_LINES 95u
#define CHARGEN_RING (CHARGEN_LINE * CHARGEN_LINES)

struct inetd_conn;

struct inetd_service {
	const char *name;
	uint16_t port;
	short events; /* of a new connection */
	bool (*stream)(struct serve *s, struct inetd_conn *conn, short revents);
	/* The answer to n bytes in buf, made there; its length, -1: none. */
	ssize_t (*dgram)(struct serve *s, char *buf, size_t n);
};

/* A listener, a UDP socket, or a connection. */
struct inetd_conn {
	struct serve_entry e; /* first: what serve frees */
	const struct inetd_service *service;
	char *rest; /* echo: what could not be sent yet; NULL: nothing */
	size_t off, len;
	bool eof; /* chargen: the client has ended its half */
};

struct inetd {
	char buf[INETD_BUF];
	char ring[CHARGEN_RING];
};

static struct inetd *inetd_of(struct serve *s)
{
	return s->arg;
}

static void inetd_conn_free(struct serve_entry *e)
{
	struct inetd_conn *conn = (struct inetd_conn *)e;

	free(conn->rest);
	free(conn);
}

static struct inetd_conn *inetd_conn_new(const struct inetd_service *service, int fd)
{
	struct inetd_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->service = service;
	conn->e.fd = fd;
	conn->e.free = inetd_conn_free;
	return conn;
}

/* True: try again later; false: the connection is over. */
static bool inetd_again(ssize_t r)
{
	return r < 0 && (errno == EAGAIN || errno == EINTR);
}

/* --- echo -------------------------------------------------------------------------------------- */

/* Sends what was left over; true: nothing is left now. */
static bool echo_flush(struct inetd_conn *conn, bool *alive)
{
	ssize_t r =
	    weft_send(conn->e.fd, conn->rest + conn->off, conn->len - conn->off, MSG_NOSIGNAL);

	*alive = r >= 0 || inetd_again(r);
	if (r > 0)
		conn->off += (size_t)r;
	if (!*alive || conn->off < conn->len)
		return false;
	free(conn->rest);
	conn->rest = NULL;
	conn->e.events = POLLIN;
	return true;
}

static bool echo_keep(struct inetd_conn *conn, const char *data, size_t n)
{
	conn->rest = malloc(n);
	if (!conn->rest)
		return false;
	memcpy(conn->rest, data, n);
	conn->off = 0;
	conn->len = n;
	conn->e.events = POLLOUT;
	return true;
}

static bool echo_stream(struct serve *s, struct inetd_conn *conn, short revents)
{
	char *buf = inetd_of(s)->buf;
	bool alive;
	ssize_t n, sent;

	if (conn->rest && !echo_flush(conn, &alive))
		return alive;
	for (int turn = 0; turn < INETD_TURNS; turn++) {
		n = weft_recv(conn->e.fd, buf, INETD_BUF, 0);
		if (n <= 0)
			return inetd_again(n);
		sent = weft_send(conn->e.fd, buf, (size_t)n, MSG_NOSIGNAL);
		if (sent < 0 && !inetd_again(sent))
			return false;
		if (sent < 0)
			sent = 0;
		if (sent < n)
			return echo_keep(conn, buf + sent, (size_t)(n - sent));
	}
	return true;
}

static ssize_t echo_dgram(struct serve *s, char *buf, size_t n)
{
	return (ssize_t)n;
}

/* --- discard ----------------------------------------------------------------------------------- */

static bool discard_stream(struct serve *s, struct inetd_conn *conn, short revents)
{
	ssize_t n = 1;

	for (int turn = 0; turn < INETD_TURNS && n > 0; turn++)
		n = weft_recv(conn->e.fd, inetd_of(s)->buf, INETD_BUF, 0);
	return n > 0 || inetd_again(n);
}

static ssize_t discard_dgram(struct serve *s, char *buf, size_t n)
{
	return -1;
}

/* --- chargen ----------------------------------------------------------------------------------- */

/* Lines of 72 of the 95 printing characters, each begun one character further. */
static void chargen_fill(char *ring)
{
	for (unsigned line = 0; line < CHARGEN_LINES; line++) {
		char *to = ring + line * CHARGEN_LINE;

		for (unsigned i = 0; i < CHARGEN_LINE - 2; i++)
			to[i] = (char)(' ' + (line + i) % CHARGEN_LINES);
		memcpy(to + CHARGEN_LINE - 2, "\r\n", 2);
	}
}

/* A client that has only ended its own half still reads. */
static bool chargen_stream(struct serve *s, struct inetd_conn *conn, short revents)
{
	ssize_t n;

	if (!conn->eof && (revents & POLLIN)) {
		n = weft_recv(conn->e.fd, inetd_of(s)->buf, INETD_BUF, 0);
		if (n < 0 && !inetd_again(n))
			return false;
		conn->eof = n == 0;
		conn->e.events = conn->eof ? POLLOUT : POLLIN | POLLOUT;
	}
	for (int turn = 0; turn < INETD_TURNS; turn++) {
		n = weft_send(conn->e.fd, inetd_of(s)->ring + conn->off, CHARGEN_RING - conn->off,
			      MSG_NOSIGNAL);
		if (n < 0)
			return inetd_again(n);
		conn->off = (conn->off + (size_t)n) % CHARGEN_RING;
	}
	return true;
}

static ssize_t chargen_dgram(struct serve *s, char *buf, size_t n)
{
	memcpy(buf, inetd_of(s)->ring, CHARGEN_LINE);
	return CHARGEN_LINE;
}

/* --- daytime ----------------------------------------------------------------------------------- */

static ssize_t daytime_dgram(struct serve *s, char *buf, size_t n)
{
	time_t now = time(NULL);
	struct tm tm;

	return (ssize_t)strftime(buf, 64, "%A, %B %d, %Y %H:%M:%S-UTC\r\n", gmtime_r(&now, &tm));
}

static bool daytime_stream(struct serve *s, struct inetd_conn *conn, short revents)
{
	char *buf = inetd_of(s)->buf;

	weft_send(conn->e.fd, buf, (size_t)daytime_dgram(s, buf, 0), MSG_NOSIGNAL);
	return false;
}

/* --- the command ------------------------------------------------------------------------------- */

static const struct inetd_service services[] = {
    {"echo", 7, POLLIN, echo_stream, echo_dgram},
    {"discard", 9, POLLIN, discard_stream, discard_dgram},
    {"daytime", 13, POLLOUT, daytime_stream, daytime_dgram},
    {"chargen", 19, POLLIN | POLLOUT, chargen_stream, chargen_dgram},
};

/* "echo" or "echo:8888". */
static const struct inetd_service *inetd_service_find(const char *word, uint64_t *port)
{
	size_t n = strcspn(word, ":");

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (strncmp(services[i].name, word, n) || services[i].name[n])
			continue;
		*port = services[i].port;
		return &services[i];
	}
	return NULL;
}

/* CMD_OK with both filled in. */
static int inetd_word(struct cmd *c, const char *word, const struct inetd_service **service,
		      uint64_t *port)
{
	static const struct range range = {"port", 1, 65535};
	const char *colon = strchr(word, ':');

	*service = inetd_service_find(word, port);
	if (!*service)
		return cmd_usage(c, "unknown service %s", word);
	return colon ? parse_count(c, colon + 1, &range, port) : CMD_OK;
}

static bool inetd_conn_ready(struct serve *s, struct serve_entry *e, short revents)
{
	struct inetd_conn *conn = (struct inetd_conn *)e;

	return conn->service->stream(s, conn, revents);
}

static bool inetd_accept_ready(struct serve *s, struct serve_entry *e, short revents)
{
	const struct inetd_service *service = ((struct inetd_conn *)e)->service;
	struct inetd_conn *conn;
	int fd;

	while ((fd = serve_accept(s, e)) >= 0) {
		conn = inetd_conn_new(service, fd);
		if (!conn) {
			weft_close(fd);
			continue;
		}
		conn->e.ready = inetd_conn_ready;
		conn->e.events = service->events;
		serve_add(s, &conn->e);
	}
	return true;
}

static bool inetd_dgram_ready(struct serve *s, struct serve_entry *e, short revents)
{
	const struct inetd_service *service = ((struct inetd_conn *)e)->service;
	char *buf = inetd_of(s)->buf;
	struct sockaddr_in from;
	socklen_t len;
	ssize_t n;

	for (int turn = 0; turn < 64; turn++) {
		len = sizeof(from);
		n = weft_recvfrom(e->fd, buf, INETD_BUF, 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			break;
		n = service->dgram(s, buf, (size_t)n);
		if (n >= 0 && ntohs(from.sin_port) >= IPPORT_RESERVED)
			weft_sendto(e->fd, buf, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&from,
				    len);
	}
	return true;
}

static int inetd_open_one(struct serve *s, const struct inetd_service *service, int type,
			  uint16_t port)
{
	struct inetd_conn *conn = inetd_conn_new(service, -1);
	int err = -ENOMEM;

	if (conn) {
		conn->e.ready = type == SOCK_STREAM ? inetd_accept_ready : inetd_dgram_ready;
		err = serve_open(s, &conn->e, type, port);
	}
	if (!err)
		return CMD_OK;
	return cmd_error(s->c, "%s: port %u/%s: %s", service->name, port,
			 type == SOCK_STREAM ? "tcp" : "udp", strerror(-err));
}

static int inetd_open_both(struct serve *s, const struct inetd_service *service, uint16_t port)
{
	int status = inetd_open_one(s, service, SOCK_STREAM, port);

	return status ? status : inetd_open_one(s, service, SOCK_DGRAM, port);
}

/* The services named, or all. */
static int inetd_open(struct serve *s)
{
	const struct inetd_service *service;
	int status = CMD_OK;
	uint64_t port;

	if (s->c->argc == 1)
		for (size_t i = 0; !status && i < sizeof(services) / sizeof(services[0]); i++)
			status = inetd_open_both(s, &services[i], services[i].port);
	for (int at = 1; !status && at < s->c->argc; at++) {
		status = inetd_word(s->c, s->c->argv[at], &service, &port);
		if (!status)
			status = inetd_open_both(s, service, (uint16_t)port);
	}
	return status;
}

static int inetd_run(struct cmd *c)
{
	struct inetd *d = malloc(sizeof(*d));
	struct serve s = {.c = c, .arg = d};
	int status;

	if (!d)
		return cmd_error(c, "no memory");
	chargen_fill(d->ring);
	status = inetd_open(&s);
	if (!status) {
		cmd_ready(c);
		cmd_detach(c);
		status = serve_run(&s);
	}
	serve_end(&s);
	free(d);
	return status;
}

int cmd_inetd(struct cmd *c)
{
	const struct inetd_service *service;
	uint64_t port;

	for (int at = 1; at < c->argc; at++) {
		int status = inetd_word(c, c->argv[at], &service, &port);

		if (status)
			return status;
	}
	return job_spawn(c, "inetd", inetd_run);
}
