/*
 * fast_open.c - TCP Fast Open as a client (RFC 7413): connections to an echo service, each opened by
 * sendto(MSG_FASTOPEN).  The first asks for a cookie; the SYNs of those behind it carry data, and TCP_INFO
 * tells whether the server took them.
 *
 *	fast_open DEVICE ADDRESS/PREFIX SERVER PORT TIMES	fast_open tap:tap7 10.7.0.1/24 10.7.0.2 7 5
 */
#include <weft/weft.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN 4000

/* What was sent comes back. */
static int echoed(int fd, const char *sent)
{
	char got[LEN];
	size_t have = 0;
	ssize_t n;

	while (have < LEN && (n = weft_read(fd, got + have, LEN - have)) > 0)
		have += (size_t)n;
	return have == LEN && !memcmp(got, sent, LEN);
}

/* 1: the server took the data of the SYN; 0: they went behind it; -1: it failed. */
static int open_and_echo(const struct sockaddr_in *server)
{
	char data[LEN];
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0), fast = -1;
	ssize_t n;

	for (int i = 0; i < LEN; i++)
		data[i] = (char)(i % 251);
	n = weft_sendto(fd, data, LEN, MSG_FASTOPEN, (const struct sockaddr *)server,
			sizeof(*server));
	if (n >= 0 && (n == LEN || weft_write(fd, data + n, LEN - (size_t)n) == LEN - n) &&
	    echoed(fd, data) && !weft_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		fast = (info.tcpi_options & TCPI_OPT_SYN_DATA) != 0;
	weft_close(fd);
	return fast;
}

static int run(const char *server, const char *port, int times)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int taken = 0, fast;

	if (inet_pton(AF_INET, server, &a.sin_addr) != 1) {
		fprintf(stderr, "fast_open: %s: not an address\n", server);
		return 2;
	}
	for (int i = 0; i < times; i++) {
		fast = open_and_echo(&a);
		if (fast < 0) {
			perror("fast_open");
			return 1;
		}
		taken += fast;
	}
	printf("%d of %d SYNs had their data taken\n", taken, times);
	return 0;
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	weft_stack *stack;
	int err;

	if (argc != 6) {
		fprintf(stderr, "usage: fast_open DEVICE ADDRESS/PREFIX SERVER PORT TIMES\n");
		return 2;
	}
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "fast_open: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	err = run(argv[3], argv[4], atoi(argv[5]));
	weft_stop(stack);
	return err;
}
