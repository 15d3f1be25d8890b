/* tests/harness/tappair.h - a TAP whose other side is a socket of the test. */
#pragma once
#include <semaphore.h>
#include <stdint.h>

struct netdev;
struct stack;
struct tap_config;

/* Some n queues, IPv4 without ethernet, up; what is written to peer[i] is a frame for queue i.  Closed by the test. */
struct netdev *tappair_create(struct stack *st, unsigned n, int peer[]);
/* The same by cfg, with one queue, not up; the socket takes some super-frames. */
struct netdev *tappair_attach(struct stack *st, const struct tap_config *cfg, int *peer);
/* A frame whose last byte is `last`; waits for room. */
void tappair_write(int peer, uint8_t last);
/* At most 50 s: a thread that never comes is a failure, not a hang. */
void await(sem_t *s);
