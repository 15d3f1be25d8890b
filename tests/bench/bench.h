/*
 * tests/bench/bench.h - what the cases of the bench share: one file a case, with both of its ends.
 *
 * The end that serves runs every service at once, each on a port of its own; the end that asks runs one
 * case.  Either has the kernel's sockets or weft's; the other stacks measured (tests/bench/peers/) serve
 * the same ports.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#include "tests/bench/ports.h"

struct calls;

/* Of one run: set before the first thread is made. */
struct bench {
	const struct calls *net;
	const char *congestion; /* NULL: the default */
	bool pattern;           /* bulk is checked */
	bool udp;               /* rtt */
	bool brief;             /* conns */
	unsigned many;          /* streams, connections at a time, connections */
	size_t size;            /* bytes of a question, of rtt */
	uint16_t hold;          /* the port of connections held */
	unsigned first;         /* the number of the first of them */
	weft_stack *stack;      /* NULL: the kernel */
	struct sockaddr_in server;
};

/* Every service at once, until standard input ends. */
void serve(const struct bench *b);

/* Cases: print their numbers on one line. */
void case_out(const struct bench *b, double seconds);
void case_in(const struct bench *b, double seconds);
void case_rtt(const struct bench *b, double seconds);
void case_conns(const struct bench *b, double seconds);
void case_requests(const struct bench *b, double seconds);
void case_hold(const struct bench *b, double seconds);

/* Their other ends. */
void serve_sink(const struct bench *b, int fd);
void serve_source(const struct bench *b, int fd);
void serve_sink_checked(const struct bench *b, int fd);
void serve_source_checked(const struct bench *b, int fd);
void serve_echo(const struct bench *b, int fd);
void *serve_udp(void *bench);
void serve_conn(const struct bench *b, int fd);
void serve_conn_brief(const struct bench *b, int fd);
void listen_brief(const struct bench *b, int fd);
void serve_asked(const struct bench *b, int fd);
void listen_timed(const struct bench *b, int fd);
void *serve_requests(void *bench);

/* Shared by all of them. */
uint64_t now_ns(void);
void *buffer(size_t n); /* zeroes; ends the program without memory */
void no_delay(const struct calls *net, int fd);
void use_congestion(const struct bench *b, int fd);
int dial(const struct bench *b, uint16_t port);
int listen_on(const struct bench *b, uint16_t port);
/* All of buf, or false. */
bool send_all(const struct calls *net, int fd, const char *buf, size_t n, int flags);
bool recv_all(const struct calls *net, int fd, char *buf, size_t n);
/* The question number `at`, and whether its answer is the same. */
void question_make(char *buf, size_t n, uint64_t at);
bool question_is(const char *buf, size_t n, uint64_t at);
/* The round trips of a case: each one's time, then p50 and p99 in us. */
struct samples {
	uint64_t *took; /* ns */
	size_t n, max;
};
void samples_add(struct samples *s, uint64_t ns);
void samples_print(struct samples *s);
/* Questions and answers over an echo's fd for so long. */
void echo_for(const struct bench *b, int fd, double seconds, struct samples *s);
/* Runs `main` in b->many threads, each with its number's element of args, and waits for all. */
void threads_run(unsigned many, void *(*run)(void *), void *args, size_t size);
