/*
 * echo_client.c - sends its standard input to a TCP server and writes what comes back, both at once by
 * weft_poll(), which takes the kernel's descriptors beside weft's.
 *
 *	echo_client DEVICE ADDRESS/PREFIX SERVER PORT	echo_client tap:tap7 10.7.0.1/24 10.7.0.2 7
 */
#include <weft/weft.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int connect_to(const char *server, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, server, &a.sin_addr) != 1) {
		fprintf(stderr, "echo_client: %s: not an address\n", server);
		exit(2);
	}
	if (fd < 0 || weft_connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	return fd;
}

/* Both ways until the server ends; the end of the input is a half close. */
static int copy(int fd)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	char buf[16384];
	ssize_t n;

	for (;;) {
		if (weft_poll(p, 2, -1) < 0)
			return -1;
		if (p[0].revents) {
			n = read(STDIN_FILENO, buf, sizeof(buf));
			if (n > 0 && weft_write(fd, buf, (size_t)n) != n)
				return -1;
			if (n <= 0) {
				weft_shutdown(fd, SHUT_WR);
				p[0].fd = -1;
			}
		}
		if (p[1].revents) {
			n = weft_read(fd, buf, sizeof(buf));
			if (n <= 0)
				return (int)n;
			if (write(STDOUT_FILENO, buf, (size_t)n) != n)
				return -1;
		}
	}
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	weft_stack *stack;
	int fd, err;

	if (argc != 5) {
		fprintf(stderr, "usage: echo_client DEVICE ADDRESS/PREFIX SERVER PORT\n");
		return 2;
	}
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "echo_client: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	fd = connect_to(argv[3], argv[4]);
	err = fd < 0 ? -1 : copy(fd);
	if (err)
		perror("echo_client");
	weft_close(fd);
	weft_stop(stack);
	return err ? 1 : 0;
}
