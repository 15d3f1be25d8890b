/*
 * tests/socket/test_land_thread.c - bulk read straight into the buffers of threads that wait in recv() (net/landing.h), while
 * others read the same stream, are interrupted or close it: every byte arrives once, and none in a buffer that was given
 * back, which ThreadSanitizer would see.  Two stacks, a TAP each over a pair of sockets.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "net/ifaddr.h"
#include "net/tap.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

enum { READERS = 3, TOTAL = 24 << 20, CHUNK = 256 << 10, CLOSES = 8, PASSES = 50 };

static struct {
	struct stack *st[2]; /* who reads, who sends */
	int fd[2];
	_Atomic uint64_t got[256]; /* of each byte */
	_Atomic bool stop;
} t;

/* --- the world ---------------------------------------------------------------------------------- */

static void device(unsigned i, int fd)
{
	struct tap_config cfg = {.name = "tun0", .tun = true};
	struct ip_addr own = ip_addr4(0x0a000001 + i);
	struct netdev *dev;
	struct batch b;

	ck_assert_int_eq(tap_attach(t.st[i], &cfg, &fd, 1, &dev), 0);
	batch_begin(&b, t.st[i]);
	netdev_up(dev);
	ck_assert_int_eq(ifaddr_add(dev, &own, IP_PREFIX4(24)), 0);
	batch_end(&b);
	ck_assert_int_eq(netdev_threads_start(dev), 0);
}

static void on_signal(int sig)
{
}

static void setup(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int fd[2], size = 4 << 20;

	memset(&t, 0, sizeof(t));
	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd),
			 0);
	for (unsigned i = 0; i < 2; i++) {
		setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		t.st[i] = sockets_begin();
		device(i, fd[i]);
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		sockets_end(t.st[i]);
}

static void stream_open(uint16_t port)
{
	struct sockaddr_in at = in4("10.0.0.1", port);
	int ls;

	weft_use(t.st[0]);
	ls = weft_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(weft_bind(ls, sa(&at), SA_LEN), 0);
	ck_assert_int_eq(weft_listen(ls, 1), 0);
	weft_use(t.st[1]);
	t.fd[1] = weft_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(weft_connect(t.fd[1], sa(&at), SA_LEN), 0);
	weft_use(t.st[0]);
	t.fd[0] = weft_accept(ls, NULL, NULL);
	ck_assert_int_ge(t.fd[0], 0);
	weft_close(ls);
}

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ at >> 24);
}

static void *send_all(void *arg)
{
	uint8_t *buf = malloc(CHUNK);

	weft_use(t.st[1]);
	for (uint64_t at = 0; at < TOTAL; at += CHUNK) {
		for (unsigned i = 0; i < CHUNK; i++)
			buf[i] = byte_at(at + i);
		if (weft_send(t.fd[1], buf, CHUNK, MSG_NOSIGNAL) != CHUNK)
			break;
	}
	weft_shutdown(t.fd[1], SHUT_WR);
	free(buf);
	return NULL;
}

/* To the end of the stream, each time into a buffer that is used for something else then. */
static void *read_all(void *arg)
{
	uint8_t *buf = malloc(CHUNK);
	uint64_t got[256] = {0};
	ssize_t n;

	weft_use(t.st[0]);
	netdev_wait_serves(t.st[0]); /* it leads however slow a sanitizer makes it */
	for (;;) {
		n = weft_recv(t.fd[0], buf, CHUNK, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			got[buf[i]]++;
		memset(buf, 0xee, CHUNK);
	}
	for (unsigned i = 0; i < 256; i++)
		atomic_fetch_add(&t.got[i], got[i]);
	free(buf);
	return NULL;
}

/* Each byte of the stream was counted once. */
static void all_arrived(void)
{
	uint64_t want[256] = {0};

	for (uint64_t at = 0; at < TOTAL; at++)
		want[byte_at(at)]++;
	for (unsigned i = 0; i < 256; i++)
		ck_assert_uint_eq(t.got[i], want[i]);
}

static void *interrupt(void *arg)
{
	pthread_t *reader = arg;
	struct timespec pause = {.tv_nsec = 300000};

	while (!atomic_load(&t.stop)) {
		for (unsigned i = 0; i < READERS; i++)
			pthread_kill(reader[i], SIGUSR1);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* --- what happens ------------------------------------------------------------------------------- */

static void stream_pass(uint16_t port)
{
	pthread_t sender;

	for (unsigned i = 0; i < 256; i++)
		atomic_store(&t.got[i], 0);
	stream_open(port);
	pthread_create(&sender, NULL, send_all, NULL);
	read_all(NULL);
	pthread_join(sender, NULL);
	all_arrived();
	weft_close(t.fd[0]);
	weft_close(t.fd[1]);
}

/* Once more if the netdev thread has read it all. */
START_TEST(test_one_reader)
{
	for (unsigned i = 0; i < PASSES; i++) {
		stream_pass((uint16_t)(80 + i));
		if (mib_read(t.st[0], MIB_TcpExt_TCPPlaced))
			return;
	}
	ck_abort_msg("nothing was read into the buffer");
}
END_TEST

START_TEST(test_readers_interrupted)
{
	struct timeval soon = {.tv_usec = 500};
	pthread_t sender, reader[READERS], other;

	stream_open(80);
	weft_setsockopt(t.fd[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_all, NULL);
	pthread_create(&sender, NULL, send_all, NULL);
	pthread_create(&other, NULL, interrupt, reader);
	pthread_join(sender, NULL);
	atomic_store(&t.stop, true); /* before the numbers of those that signals go to end */
	pthread_join(other, NULL);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	all_arrived();
	weft_close(t.fd[0]);
	weft_close(t.fd[1]);
}
END_TEST

/* In the midst of it. */
START_TEST(test_closed)
{
	for (unsigned i = 0; i < CLOSES; i++) {
		struct timespec pause = {.tv_nsec = 1000000 * (i + 1)};
		pthread_t sender, reader;

		stream_open((uint16_t)(80 + i));
		pthread_create(&reader, NULL, read_all, NULL);
		pthread_create(&sender, NULL, send_all, NULL);
		nanosleep(&pause, NULL);
		weft_close(t.fd[0]);
		pthread_join(reader, NULL);
		pthread_join(sender, NULL);
		weft_close(t.fd[1]);
	}
}
END_TEST

/* Its call says so and returns before its memory is gone. */
START_TEST(test_stopped)
{
	struct timespec pause = {.tv_nsec = 3000000};
	pthread_t sender, reader;

	stream_open(80);
	pthread_create(&reader, NULL, read_all, NULL);
	pthread_create(&sender, NULL, send_all, NULL);
	nanosleep(&pause, NULL);
	sockets_end(t.st[0]);
	pthread_join(reader, NULL);
	weft_use(t.st[1]);
	weft_close(t.fd[1]);
	pthread_join(sender, NULL);
	t.st[0] = sockets_begin();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("land_thread");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_one_reader);
	tcase_add_test(tc, test_readers_interrupted);
	tcase_add_test(tc, test_closed);
	tcase_add_test(tc, test_stopped);
	return unit_run("land_thread", tc);
}
