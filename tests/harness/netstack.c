/*
 * tests/harness/netstack.c - a stack with its net room alone, on a lab's clock.
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
