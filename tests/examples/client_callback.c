/*
 * client_callback.c - connects to a TCP server by callbacks, sends it a line, shows what comes until the
 * server ends.
 *
 *	client_callback DEVICE ADDRESS/PREFIX SERVER PORT LINE
 */
#include <weft/weft.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
	const char *line;
	sem_t done;
	int err; /* valid when it is */
};

static void finish(struct client *c, int err)
{
	c->err = err;
	sem_post(&c->done);
}

static void connected(void *arg, int fd, int err)
{
	struct client *c = arg;
	ssize_t n = (ssize_t)strlen(c->line);

	if (err)
		finish(c, err);
	else if (weft_send(fd, c->line, (size_t)n, 0) == n)
		weft_shutdown(fd, SHUT_WR);
}

static int got(void *arg, int fd, const void *data, size_t n)
{
	if (n) {
		fwrite(data, 1, n, stdout);
		return weft_cb_recved(fd, n);
	}
	weft_close(fd);
	finish(arg, 0);
	return 0;
}

static void gone(void *arg, int err)
{
	finish(arg, err);
}

static int begin(struct client *c, const char *server, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, server, &a.sin_addr) != 1) {
		fprintf(stderr, "client_callback: %s: not an address\n", server);
		exit(2);
	}
	if (fd < 0 || weft_cb_arg(fd, c) || weft_cb_recv(fd, got) || weft_cb_err(fd, gone))
		return -1;
	return weft_cb_connect(fd, (struct sockaddr *)&a, sizeof(a), connected);
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	struct client c = {.line = argc > 5 ? argv[5] : NULL};
	weft_stack *stack;
	int err;

	if (argc != 6) {
		fprintf(stderr, "usage: client_callback DEVICE ADDRESS/PREFIX SERVER PORT LINE\n");
		return 2;
	}
	sem_init(&c.done, 0, 0);
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "client_callback: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	if (begin(&c, argv[3], argv[4])) {
		perror("client_callback");
		return 1;
	}
	sem_wait(&c.done);
	if (c.err)
		fprintf(stderr, "client_callback: %s\n", strerror(c.err));
	weft_stop(stack);
	return c.err ? 1 : 0;
}
