/*
 * tests/harness/netstack.c - a stack with its net room alone, on a lab's clock or on threads.
 */
#include "tests/harness/netstack.h"

#include <stdlib.h>

#include "tests/harness/unit.h"

static struct stack *netstack_in(struct env *env)
{
	struct stack *st = stack_alloc(env);

	ck_assert_ptr_nonnull(st);
	ck_assert_ptr_nonnull(net_state_create(st));
	return st;
}

struct stack *netstack_create(uint64_t seed)
{
	struct env *env = env_lab_create(seed);

	ck_assert_ptr_nonnull(env);
	return netstack_in(env);
}

struct stack *netstack_threads(void)
{
	struct env *env = env_thread_create();

	ck_assert_ptr_nonnull(env);
	return netstack_in(env);
}

struct stack *netstack_join(struct stack *first)
{
	return netstack_in(first->env);
}

void netstack_leave(struct stack *st)
{
	net_state_destroy(st);
	stack_free(st);
}

void netstack_destroy(struct stack *st)
{
	struct env *env = st->env;

	netstack_leave(st);
	if (env->threaded)
		env_thread_destroy(env);
	else
		env_lab_destroy(env);
}

struct pkbuf *netstack_packet(struct stack *st, unsigned head, uint32_t n, uint8_t first)
{
	struct pkbuf *b = pkbuf_alloc(st, head);
	uint32_t linear = n < PKBUF_RX_LINEAR ? n : PKBUF_RX_LINEAR;
	uint8_t *bytes = malloc(n + 1);

	ck_assert(b && bytes);
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(first + i);
	if (linear > (uint32_t)PKBUF_HDR - b->tail)
		linear = (uint32_t)PKBUF_HDR - b->tail;
	ck_assert_int_eq(pkbuf_append(b, bytes, linear), 0);
	if (n > linear) {
		struct piece *p = piece_alloc(st, n - linear);

		ck_assert_ptr_nonnull(p);
		for (uint32_t i = linear; i < n; i++)
			piece_data(p)[i - linear] = bytes[i];
		ck_assert(pkbuf_add_piece(b, p, 0, n - linear));
		piece_put(p);
	}
	free(bytes);
	return b;
}

static int testdev_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct testdev *t = dev->priv;

	if (t->refuse && t->sent.count >= t->room) {
		pkbuf_drop(b, DROP_DEV_TX);
		return t->refuse;
	}
	pkq_add(&t->sent, b);
	return 0;
}

static void testdev_close(struct netdev *dev)
{
	struct testdev *t = dev->priv;

	pkq_free(&t->sent);
	free(t);
}

static const struct netdev_ops testdev_ops = {
    .kind = "test", .xmit = testdev_xmit, .close = testdev_close};

struct testdev *testdev_create(struct stack *st, const char *name, const struct link_ops *link,
			       uint32_t features)
{
	struct testdev *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	t->dev = netdev_alloc(st, name, &testdev_ops, link, 1);
	ck_assert_ptr_nonnull(t->dev);
	pkq_init(&t->sent);
	t->dev->priv = t;
	t->dev->features = features;
	t->dev->mac[0] = 2;
	ck_assert_int_eq(netdev_register(t->dev), 0);
	t->dev->mac[5] = (uint8_t)t->dev->ifindex;
	netdev_up(t->dev);
	return t;
}
