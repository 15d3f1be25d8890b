/*
 * udp_echo.c - a UDP echo service in an event loop of the kernel's epoll, by weft_eventfd(), and its client
 * in the same program, over lo: it needs no device and no privilege.
 */
#include <weft/weft.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUNDS 1000

static int bound(struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int fd = weft_socket(AF_INET, SOCK_DGRAM, 0);

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || weft_bind(fd, (struct sockaddr *)a, n) ||
	    weft_getsockname(fd, (struct sockaddr *)a, &n))
		return -1;
	return fd;
}

/* Answers all there is whenever the eventfd is up; an empty datagram ends it. */
static void *serve(void *arg)
{
	int fd = *(int *)arg, ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN};
	struct sockaddr_in from;
	char buf[2048];
	ssize_t n = 1;

	epoll_ctl(ep, EPOLL_CTL_ADD, weft_eventfd(fd, POLLIN), &e);
	while (n > 0 && epoll_wait(ep, &e, 1, -1) == 1) {
		for (;;) {
			socklen_t len = sizeof(from);

			n = weft_recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT,
					  (struct sockaddr *)&from, &len);
			if (n <= 0)
				break;
			weft_sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
		if (n < 0 && errno == EAGAIN)
			n = 1;
	}
	close(ep);
	return NULL;
}

static int ask(int fd)
{
	char out[32], in[32];

	for (int i = 0; i < ROUNDS; i++) {
		int n = snprintf(out, sizeof(out), "datagram %d", i);

		if (weft_send(fd, out, (size_t)n, 0) != n ||
		    weft_recv(fd, in, sizeof(in), 0) != n || memcmp(in, out, (size_t)n))
			return -1;
	}
	return weft_send(fd, "", 0, 0) == 0 ? 0 : -1;
}

int main(void)
{
	struct weft_config cfg = {.ndevices = 0};
	struct sockaddr_in server, client;
	weft_stack *stack;
	pthread_t thread;
	int s, c, bad;

	if (weft_start(&cfg, &stack)) {
		fprintf(stderr, "udp_echo: no stack\n");
		return 1;
	}
	s = bound(&server);
	c = bound(&client);
	if (s < 0 || c < 0 || weft_connect(c, (struct sockaddr *)&server, sizeof(server)) ||
	    pthread_create(&thread, NULL, serve, &s)) {
		perror("udp_echo");
		return 1;
	}
	bad = ask(c);
	if (bad)
		perror("udp_echo");
	weft_stop(stack);
	pthread_join(thread, NULL);
	if (!bad)
		printf("%d datagrams came back\n", ROUNDS);
	return bad ? 1 : 0;
}
