/*
 * echo_callback.c - a TCP echo service (RFC 862) by callbacks: no thread of the program's, no loop.
 *
 *	echo_callback DEVICE ADDRESS/PREFIX [PORT]	echo_callback tap:tap7 10.7.0.1/24 7
 *
 * Each connection keeps what its peer does not take yet, and takes no more while it has that.
 */
#include <weft/weft.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct echo {
	size_t at, n; /* of bytes: sent, there */
	int ended;    /* the peer has closed its side */
	char bytes[WEFT_CB_WINDOW];
};

/* Sends what waits; what has gone may be received anew. */
static int echo_push(struct echo *e, int fd)
{
	ssize_t n = 0;

	while (e->at < e->n && (n = weft_send(fd, e->bytes + e->at, e->n - e->at, 0)) > 0) {
		e->at += (size_t)n;
		weft_cb_recved(fd, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN)
		return -1;
	if (e->at == e->n)
		e->at = e->n = 0;
	if (!e->ended || e->n)
		return 0;
	free(e);
	return weft_close(fd);
}

static int got(void *arg, int fd, const void *data, size_t n)
{
	struct echo *e = arg;

	if (e->n + n > sizeof(e->bytes))
		return -1; /* told again when there is room */
	if (n)
		memcpy(e->bytes + e->n, data, n);
	e->n += n;
	e->ended = !n;
	echo_push(e, fd);
	return 0;
}

static void sent(void *arg, int fd, size_t n)
{
	echo_push(arg, fd);
}

static void gone(void *arg, int err)
{
	fprintf(stderr, "echo_callback: %s\n", strerror(err));
	free(arg);
}

static int came(void *arg, int fd)
{
	struct echo *e = calloc(1, sizeof(*e));

	if (!e || weft_cb_arg(fd, e) || weft_cb_recv(fd, got) || weft_cb_sent(fd, sent) ||
	    weft_cb_err(fd, gone)) {
		free(e);
		return -1;
	}
	return 0;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || weft_bind(fd, (struct sockaddr *)&a, sizeof(a)) || weft_listen(fd, 128))
		return -1;
	return weft_cb_accept(fd, came);
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	weft_stack *stack;
	sigset_t end;
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: echo_callback DEVICE ADDRESS/PREFIX [PORT]\n");
		return 2;
	}
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "echo_callback: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	if (listen_on((uint16_t)(argc > 3 ? atoi(argv[3]) : 7))) {
		perror("echo_callback");
		return 1;
	}
	fprintf(stderr, "echo_callback: ready\n");
	sigwait(&end, &err);
	weft_stop(stack);
	return 0;
}
