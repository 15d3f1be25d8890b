/*
 * two_stacks.c - two stacks in one program, each with a TCP service of its own on the same address and
 * port; a thread chooses by weft_use(), a descriptor knows its own.  It needs no device and no privilege.
 */
#include <weft/weft.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PORT 7777

struct service {
	weft_stack *stack;
	const char *says;
	int listener;
	pthread_t thread;
};

static struct sockaddr_in service_addr(void)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_port = htons(PORT),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* Says its word to each who connects, until its stack ends. */
static void *serve(void *arg)
{
	struct service *s = arg;
	int fd;

	while ((fd = weft_accept(s->listener, NULL, NULL)) >= 0) {
		weft_write(fd, s->says, strlen(s->says));
		weft_close(fd);
	}
	return (void *)(intptr_t)errno;
}

static int service_start(struct service *s)
{
	struct sockaddr_in a = service_addr();
	struct weft_config cfg = {.ndevices = 0};

	if (weft_start(&cfg, &s->stack))
		return -1;
	weft_use(s->stack);
	s->listener = weft_socket(AF_INET, SOCK_STREAM, 0);
	if (s->listener < 0 || weft_bind(s->listener, (struct sockaddr *)&a, sizeof(a)) ||
	    weft_listen(s->listener, 5))
		return -1;
	return pthread_create(&s->thread, NULL, serve, s);
}

/* What the service of this thread's stack says. */
static ssize_t ask(char *buf, size_t n)
{
	struct sockaddr_in a = service_addr();
	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
	ssize_t got = -1;

	if (fd >= 0 && weft_connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		got = weft_recv(fd, buf, n, MSG_WAITALL);
	weft_close(fd);
	return got;
}

int main(void)
{
	struct service s[2] = {{.says = "first"}, {.says = "second"}};
	void *why;
	int bad = 0;

	for (int i = 0; i < 2; i++)
		if (service_start(&s[i])) {
			perror("two_stacks");
			return 1;
		}
	for (int i = 0; i < 2; i++) {
		char buf[16] = "";

		weft_use(s[i].stack);
		bad |= ask(buf, sizeof(buf) - 1) < 0 || strcmp(buf, s[i].says) != 0;
		printf("stack %d says %s\n", i + 1, buf);
	}
	for (int i = 0; i < 2; i++) {
		weft_stop(s[i].stack);
		pthread_join(s[i].thread, &why);
		bad |= (intptr_t)why != ENETDOWN;
	}
	return bad;
}
