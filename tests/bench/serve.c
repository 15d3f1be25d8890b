/*
 * tests/bench/serve.c - the end that serves: each service listens in a thread of its own.
 *
 * Short connections are served by the thread that accepts them, one after the other; long ones have a
 * thread each.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

struct service {
	uint16_t port;
	bool threads; /* one a client; else one client after the other */
	bool keeps;   /* the connection stays open */
	void (*listens)(const struct bench *b, int fd); /* sets options of the listener, or NULL */
	void (*run)(const struct bench *b, int fd);     /* one client, or NULL */
};

static const struct service services[] = {
    {.port = PORT_SINK, .run = serve_sink, .threads = true},
    {.port = PORT_SOURCE, .run = serve_source, .threads = true},
    {.port = PORT_SINK_CHECKED, .run = serve_sink_checked, .threads = true},
    {.port = PORT_SOURCE_CHECKED, .run = serve_source_checked, .threads = true},
    {.port = PORT_ECHO, .run = serve_echo},
    {.port = PORT_CONN, .run = serve_conn},
    {.port = PORT_CONN_BRIEF, .run = serve_conn_brief, .listens = listen_brief},
    {.port = PORT_HOLD, .keeps = true},
    {.port = PORT_HOLD_ASKED, .run = serve_asked, .keeps = true},
    {.port = PORT_HOLD_TIMED, .run = serve_asked, .listens = listen_timed, .keeps = true},
};

#define SERVICES (sizeof(services) / sizeof(services[0]))

struct listener {
	const struct bench *bench;
	const struct service *service;
	int fd;
};

struct client {
	struct listener *listener;
	int fd;
};

static void client_run(const struct listener *l, int fd)
{
	if (l->service->run)
		l->service->run(l->bench, fd);
	if (!l->service->keeps)
		l->bench->net->close(fd);
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	client_run(c->listener, c->fd);
	free(c);
	return NULL;
}

static void client_start(struct listener *l, int fd)
{
	struct client *c = buffer(sizeof(*c));
	pthread_t thread;

	*c = (struct client){.listener = l, .fd = fd};
	if (pthread_create(&thread, NULL, client_main, c))
		errx(1, "no thread");
	pthread_detach(thread);
}

static void *listener_main(void *arg)
{
	struct listener *l = arg;
	int fd;

	while ((fd = l->bench->net->accept(l->fd, NULL, NULL)) >= 0) {
		if (l->service->threads)
			client_start(l, fd);
		else
			client_run(l, fd);
	}
	err(1, "accept");
}

static void thread_start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		errx(1, "no thread");
}

/* "ready" once every port listens. */
void serve(const struct bench *b)
{
	struct listener l[SERVICES];

	for (size_t i = 0; i < SERVICES; i++) {
		l[i] = (struct listener){.bench = b, .service = &services[i]};
		l[i].fd = listen_on(b, services[i].port);
		if (services[i].listens)
			services[i].listens(b, l[i].fd);
		thread_start(listener_main, &l[i]);
	}
	thread_start(serve_udp, (void *)(uintptr_t)b);
	thread_start(serve_requests, (void *)(uintptr_t)b);
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	_exit(0);
}
