/*
 * urgent.c - a server that tells what its client sends as urgent (RFC 9293, 3.8.5; RFC 6093): POLLPRI says that
 * there is some, MSG_OOB reads its last byte, and SIOCATMARK where in the stream it stood.
 *
 *	urgent DEVICE ADDRESS/PREFIX PORT	urgent tap:tap7 10.7.0.1/24 4000
 *
 * It serves one client and ends with it.
 */
#include <weft/weft.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void serve(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI};
	char buf[1024], byte;
	ssize_t n = 1;
	int at;

	while (n > 0 && weft_poll(&p, 1, -1) > 0) {
		if ((p.revents & POLLPRI) && weft_recv(fd, &byte, 1, MSG_OOB) == 1)
			printf("urgent: %c\n", byte);
		if (!(p.revents & ~POLLPRI))
			continue;
		if (weft_ioctl(fd, SIOCATMARK, &at) == 0 && at)
			printf("mark\n");
		n = weft_recv(fd, buf, sizeof(buf), 0); /* stops at the mark */
		if (n > 0)
			printf("data: %.*s\n", (int)n, buf);
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || weft_bind(fd, (struct sockaddr *)&a, sizeof(a)) || weft_listen(fd, 1))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	weft_stack *stack;
	int listener, fd, err;

	if (argc != 4) {
		fprintf(stderr, "usage: urgent DEVICE ADDRESS/PREFIX PORT\n");
		return 2;
	}
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "urgent: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	listener = listen_on((uint16_t)atoi(argv[3]));
	fprintf(stderr, "urgent: ready\n");
	fd = listener < 0 ? -1 : weft_accept(listener, NULL, NULL);
	if (fd < 0)
		perror("urgent");
	else
		serve(fd);
	weft_close(fd);
	weft_close(listener);
	weft_stop(stack);
	return fd < 0;
}
