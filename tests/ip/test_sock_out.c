/*
 * tests/ip/test_sock_out.c - a connected stream's segment goes out by sock_out() as by sock_flow() and ip_out(), whatever
 * is set: the same bytes, the same counters, the same to the hooks, the same answer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_sock.h"
#include "lib/wire/tcp.h"
#include "tests/harness/frame.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;

static void destroy_nothing(struct sock *sk)
{
}

static int init_nothing(struct sock *sk)
{
	return 0;
}

static const struct sock_ops stream_ops = {
    .proto = IPPROTO_TCP,
    .type = SOCK_STREAM,
    .size = sizeof(struct sock),
    .name = "stream",
    .init = init_nothing,
    .destroy = destroy_nothing,
};

/* What a hook was shown. */
struct shown {
	struct ip_addr src, dst;
	struct netdev *in, *out;
	uint64_t stamp;
	uint32_t mark, len;
	uint8_t proto, tos, ttl, point;
	bool l4_is_right;
};

struct outcome {
	int err;
	unsigned nshown, nframes;
	struct shown shown[8];
	uint64_t mib[MIB_MAX];
	uint32_t len[8];
	uint8_t to[8][6], bytes[8][2000];
};

static struct outcome *now; /* the one that is being made */
static enum hook_verdict verdict[HOOK_MAX];

static enum hook_verdict show(struct hook *h, struct pkbuf *b, const struct hook_io *io)
{
	struct shown *s = &now->shown[now->nshown++];
	uint8_t point = (uint8_t)(uintptr_t)h->arg;

	s->src = b->src;
	s->dst = b->dst;
	s->in = io->in;
	s->out = io->out;
	s->stamp = b->stamp;
	s->mark = b->mark;
	s->len = b->len;
	s->proto = b->proto;
	s->tos = b->tos;
	s->ttl = b->ttl;
	s->point = point;
	s->l4_is_right = b->l4 == b->l3 + ip4_hdr_len(ip4_hdr(b));
	if (verdict[point] == HOOK_STOLEN)
		pkbuf_free(b);
	return verdict[point];
}

static void setup(void)
{
	ip_lab_open(&l);
	memset(verdict, HOOK_ACCEPT, sizeof(verdict));
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static void hook_at(enum hook_point at)
{
	static struct hook hooks[HOOK_MAX];

	hooks[at] = (struct hook){.fn = show, .arg = (void *)(uintptr_t)at};
	hook_register(l.st, at, &hooks[at]);
}

static void hooks_on(void)
{
	hook_at(HOOK_LOCAL_OUT);
	hook_at(HOOK_POST_ROUTING);
}

/* --- the two ways --------------------------------------------------------------------------------- */

/* What goes: n bytes behind the IP header, cut by gso_size; its ECN field. */
struct segment {
	uint32_t n;
	uint16_t gso_size;
	uint8_t ecn;
};

static struct pkbuf *segment_make(const struct segment *s)
{
	struct pkbuf *b = frame_send4(l.st, s->n - TCP_HLEN, s->gso_size);

	pkbuf_trim_front(b, ETHER_HLEN + IP4_HLEN);
	b->l4 = b->head;
	b->tos = s->ecn;
	b->stamp = 12345;
	return b;
}

static int by_flow(struct sock *sk, struct pkbuf *b, struct path *path)
{
	struct ip_flow f;

	sock_flow(sk, &sk->c.raddr, &f);
	f.tos |= b->tos;
	return ip_out(b, &f, path);
}

static int by_sock(struct sock *sk, struct pkbuf *b, struct path *path)
{
	sock_note(sk, b);
	return sock_out(sk, b, path);
}

static void frames_take(struct outcome *o)
{
	static uint8_t bytes[IP4_LEN_MAX];
	struct pkbuf *b;
	uint32_t n;

	while ((n = ip_lab_sent(&l, l.eth, bytes))) {
		unsigned i = o->nframes++;

		ck_assert_uint_lt(i, 8);
		ck_assert(ip_packet_is_sound(bytes, n));
		memset(bytes + 4, 0, 2);  /* the identification */
		memset(bytes + 10, 0, 2); /* and the sum over it */
		memcpy(o->bytes[i], bytes, n < 2000 ? n : 2000);
		memcpy(o->to[i], l.to, 6);
		o->len[i] = n;
	}
	while ((b = pkq_take(&l.arrived)))
		pkbuf_free(b);
}

static void outcome_make(struct outcome *o, struct sock *sk, const struct segment *s,
			 int (*out)(struct sock *, struct pkbuf *, struct path *))
{
	struct ip_flow f;
	struct path *path;
	struct batch batch;
	int err = 0;

	memset(o, 0, sizeof(*o));
	now = o;
	sock_flow(sk, &sk->c.raddr, &f);
	path = path_get(l.st, &f, &err);
	ck_assert_ptr_nonnull(path);
	for (unsigned m = 0; m < MIB_MAX; m++)
		o->mib[m] -= mib_read(l.st, m);
	batch_begin(&batch, l.st);
	o->err = out(sk, segment_make(s), path);
	batch_end(&batch);
	for (unsigned m = 0; m < MIB_MAX; m++)
		o->mib[m] += mib_read(l.st, m);
	path_put(path);
	frames_take(o);
}

static struct outcome flow_made, sock_made;

static struct sock *stream_to(const char *dst)
{
	struct sock *sk = sock_alloc(l.st, &stream_ops);

	ck_assert_ptr_nonnull(sk);
	sk->c.laddr = ip_of("10.0.0.1");
	sk->c.raddr = ip_of(dst);
	return sk;
}

/* Both ways; how many frames there were. */
static unsigned same(struct sock *sk, struct segment s)
{
	outcome_make(&flow_made, sk, &s, by_flow);
	outcome_make(&sock_made, sk, &s, by_sock);
	ck_assert_int_eq(sock_made.err, flow_made.err);
	ck_assert_uint_eq(sock_made.nframes, flow_made.nframes);
	ck_assert_uint_eq(sock_made.nshown, flow_made.nshown);
	for (unsigned m = 0; m < MIB_MAX; m++)
		ck_assert_msg(sock_made.mib[m] == flow_made.mib[m], "%s: %u, by flow %u",
			      mib_info[m].name, (unsigned)sock_made.mib[m],
			      (unsigned)flow_made.mib[m]);
	ck_assert_mem_eq(&sock_made, &flow_made, sizeof(flow_made));
	return sock_made.nframes;
}

static const struct segment plain = {.n = 500};

/* --- what the header says -------------------------------------------------------------------------- */

START_TEST(test_plain)
{
	struct sock *sk = stream_to("10.0.0.2");

	ck_assert_uint_eq(same(sk, plain), 1);
	ck_assert_uint_eq(sock_made.len[0], 520);
	ck_assert_uint_eq(sock_made.mib[MIB_Ip_OutRequests], 1);
	ck_assert_uint_eq(sock_made.bytes[0][6], 0x40); /* DF */
	ck_assert_uint_eq(sock_made.bytes[0][8], 64);
	hooks_on();
	ck_assert_uint_eq(same(sk, plain), 1);
	ck_assert_uint_eq(sock_made.nshown, 2);
	sock_put(sk);
}
END_TEST

START_TEST(test_tos_ecn_and_ttl)
{
	struct sock *sk = stream_to("10.0.0.2");

	hooks_on();
	sk->tos = 0x20;
	same(sk, plain);
	same(sk, (struct segment){.n = 500, .ecn = 2});
	ck_assert_uint_eq(sock_made.bytes[0][1], 0x22);
	sk->ttl = 9;
	same(sk, plain);
	ck_assert_uint_eq(sock_made.bytes[0][8], 9);
	sk->ttl = 0;
	sysctl_write(l.st, "net.ipv4.ip_default_ttl", 99);
	same(sk, plain);
	ck_assert_uint_eq(sock_made.bytes[0][8], 99);
	sock_put(sk);
}
END_TEST

START_TEST(test_mark)
{
	struct sock *sk = stream_to("10.0.0.2");

	hooks_on();
	sock_rare_get(sk)->mark = 7;
	ck_assert_uint_eq(same(sk, plain), 1);
	ck_assert_uint_eq(sock_made.shown[0].mark, 7);
	sock_put(sk);
}
END_TEST

START_TEST(test_options)
{
	struct sock *sk = stream_to("10.0.0.2");
	static const uint8_t record[] = {7, 7, 4, 0, 0, 0, 0, 1};

	hooks_on();
	sock_rare_get(sk)->opt = malloc(sizeof(record));
	memcpy(sk->rare_own->opt, record, sizeof(record));
	sk->rare_own->optlen = sizeof(record);
	ck_assert_uint_eq(same(sk, plain), 1);
	ck_assert_uint_eq(sock_made.len[0], 528);
	sock_put(sk);
}
END_TEST

/* --- sizes ----------------------------------------------------------------------------------------- */

START_TEST(test_pmtudisc)
{
	struct sock *sk = stream_to("10.0.0.2");

	sk->pmtudisc = (uint8_t)_i;
	same(sk, plain);
	same(sk, (struct segment){.n = 1480});
	pmtu_learn(l.st, &sk->c.raddr, 1000, 1500);
	same(sk, (struct segment){.n = 980});
	ck_assert_uint_eq(sock_made.nframes, 1);
	same(sk, (struct segment){.n = 981});
	sysctl_write(l.st, "net.ipv4.ip_no_pmtu_disc", 1);
	same(sk, plain);
	sock_put(sk);
}
END_TEST

START_TEST(test_path_below_least)
{
	struct sock *sk = stream_to("10.0.0.2");

	pmtu_learn(l.st, &sk->c.raddr, 300, 1500);
	ck_assert_uint_eq(same(sk, (struct segment){.n = 400}), 1);
	ck_assert_uint_eq(sock_made.bytes[0][6], 0);
	sock_put(sk);
}
END_TEST

START_TEST(test_super_frame)
{
	struct sock *sk = stream_to("10.0.0.2");

	ck_assert_uint_eq(same(sk, (struct segment){.n = TCP_HLEN + 3000, .gso_size = 1000}), 3);
	ck_assert_uint_eq(same(sk, (struct segment){.n = TCP_HLEN + 400, .gso_size = 200}), 2);
	sock_put(sk);
}
END_TEST

/* Each segment takes an identification of its own. */
START_TEST(test_identifications_behind_a_super_frame)
{
	static const struct segment super = {.n = TCP_HLEN + 400, .gso_size = 200};
	struct sock *sk = stream_to("10.0.0.2");
	uint8_t bytes[2000];
	uint16_t id[4];
	struct ip_flow f;
	struct batch batch;
	struct path *path;
	int err;

	sock_flow(sk, &sk->c.raddr, &f);
	path = path_get(l.st, &f, &err);
	batch_begin(&batch, l.st);
	by_sock(sk, segment_make(&plain), path);
	by_sock(sk, segment_make(&super), path);
	by_sock(sk, segment_make(&plain), path);
	batch_end(&batch);
	path_put(path);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_gt(ip_lab_sent(&l, l.eth, bytes), 0);
		id[i] = be16_get(((const struct ip4_hdr *)bytes)->id);
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(id[k], id[i]);
	}
	sock_put(sk);
}
END_TEST

/* --- where it goes --------------------------------------------------------------------------------- */

START_TEST(test_destinations)
{
	static const char *const to[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1", "127.0.0.1",
					 "10.0.0.1"};
	struct sock *sk = stream_to(to[_i]);

	sk->flags |= SOCK_BROADCAST;
	hooks_on();
	same(sk, plain);
	ck_assert_uint_gt(sock_made.nshown, 0);
	sock_put(sk);
}
END_TEST

START_TEST(test_device_refuses)
{
	struct sock *sk = stream_to("10.0.0.2");

	l.eth->refuse = -ENOBUFS;
	ck_assert_uint_eq(same(sk, plain), 0);
	ck_assert_int_eq(sock_made.err, -ENOBUFS);
	ck_assert_uint_eq(sock_made.mib[MIB_Ip_OutDiscards], 1);
	l.eth->refuse = 0;
	sock_put(sk);
}
END_TEST

START_TEST(test_hook_takes_it)
{
	struct sock *sk = stream_to("10.0.0.2");
	enum hook_point at = _i < 2 ? HOOK_LOCAL_OUT : HOOK_POST_ROUTING;

	hook_at(at);
	verdict[at] = _i % 2 ? HOOK_DROP : HOOK_STOLEN;
	ck_assert_uint_eq(same(sk, plain), 0);
	ck_assert_int_eq(sock_made.err, _i % 2 ? -EPERM : 0);
	ck_assert_uint_eq(sock_made.nshown, 1);
	sock_put(sk);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sock_out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_plain);
	tcase_add_test(tc, test_tos_ecn_and_ttl);
	tcase_add_test(tc, test_mark);
	tcase_add_test(tc, test_options);
	tcase_add_loop_test(tc, test_pmtudisc, PMTUDISC_DONT, PMTUDISC_OMIT + 1);
	tcase_add_test(tc, test_path_below_least);
	tcase_add_test(tc, test_super_frame);
	tcase_add_test(tc, test_identifications_behind_a_super_frame);
	tcase_add_loop_test(tc, test_destinations, 0, 5);
	tcase_add_test(tc, test_device_refuses);
	tcase_add_loop_test(tc, test_hook_takes_it, 0, 4);
	return unit_run("sock_out", tc);
}
