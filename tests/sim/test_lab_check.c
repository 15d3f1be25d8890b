/*
 * tests/sim/test_lab_check.c - each thing that must hold is seen when it does not: a transfer is stopped half-way, one
 * field is put wrong, and the violation says what, where and when.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "net/net_priv.h"
#include "tcp/tcp_priv.h"
#include "tests/harness/unit.h"
#include "tests/sim/lab.h"

#define BULK "host a b\nlink a b rate 10mbit delay 20ms queue 1000p\nbulk a b 5MB\n"

static struct lab_scene scene;
static struct lab_world *world;
static struct lab_conn *conn;
static char why[LAB_WHY];

static struct tcp_sock *client(void)
{
	return tcp_sk(conn->end[LAB_CLIENT].sk);
}

static struct tcp_sock *server(void)
{
	return tcp_sk(conn->end[LAB_SERVER].sk);
}

/* In the middle of a transfer, with data out and data waiting. */
static void world_open(const char *text, uint64_t until)
{
	ck_assert_msg(lab_scene_parse(&scene, "f", text, why), "%s", why);
	scene.seed = 1;
	world = lab_world_open(&scene, why);
	ck_assert_msg(world != NULL, "%s", why);
	lab_run_until(world, until);
	ck_assert_msg(!world->bad.set, "%s", world->bad.what);
	conn = world->conns;
	ck_assert_ptr_nonnull(conn);
}

static void world_close(void)
{
	struct lab_violation bad;

	lab_world_close(world, &bad);
	ck_assert(bad.set);
}

static void violated(const char *what)
{
	ck_assert_msg(world->bad.set, "not seen: %s", what);
	ck_assert_msg(strstr(world->bad.what, what) != NULL, "%s", world->bad.what);
	ck_assert_uint_eq(world->bad.when, lab_now(world));
}

/* --- one field of a sender or receiver ------------------------------------------------------------ */

static void una_over_nxt(void)
{
	client()->snd_una = client()->snd_nxt + 1;
}

static void nxt_over_queue(void)
{
	client()->snd_nxt = client()->write_seq + 1;
}

static void nxt_over_window(void)
{
	conn->end[LAB_CLIENT].snd_edge = client()->snd_nxt - 3000;
	client()->snd_wnd = 0;
}

static void una_back(void)
{
	conn->end[LAB_CLIENT].una = client()->snd_una + 1;
}

static void read_too_much(void)
{
	server()->copied_seq = server()->rcv_nxt + 1;
}

static void rcv_over_window(void)
{
	server()->rcv_adv = server()->rcv_nxt - 2;
}

static void edge_back(void)
{
	conn->end[LAB_SERVER].rcv_edge = server()->rcv_adv + 2;
}

static void no_timer(void)
{
	client()->due[TCP_DUE_RTX] = 0;
}

static void timer_off_wheel(void)
{
	client()->timer_at = 0;
}

static void timer_far(void)
{
	client()->due[TCP_DUE_RTX] += 200 * 1000;
}

static void too_much_received(void)
{
	server()->sk.rcvbuf = 0;
	server()->sk.rcv_bytes = 200000;
}

static void too_much_queued(void)
{
	client()->sk.sndbuf = 1000;
}

static void no_cwnd(void)
{
	client()->est->cwnd = 0;
}

static void acked_unsent(void)
{
	server()->rcv_nxt = client()->snd_nxt + 5;
}

static void believed_acked(void)
{
	server()->rcv_nxt = server()->copied_seq = client()->snd_una - 1;
}

static void sacked_miscounted(void)
{
	client()->est->xfer->head->flags |= REC_SACKED;
}

static void lost_miscounted(void)
{
	client()->est->xfer->lost += 7;
}

static void retrans_miscounted(void)
{
	client()->est->xfer->retrans += 7;
}

static void sacked_and_lost(void)
{
	client()->est->xfer->head->flags |= REC_SACKED | REC_LOST;
}

static void unsent_marked(void)
{
	client()->est->xfer->next->flags |= REC_LOST;
}

static void gap_in_queue(void)
{
	client()->est->xfer->head->end--;
}

static void wrong_next(void)
{
	client()->est->xfer->next->times = 1;
}

static void short_queue(void)
{
	client()->est->xfer->tail->end--;
}

static const struct {
	void (*inject)(void);
	const char *what;
} field[] = {
    {una_over_nxt, "is over SND.NXT"},
    {nxt_over_queue, "is over the end of the queue"},
    {nxt_over_window, "is over the window's edge"},
    {una_back, "SND.UNA moved back"},
    {read_too_much, "RCV.NXT is"},
    {rcv_over_window, "RCV.NXT"},
    {edge_back, "right edge moved back"},
    {no_timer, "data are out in ESTABLISHED, and no timer"},
    {timer_off_wheel, "the timer is not on the wheel"},
    {timer_far, "and the timer waits"},
    {too_much_received, "bytes are received, the buffer has 0"},
    {too_much_queued, "bytes are queued, the buffer has 1000"},
    {no_cwnd, "cwnd is 0"},
    {acked_unsent, "the other end sent up to"},
    {believed_acked, "for acknowledged, the other end received up to"},
    {sacked_miscounted, "bytes count as SACKed"},
    {lost_miscounted, "bytes count as lost"},
    {retrans_miscounted, "bytes count as sent again"},
    {sacked_and_lost, "is SACKed and lost"},
    {unsent_marked, "is marked and was never sent"},
    {gap_in_queue, "the next begins at"},
    {wrong_next, "the next to send is"},
    {short_queue, "the last record ends at"},
};

/* The fields stay wrong, so the world is not ended in order: the process ends. */
START_TEST(test_field_put_wrong_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	ck_assert_uint_ne(client()->snd_una, client()->snd_nxt);
	field[_i].inject();
	world->checks = 0; /* the next look walks the queue */
	lab_check_conn(conn);
	violated(field[_i].what);
	ck_assert_ptr_nonnull(strstr(world->bad.what, "bulk a b, connection 1, port "));
}
END_TEST

/* --- the rest ------------------------------------------------------------------------------------- */

START_TEST(test_wrong_byte_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	for (unsigned i = 0; i < LAB_PATTERN; i++)
		world->pattern[i] ^= 1; /* what was sent no longer is what should come */
	lab_run_until(world, 2 * NSEC_PER_SEC);
	violated("are not those that were sent");
	world_close();
}
END_TEST

START_TEST(test_early_end_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	world->scene.job[0].up = conn->end[LAB_CLIENT].todo = conn->end[LAB_CLIENT].sent;
	lab_end_ready(&conn->end[LAB_CLIENT]);
	lab_run_until(world, NSEC_PER_SEC + 10 * NSEC_PER_MSEC);
	conn->end[LAB_CLIENT].todo += 5;
	lab_run_until(world, 20 * NSEC_PER_SEC);
	violated("the stream ends after");
	world_close();
}
END_TEST

START_TEST(test_unexplained_error_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	sock_lock(&client()->sk);
	client()->sk.err = ECONNRESET;
	sock_unlock(&client()->sk);
	lab_run_until(world, 2 * NSEC_PER_SEC);
	violated("the connection fails: Connection reset by peer");
	world_close();
}
END_TEST

/* The server's program is never told that bytes came. */
START_TEST(test_forgotten_wake_is_seen)
{
	world_open("host a b\nlink a b delay 5ms\nrr a b 1000 size 100 100\n", NSEC_PER_SEC);
	wait_del(conn->end[LAB_SERVER].socket, &conn->end[LAB_SERVER].wait);
	lab_run_until(world, 20 * NSEC_PER_SEC);
	violated("stands still for");
	wait_add(conn->end[LAB_SERVER].socket, &conn->end[LAB_SERVER].wait);
	world_close();
}
END_TEST

START_TEST(test_lost_frame_without_reason_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	world->line[0].stats.delivered--;
	lab_run_until(world, 2 * NSEC_PER_SEC);
	violated("are accounted for");
	world_close();
}
END_TEST

START_TEST(test_device_that_counts_wrong_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	if (_i)
		traffic_count(world->line[0].to, NETDEV_RX_PACKETS, 1, 0);
	else
		traffic_count(world->line[0].from, NETDEV_TX_PACKETS, 1, 0);
	lab_run_until(world, 3 * NSEC_PER_SEC);
	violated(_i ? "the device counts" : "the device sent");
	world_close();
}
END_TEST

START_TEST(test_memory_over_its_bound_is_seen)
{
	world_open(BULK, NSEC_PER_SEC);
	atomic_store(&world->node[0].stack->sysctl.mem_limit, 1);
	lab_check_world(world);
	violated("a: ");
	violated("bytes of packet memory, the bound is 1");
	world_close();
}
END_TEST

START_TEST(test_leak_is_seen)
{
	struct lab_violation bad;
	struct pkbuf *b;
	struct batch batch;

	world_open("host a b\nlink a b delay 5ms\nbulk a b 1KB\n", NSEC_PER_MSEC);
	batch_begin(&batch, world->node[0].stack);
	b = pkbuf_alloc(world->node[0].stack, PKBUF_TX_HEAD);
	batch_end(&batch);
	ck_assert_ptr_nonnull(b);
	ck_assert(lab_run_until(world, ENV_NEVER));
	lab_jobs_end(world);
	lab_check_left(world);
	violated("a: 1 packet buffers in use are left, there were 0");
	batch_begin(&batch, world->node[0].stack);
	pkbuf_free(b);
	batch_end(&batch);
	lab_world_close(world, &bad);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("check");

	tcase_add_loop_test(tc, test_field_put_wrong_is_seen, 0,
			    (int)(sizeof(field) / sizeof(field[0])));
	tcase_add_test(tc, test_wrong_byte_is_seen);
	tcase_add_test(tc, test_early_end_is_seen);
	tcase_add_test(tc, test_unexplained_error_is_seen);
	tcase_add_test(tc, test_forgotten_wake_is_seen);
	tcase_add_test(tc, test_lost_frame_without_reason_is_seen);
	tcase_add_loop_test(tc, test_device_that_counts_wrong_is_seen, 0, 2);
	tcase_add_test(tc, test_memory_over_its_bound_is_seen);
	tcase_add_test(tc, test_leak_is_seen);
	return unit_run("lab_check", tc);
}
