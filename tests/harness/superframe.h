/* tests/harness/superframe.h - TCP super-frames for tests, and a naive model of their checksums. */
#pragma once
#include "net/pkbuf.h"

/*
 * Ethernet, IPv4 or IPv6, a TCP header of 32 bytes with CWR, PSH and FIN, n bytes that count up; checksum
 * owed, gso_size set.  As a sender's netdev_tx() gets it.
 */
struct pkbuf *superframe(struct stack *st, enum pkbuf_gso type, uint32_t n, uint16_t gso_size);

#define SUPERFRAME_SEQ 0xfffffe00u
#define SUPERFRAME_ID 0xfffe

/* Byte by byte: do the IP header's and TCP's checksums of a frame (from its link header on) verify? */
bool superframe_verifies(const uint8_t *frame, uint32_t len);
/* The TCP checksum of a frame covers this many bytes; and begins here. */
uint32_t superframe_l4(const uint8_t *frame);
