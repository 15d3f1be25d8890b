/*
 * shell/cmd_snc.c - `snc`, tapip's netcat, made duplex: its options, its sockets, its output file.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/parse.h"
#include "shell/snc.h"

#define SNC_PIPE 4096u /* a pipe or terminal that is writable takes as much without blocking */

int snc_fail(struct snc *s, int err)
{
	if (err == -EINTR)
		return CMD_INTERRUPTED;
	return cmd_error(s->c, "%s: %s", s->peer, strerror(-err));
}

int snc_fail_out(struct snc *s, int err)
{
	if (err == -EINTR)
		return CMD_INTERRUPTED;
	return cmd_error(s->c, "%s: %s", s->file ? s->file : "output", strerror(-err));
}

static bool snc_out_writable(const struct snc *s)
{
	struct pollfd p = {.fd = s->out, .events = POLLOUT};

	return poll(&p, 1, 0) > 0;
}

ssize_t snc_write(struct snc *s, const char *data, size_t n)
{
	bool file = s->out_mode == S_IFREG;
	size_t done = 0, step;
	ssize_t r;

	while (done < n && (file || snc_out_writable(s))) {
		step = n - done;
		if (!file && step > SNC_PIPE)
			step = SNC_PIPE;
		r = s->out_mode == S_IFSOCK
			? send(s->out, data + done, step, MSG_DONTWAIT | MSG_NOSIGNAL)
			: write(s->out, data + done, step);
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			break;
		if (r < 0)
			return done ? (ssize_t)done : -errno;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* --- sockets ----------------------------------------------------------------------------------- */

static int snc_socket(struct snc *s, int *fd)
{
	*fd = weft_socket(AF_INET, s->udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	return *fd < 0 ? snc_fail(s, -errno) : CMD_OK;
}

static int snc_bind(struct snc *s, int fd)
{
	struct sockaddr_in sin;
	int on = 1;

	sockaddr_of(&s->addr, s->port, &sin);
	if (!s->udp)
		weft_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (weft_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    (!s->udp && weft_listen(fd, 16) < 0))
		return snc_fail(s, -errno);
	if (s->verbose)
		fprintf(s->c->err, "listening on %s\n", s->peer);
	cmd_ready(s->c);
	return CMD_OK;
}

static int snc_connect(struct snc *s)
{
	struct sockaddr_in sin;
	int status = snc_socket(s, &s->fd);

	if (status)
		return status;
	sockaddr_of(&s->addr, s->port, &sin);
	if (weft_connect(s->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return snc_fail(s, -errno);
	if (s->verbose)
		fprintf(s->c->err, "connected to %s\n", s->peer);
	cmd_ready(s->c);
	return CMD_OK;
}

static void snc_close(int *fd)
{
	if (*fd >= 0)
		weft_close(*fd);
	*fd = -1;
}

static int snc_accept(struct snc *s, int listener)
{
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);
	struct ip_addr a;
	char text[IP_ADDR_TEXT];

	do {
		s->fd = weft_accept(listener, (struct sockaddr *)&sin, &n);
	} while (s->fd < 0 && errno == ECONNABORTED);
	if (s->fd < 0)
		return snc_fail(s, -errno);
	if (s->verbose) {
		a = ip_addr4_be(&sin.sin_addr);
		fprintf(s->c->err, "connection from %s:%u\n", ip_addr_text(&a, text),
			ntohs(sin.sin_port));
		fflush(s->c->err);
	}
	return CMD_OK;
}

/* One client after the other with -k; a client that resets does not end that. */
static int snc_serve(struct snc *s)
{
	int listener, status = snc_socket(s, &listener);

	if (status)
		return status;
	status = snc_bind(s, listener);
	if (!status) {
		do {
			status = snc_accept(s, listener);
			if (status)
				break;
			if (!s->keep)
				snc_close(&listener);
			status = snc_stream(s);
			snc_close(&s->fd);
		} while (s->keep && status != CMD_INTERRUPTED && !cmd_cancelled(s->c));
	}
	snc_close(&listener);
	return status;
}

static int snc_run(struct snc *s)
{
	int status;

	if (s->listen && !s->udp)
		return snc_serve(s);
	if (s->listen) {
		status = snc_socket(s, &s->fd);
		if (!status)
			status = snc_bind(s, s->fd);
	} else {
		status = snc_connect(s);
	}
	if (!status)
		status = s->udp ? snc_dgram(s) : snc_stream(s);
	snc_close(&s->fd);
	return status;
}

/* --- options ----------------------------------------------------------------------------------- */

static int snc_target(struct snc *s, bool listen, const char *text)
{
	if (s->peer)
		return cmd_usage(s->c, "one of -b, -l and -c is enough");
	s->listen = listen;
	s->peer = text;
	return parse_addrport(s->c, text, &s->addr, &s->port);
}

static int snc_option(struct snc *s, int letter, const char *arg)
{
	static const struct range idle = {"time", 0, 86400 * NSEC_PER_SEC};

	switch (letter) {
	case 'b':
	case 'l':
	case 'c':
		return snc_target(s, letter != 'c', arg);
	case 'o':
		s->file = arg;
		return CMD_OK;
	case 'w':
		return parse_seconds(s->c, arg, &idle, &s->idle);
	case 'h':
		fprintf(s->c->out,
			"snc [-d] [-u] -b ADDR:PORT [-k] | -c ADDR:PORT [-o FILE] [-w SECS]\n");
		return -1;
	default:
		s->udp |= letter == 'u';
		s->keep |= letter == 'k';
		s->verbose |= letter == 'd';
		return CMD_OK;
	}
}

/* CMD_OK; -1: help was asked for. */
static int snc_options(struct snc *s)
{
	struct opts o = {.c = s->c};
	int letter, status;

	while ((letter = opts_next(&o, "dukhb:l:c:o:w:")) > 0) {
		status = snc_option(s, letter, o.arg);
		if (status)
			return status;
	}
	if (letter < 0)
		return CMD_USAGE;
	if (o.index < s->c->argc)
		return cmd_usage(s->c, "unknown word %s", s->c->argv[o.index]);
	if (!s->peer)
		return cmd_usage(s->c, "one of -b, -l and -c is wanted");
	if (s->keep && (!s->listen || s->udp))
		return cmd_usage(s->c, "-k goes with a TCP listener");
	if (!s->listen && ip_addr_is_any(&s->addr))
		return cmd_usage(s->c, "bad address '%s': not one to connect to", s->peer);
	return CMD_OK;
}

static unsigned snc_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	return st.st_mode & S_IFMT;
}

/* The output file, the buffers. */
static int snc_open(struct snc *s)
{
	fflush(s->c->out);
	s->out = fileno(s->c->out);
	if (s->file) {
		s->out = openat(s->c->cwd, s->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (s->out < 0)
			return snc_fail_out(s, -errno);
	}
	s->in_mode = snc_mode(s->c->in);
	s->out_mode = snc_mode(s->out);
	s->buf[0] = malloc(SNC_BUF);
	s->buf[1] = malloc(SNC_BUF);
	return s->buf[0] && s->buf[1] ? CMD_OK : cmd_error(s->c, "no memory");
}

/* A file system may refuse only at the end what it took before. */
static int snc_close_out(struct snc *s, int status)
{
	if (s->file && s->out >= 0 && close(s->out) < 0 && !status)
		return snc_fail_out(s, -errno);
	return status;
}

int cmd_snc(struct cmd *c)
{
	struct snc s = {.c = c, .fd = -1, .out = -1, .idle = ENV_NEVER};
	int status = snc_options(&s);

	if (status)
		return status < 0 ? CMD_OK : status;
	status = snc_open(&s);
	if (!status)
		status = snc_run(&s);
	free(s.buf[0]);
	free(s.buf[1]);
	return snc_close_out(&s, status);
}
