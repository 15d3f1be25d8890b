/*
 * tests/harness/preload/restart.c - for interop/run-restart.sh: connect() to where nobody answers, with and without
 * SA_RESTART, SO_SNDTIMEO and a jump out of the handler, in a thread that is cancelled and in two; then to ADDRESS PORT,
 * an echo server, with signals all along.
 *
 * It prints what each said, which is to be as on the kernel's TCP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LONG 200000 /* bytes: more than a pad */

static volatile sig_atomic_t signals;
static bool jumps;
static sigjmp_buf out;

static void handle(int signal)
{
	signals++;
	if (jumps)
		siglongjmp(out, 1);
}

static void signals_every(int ms, int flags)
{
	const struct sigaction sa = {.sa_handler = handle, .sa_flags = flags};
	const struct timeval tv = {.tv_usec = ms * 1000};
	const struct itimerval it = {tv, tv};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static int connect_to(int fd, const char *address, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, address, &a.sin_addr);
	signals = 0;
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
}

static void say(const char *what, int err)
{
	printf("%s: %s, %s\n", what, strerror(err), signals ? "signals" : "no signal");
}

static void timeout_set(int fd, int ms)
{
	const struct timeval tv = {.tv_usec = ms * 1000};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void nobody(const char *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	signals_every(100, SA_RESTART);
	say("restarts", connect_to(fd, address, 9));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	signals_every(100, 0);
	say("does not restart", connect_to(fd, address, 9));
	signals_every(0, 0);
	timeout_set(fd, 50);
	say("goes on", connect_to(fd, address, 9));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	timeout_set(fd, 500);
	signals_every(100, SA_RESTART);
	say("has a time, restarts", connect_to(fd, address, 9));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	timeout_set(fd, 50);
	signals_every(0, 0);
	say("has a time", connect_to(fd, address, 9));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	jumps = true;
	signals_every(100, SA_RESTART);
	if (sigsetjmp(out, 1) == 0)
		connect_to(fd, address, 9);
	jumps = false;
	signals_every(0, 0);
	say("jumps", 0);
	close(fd);
}

static void *connects(void *address)
{
	connect_to(socket(AF_INET, SOCK_STREAM, 0), address, 9);
	return NULL;
}

/* While it waits, or before. */
static void cancelled(char *address)
{
	pthread_t thread;
	void *end;

	pthread_create(&thread, NULL, connects, address);
	usleep(50000);
	pthread_cancel(thread);
	pthread_join(thread, &end);
	printf("cancelled: %s\n", end == PTHREAD_CANCELED ? "yes" : "no");
}

struct shared {
	pthread_t thread;
	int fd, err;
	char *address;
};

static void *connects_too(void *arg)
{
	struct shared *s = arg;

	s->err = connect_to(s->fd, s->address, 9);
	return NULL;
}

/* Two threads wait on one socket: a signal ends the second one's wait, and the first goes on past another. */
static void both(char *address)
{
	struct sigaction sa = {.sa_handler = handle};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct shared s[2] = {{.fd = fd, .address = address}, {.fd = fd, .address = address}};

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_create(&s[i].thread, NULL, connects_too, &s[i]);
		usleep(100000);
	}
	pthread_kill(s[1].thread, SIGUSR1);
	pthread_join(s[1].thread, NULL);
	pthread_kill(s[0].thread, SIGUSR2);
	pthread_join(s[0].thread, NULL);
	say("the second", s[1].err);
	say("the first", s[0].err);
	close(fd);
}

/* What it wrote comes back and nothing else: the wait writes nothing.  False: it differs. */
static bool echoes(const char *address, int port)
{
	static char text[LONG], back[LONG];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t k;

	signals_every(1, SA_RESTART);
	if (connect_to(fd, address, port))
		return false;
	signals_every(0, 0);
	for (int i = 0; i < LONG; i++)
		text[i] = (char)(i % 251);
	while (n < LONG && (k = write(fd, text + n, n + 20000 < LONG ? 20000 : LONG - n)) > 0) {
		for (ssize_t got; k > 0; k -= got, n += (size_t)got) {
			got = read(fd, back + n, (size_t)k);
			if (got <= 0)
				return false;
		}
	}
	close(fd);
	return memcmp(text, back, LONG) == 0;
}

int main(int argc, char **argv)
{
	int exact = 0;

	if (argc != 4)
		return 2;
	nobody(argv[1]);
	cancelled(argv[1]);
	both(argv[1]);
	for (int i = 0; i < 20; i++)
		exact += echoes(argv[2], atoi(argv[3]));
	printf("echoes: %d exact\n", exact);
	return 0;
}
