/*
 * tests/bench/bulk.c - streams as fast as they go, one way; b->many of them at once.
 *
 * What counts is what the receiving program has read, not what a send buffer took.  Checked, each byte
 * tells where in the stream it stands, and who receives it compares.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

#define BULK (128 * 1024)

static char pattern_at(uint64_t at)
{
	return (char)(at ^ at >> 8 ^ at >> 16 ^ at >> 24);
}

static void pattern_fill(char *buf, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern_at(at + i);
}

static void pattern_check(const char *buf, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] != pattern_at(at + i))
			errx(1, "byte %llu of the stream is wrong", (unsigned long long)(at + i));
	}
}

/* The next bytes of the stream; false: the other end is gone. */
static bool bulk_send(const struct bench *b, int fd, char *buf, uint64_t *total, bool checked)
{
	ssize_t n;

	if (checked)
		pattern_fill(buf, BULK, *total);
	n = b->net->send(fd, buf, BULK, MSG_NOSIGNAL);
	*total += n > 0 ? (uint64_t)n : 0;
	return n > 0;
}

static bool bulk_recv(const struct bench *b, int fd, char *buf, uint64_t *total, bool checked)
{
	ssize_t n = b->net->recv(fd, buf, BULK, 0);

	if (n > 0 && checked)
		pattern_check(buf, (size_t)n, *total);
	*total += n > 0 ? (uint64_t)n : 0;
	return n > 0;
}

static void sink(const struct bench *b, int fd, bool checked)
{
	char *buf = buffer(BULK);
	uint64_t total = 0;

	while (bulk_recv(b, fd, buf, &total, checked))
		;
	b->net->send(fd, &total, sizeof(total), MSG_NOSIGNAL);
	free(buf);
}

static void source(const struct bench *b, int fd, bool checked)
{
	char *buf = buffer(BULK);
	uint64_t total = 0;

	while (bulk_send(b, fd, buf, &total, checked))
		;
	free(buf);
}

void serve_sink(const struct bench *b, int fd)
{
	sink(b, fd, false);
}

void serve_sink_checked(const struct bench *b, int fd)
{
	sink(b, fd, true);
}

void serve_source(const struct bench *b, int fd)
{
	source(b, fd, false);
}

void serve_source_checked(const struct bench *b, int fd)
{
	source(b, fd, true);
}

struct stream {
	const struct bench *bench;
	int fd;
	uint64_t begin, end; /* the time it should take */
	uint64_t total;      /* bytes that the receiver has read */
	uint64_t done;       /* when */
};

static void *stream_out(void *arg)
{
	struct stream *s = arg;
	const struct bench *b = s->bench;
	char *buf = buffer(BULK);
	uint64_t sent = 0;

	while (now_ns() < s->end)
		if (!bulk_send(b, s->fd, buf, &sent, b->pattern))
			err(1, "send");
	b->net->shutdown(s->fd, SHUT_WR);
	if (!recv_all(b->net, s->fd, (char *)&s->total, sizeof(s->total)))
		err(1, "no answer of the sink");
	if (s->total != sent)
		errx(1, "the sink has %llu bytes of %llu", (unsigned long long)s->total,
		     (unsigned long long)sent);
	s->done = now_ns();
	free(buf);
	return NULL;
}

static void *stream_in(void *arg)
{
	struct stream *s = arg;
	char *buf = buffer(BULK);

	while (now_ns() < s->end)
		if (!bulk_recv(s->bench, s->fd, buf, &s->total, s->bench->pattern))
			err(1, "recv");
	s->done = now_ns();
	free(buf);
	return NULL;
}

static void bulk_run(const struct bench *b, double seconds, uint16_t port, void *(*run)(void *))
{
	struct stream *s = buffer(b->many * sizeof(*s));
	uint64_t begin, total = 0, done = 0;

	for (unsigned i = 0; i < b->many; i++)
		s[i] = (struct stream){.bench = b, .fd = dial(b, port)};
	begin = now_ns();
	for (unsigned i = 0; i < b->many; i++)
		s[i].end = begin + (uint64_t)(seconds * 1e9);
	threads_run(b->many, run, s, sizeof(*s));
	for (unsigned i = 0; i < b->many; i++) {
		total += s[i].total;
		done = s[i].done > done ? s[i].done : done;
		b->net->close(s[i].fd);
	}
	printf("%.5f %llu\n", (double)total * 8 / (double)(done - begin),
	       (unsigned long long)total);
	free(s);
}

void case_out(const struct bench *b, double seconds)
{
	bulk_run(b, seconds, b->pattern ? PORT_SINK_CHECKED : PORT_SINK, stream_out);
}

void case_in(const struct bench *b, double seconds)
{
	bulk_run(b, seconds, b->pattern ? PORT_SOURCE_CHECKED : PORT_SOURCE, stream_in);
}
