/* weft is a guest: its threads take no signal, EPIPE raises none, its descriptors do not outlive exec. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

/* What a line of /proc/self/task/TID/status says. */
static unsigned long long task_mask(const char *tid, const char *key)
{
	unsigned long long mask = 0;
	char path[512], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			mask = strtoull(line + strlen(key), NULL, 16);
	fclose(f);
	return mask;
}

static void task_name(const char *tid, char *name, size_t n)
{
	char path[512];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = read(fd, name, n - 1);
	close(fd);
	name[got > 0 ? got - 1 : 0] = 0; /* without the newline */
}

/*
 * The mask of a thread that blocks every signal it may: the kernel keeps KILL and STOP out of it,
 * the C library 32 and 33, valgrind one of its own.
 */
static unsigned long long full_mask(void)
{
	unsigned long long mask;
	sigset_t all, before;
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", (int)gettid());
	sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
	mask = task_mask(tid, "SigBlk:");
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	ck_assert_uint_ge((unsigned)__builtin_popcountll(mask), 59);
	return mask;
}

/* How many threads of this name there are; each must block every signal. */
static unsigned threads_named(const char *want)
{
	unsigned long long full = full_mask();
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	unsigned n = 0;
	char name[32];

	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		task_name(e->d_name, name, sizeof(name));
		if (strcmp(name, want))
			continue;
		n++;
		ck_assert_uint_eq(task_mask(e->d_name, "SigBlk:") & full, full);
	}
	closedir(dir);
	return n;
}

START_TEST(test_threads_are_named_and_block_every_signal)
{
	struct stack *st = sockets_begin();

	ck_assert_uint_eq(threads_named("net_timer"), 1);
	ck_assert_uint_eq(threads_named("tcp_timer"), 1);
	ck_assert_uint_eq(threads_named("netdev"), 1);
	sockets_end(st);
}
END_TEST

START_TEST(test_start_leaves_the_callers_mask)
{
	sigset_t before, after;
	struct stack *st;

	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	st = sockets_begin();
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	for (int sig = 1; sig < 65; sig++)
		ck_assert_int_eq(sigismember(&before, sig), sigismember(&after, sig));
	sockets_end(st);
}
END_TEST

/* SIGPIPE has its default action here: one would end the test. */
START_TEST(test_epipe_raises_nothing)
{
	struct stack *st = sockets_begin();
	int fd[2];

	signal(SIGPIPE, SIG_DFL);
	sockets_pair(fd);
	ck_assert_int_eq(weft_shutdown(fd[0], SHUT_WR), 0);
	ck_assert_errno(weft_write(fd[0], "x", 1), EPIPE);
	ck_assert_errno(weft_send(fd[0], "x", 1, 0), EPIPE);
	weft_close(fd[0]);
	weft_close(fd[1]);
	sockets_end(st);
}
END_TEST

/* The kernel's descriptors that are open; those without close-on-exec to *leaky. */
static int kernel_fds(int *leaky)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	*leaky = 0;
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		n++;
		*leaky += !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	closedir(dir);
	return n;
}

START_TEST(test_kernel_descriptors_are_cloexec_and_given_back)
{
	int before_leaky, leaky, before = kernel_fds(&before_leaky);
	struct stack *st = sockets_begin();
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
	struct sockaddr_in at;
	int pipe_fd[2];

	p[0].fd = sockets_bound(SOCK_DGRAM, &at);
	ck_assert_int_ge(weft_eventfd(p[0].fd, POLLIN), 0);
	ck_assert_int_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	p[1].fd = pipe_fd[0];
	ck_assert_int_eq(weft_poll(p, 2, 0), 0);
	ck_assert_int_ge(kernel_fds(&leaky), before + 3);
	ck_assert_int_eq(leaky, before_leaky);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	weft_close(p[0].fd);
	sockets_end(st);
	ck_assert_int_eq(kernel_fds(&leaky), before);
}
END_TEST

/* A program may end with a stack running and blocked threads: nothing of weft runs at exit. */
START_TEST(test_exit_runs_nothing_of_weft)
{
	struct sockaddr_in at;
	static struct blocked b;

	b = (struct blocked){.st = sockets_begin(), .fn = blocked_recv};
	b.fd = sockets_bound(SOCK_DGRAM, &at);
	blocked_begin(&b);
	exit(7);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("signal");

	tcase_add_test(tc, test_threads_are_named_and_block_every_signal);
	tcase_add_test(tc, test_start_leaves_the_callers_mask);
	tcase_add_test(tc, test_epipe_raises_nothing);
	tcase_add_test(tc, test_kernel_descriptors_are_cloexec_and_given_back);
	tcase_add_exit_test(tc, test_exit_runs_nothing_of_weft, 7);
	return unit_run("signal", tc);
}
