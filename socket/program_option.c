/*
 * socket/program_option.c - options whose setting is a store in the slot: those that cannot fail with a value in
 * their range.
 *
 * The gateway takes them before it does anything else for the socket, so their order among one another is all
 * that is lost.  A full slot, another option or value is a request.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "socket/program.h"

#define STREAM 1
#define DGRAM 2
#define BOTH (STREAM | DGRAM)

/* On Linux and in the stack: these values are taken. */
static const struct option {
	int level, name, min, max, types;
} options[] = {
    {SOL_SOCKET, SO_REUSEADDR, INT_MIN, INT_MAX, BOTH},
    {SOL_SOCKET, SO_REUSEPORT, INT_MIN, INT_MAX, BOTH},
    {SOL_SOCKET, SO_BROADCAST, 1, INT_MAX, BOTH}, /* without it what could be sent cannot be */
    {SOL_SOCKET, SO_KEEPALIVE, INT_MIN, INT_MAX, STREAM},
    {SOL_SOCKET, SO_LINGER, 0, INT_MAX, STREAM}, /* 0: off; else its time and 1 */
    {SOL_SOCKET, SO_SNDBUF, 0, INT_MAX, BOTH},
    {SOL_SOCKET, SO_RCVBUF, 0, INT_MAX, BOTH},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, STREAM},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, STREAM},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 127, STREAM},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT_MAX, STREAM},
    {IPPROTO_TCP, TCP_QUICKACK, 0, 1, STREAM},
    {IPPROTO_IP, IP_TOS, 0, 252, STREAM}, /* of datagrams it is for those that come behind */
    {IPPROTO_IP, IP_TTL, 1, 255, STREAM},
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static bool value_of(const struct option *o, const void *v, socklen_t n, int *x)
{
	struct linger l;

	if (o->level != SOL_SOCKET || o->name != SO_LINGER) {
		if (n < sizeof(*x))
			return false;
		memcpy(x, v, sizeof(*x));
		return *x >= o->min && *x <= o->max;
	}
	if (n < sizeof(l))
		return false;
	memcpy(&l, v, sizeof(l));
	*x = l.l_onoff ? l.l_linger + 1 : 0;
	return l.l_linger >= 0 && l.l_linger < 32768;
}

/* Into the place that has one of this option, or an empty one. */
static bool value_put(struct program_slot *s, uint32_t number, int x)
{
	const uint64_t word = (uint64_t)number << 32 | (uint32_t)x;

	for (unsigned i = 0; i < PROGRAM_OPTIONS; i++) {
		uint64_t was = atomic_load(&s->option[i]);

		while (!was || was >> 32 == number) {
			if (atomic_compare_exchange_weak(&s->option[i], &was, word))
				return true;
		}
	}
	return false;
}

bool program_option_store(struct program_slot *s, int level, int name, const void *v, socklen_t n)
{
	int type = s->type == SOCK_STREAM ? STREAM : DGRAM, x;

	for (unsigned i = 0; i < NOPTIONS; i++) {
		const struct option *o = &options[i];

		if (o->level == level && o->name == name)
			return o->types & type && value_of(o, v, n, &x) && value_put(s, i + 1, x);
	}
	return false;
}

bool program_option_take(struct program_slot *s, unsigned i, struct program_option *to)
{
	uint64_t word = atomic_load(&s->option[i]) ? atomic_exchange(&s->option[i], 0) : 0;
	uint32_t number = (uint32_t)(word >> 32);
	int x = (int)(uint32_t)word;

	if (!number || number > NOPTIONS)
		return false;
	*to = (struct program_option){.level = options[number - 1].level,
				      .name = options[number - 1].name};
	to->len = sizeof(int);
	if (to->level == SOL_SOCKET && to->name == SO_LINGER) {
		to->value.linger = (struct linger){.l_onoff = x > 0, .l_linger = x > 0 ? x - 1 : 0};
		to->len = sizeof(to->value.linger);
	} else {
		to->value.number = x;
	}
	return true;
}
