/*
 * echo_server.c - a TCP echo service (RFC 862) on a stack of its own, a thread a connection.
 *
 *	echo_server DEVICE ADDRESS/PREFIX [PORT]	echo_server tap:tap7 10.7.0.1/24 7
 *
 * The host's end of the device is the caller's: ip addr add 10.7.0.2/24 dev tap7; ip link set tap7 up
 */
#include <weft/weft.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[16384];
	ssize_t n;

	while ((n = weft_read(fd, buf, sizeof(buf))) > 0)
		if (weft_write(fd, buf, (size_t)n) != n)
			break;
	weft_close(fd);
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || weft_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    weft_bind(fd, (struct sockaddr *)&a, sizeof(a)) || weft_listen(fd, 128))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	weft_stack *stack;
	int listener, fd, err;

	if (argc < 3) {
		fprintf(stderr, "usage: echo_server DEVICE ADDRESS/PREFIX [PORT]\n");
		return 2;
	}
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "echo_server: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	listener = listen_on((uint16_t)(argc > 3 ? atoi(argv[3]) : 7));
	if (listener < 0) {
		perror("echo_server");
		return 1;
	}
	fprintf(stderr, "echo_server: ready\n");
	while ((fd = weft_accept(listener, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			weft_close(fd);
		else
			pthread_detach(thread);
	}
	perror("echo_server: accept");
	return 1;
}
