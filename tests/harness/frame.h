/* tests/harness/frame.h - frames of known bytes, as bytes and as packets. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/pkbuf.h"

#define FRAME_HLEN4 54 /* Ethernet, IPv4, TCP */
#define FRAME_HLEN6 74
#define FRAME_MAX PKBUF_MAX

/*
 * Ethernet, IP and TCP headers and n bytes of a pattern at f; returns the length.  The TCP checksum
 * is left to whoever carries it: the field holds the pseudo header's sum.
 */
uint32_t frame_tcp4(uint8_t *f, uint32_t n);
uint32_t frame_tcp6(uint8_t *f, uint32_t n);
/* Finishes the TCP checksum of either. */
void frame_finish(uint8_t *f, uint32_t len);
/* Is every checksum of the frame right? */
bool frame_is_whole(const uint8_t *f, uint32_t len);
/* The payload is the pattern from `from` on. */
bool frame_has_pattern(const uint8_t *payload, uint32_t n, uint32_t from);

/* A received packet of these bytes, front at l2. */
struct pkbuf *frame_pkbuf(struct stack *st, const uint8_t *f, uint32_t len);
/* A TCP packet to send, its checksum owed; cut by gso_size unless that is 0. */
struct pkbuf *frame_send4(struct stack *st, uint32_t n, uint16_t gso_size);
/* b's bytes; returns how many. */
uint32_t frame_bytes(const struct pkbuf *b, uint8_t *f);
