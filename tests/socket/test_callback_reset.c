/*
 * weft_cb_*: connections that are gone before they are looked at, and one that is refused with its descriptor closed.
 */
#include <errno.h>
#include <string.h>

#include "tests/harness/sim.h"
#include "tests/harness/sockets.h"

/* What one end has been told.  All in one thread, on a lab's clock. */
struct end {
	int fd;
	unsigned came, gone;
	int err;
	size_t got;
};

static struct sim s;
static struct end client, server;

static void setup(void)
{
	sim_open(&s, &(struct sim_config){.seed = 1});
	client = server = (struct end){.fd = -1};
}

static void teardown(void)
{
	sim_close(&s);
}

static int on_recv(void *arg, int fd, const void *data, size_t n)
{
	((struct end *)arg)->got += n;
	return weft_cb_recved(fd, n);
}

static void on_err(void *arg, int err)
{
	struct end *e = arg;

	e->gone++;
	e->err = err;
	e->fd = -1;
}

static void hear(struct end *e, int fd)
{
	e->fd = fd;
	ck_assert_int_eq(weft_cb_arg(fd, e), 0);
	ck_assert_int_eq(weft_cb_recv(fd, on_recv), 0);
	ck_assert_int_eq(weft_cb_err(fd, on_err), 0);
}

static int on_accept(void *arg, int fd)
{
	server.came++;
	hear(&server, fd);
	return 0;
}

static void on_connected(void *arg, int fd, int err)
{
	ck_assert_int_eq(err, 0);
	client.came++;
	ck_assert_int_eq(weft_send(fd, "0123456789", 10, 0), 10);
}

static void run_ms(uint64_t ms)
{
	env_lab_advance(s.env, ms * NSEC_PER_MSEC);
}

static void call_and_send(void)
{
	struct sockaddr_in a = in4("10.0.0.2", SIM_PORT);

	weft_use(s.st[0]);
	hear(&client, weft_socket(AF_INET, SOCK_STREAM, 0));
	ck_assert_int_eq(weft_cb_connect(client.fd, sa(&a), SA_LEN, on_connected), 0);
	run_ms(50);
	ck_assert_uint_eq(client.came, 1);
}

static void client_resets(void)
{
	ck_assert_int_eq(weft_cb_abort(client.fd), 0);
	run_ms(50);
}

/* Gone before anybody took it: that is told as of any other, behind what came. */
START_TEST(test_reset_in_the_queue_is_told_to_err)
{
	call_and_send();
	client_resets();
	ck_assert_int_eq(weft_cb_accept(s.listener, on_accept), 0);
	run_ms(50);
	ck_assert_uint_eq(server.came, 1);
	ck_assert_uint_eq(server.got, 10);
	ck_assert_uint_eq(server.gone, 1);
	ck_assert_int_eq(server.err, ECONNRESET);
	ck_assert_int_eq(gauge_read(s.st[1], GAUGE_callbacks), 1);
}
END_TEST

/* The same of one that weft_accept() has taken. */
START_TEST(test_reset_before_the_first_callback_is_told)
{
	int fd;

	call_and_send();
	fd = weft_accept(s.listener, NULL, NULL);
	ck_assert_int_ge(fd, WEFT_FD_FIRST);
	client_resets();
	hear(&server, fd);
	run_ms(50);
	ck_assert_uint_eq(server.gone, 1);
	ck_assert_int_eq(server.err, ECONNRESET);
	ck_assert_errno(weft_close(fd), EBADF);
}
END_TEST

/* Its number is another socket's by then, which is not touched. */
static int accept_not_but_open(void *arg, int fd)
{
	server.came++;
	ck_assert_int_eq(weft_close(fd), 0);
	weft_use(s.st[1]);
	server.fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(server.fd, fd);
	return -1;
}

START_TEST(test_accept_that_says_no_and_closes_spares_the_next)
{
	ck_assert_int_eq(weft_cb_accept(s.listener, accept_not_but_open), 0);
	call_and_send();
	run_ms(50);
	ck_assert_uint_eq(server.came, 1);
	ck_assert_int_eq(weft_close(server.fd), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("callback_reset");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_reset_in_the_queue_is_told_to_err);
	tcase_add_test(tc, test_reset_before_the_first_callback_is_told);
	tcase_add_test(tc, test_accept_that_says_no_and_closes_spares_the_next);
	return unit_run("callback_reset", tc);
}
