/*
 * tests/harness/tcp_seg.h - a TCP segment as a test writes it: built, taken apart, shown, with an
 * option parser of its own that shares nothing with the stack's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Control bits by the RFC's names. */
enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
	URG = 0x20,
	ECE = 0x40,
	CWR = 0x80,
};

/* Options that a segment has. */
enum {
	O_MSS = 1,
	O_WS = 2,
	O_SACK_OK = 4,
	O_TS = 8,
	O_ALL = 15,
	O_NONE = 16, /* expected: none of them */
};

#define WND_ZERO (-1) /* .wnd 0 is "any", or the default */
#define SEG_SACKS 4
#define SEG_BYTES 200000 /* a super-segment to the host behind a TAP */

struct seg {
	unsigned flags;
	uint32_t seq, ack; /* relative to the sender's and the receiver's first number */
	int wnd;           /* as in the header; 0: 65535 (built), any (expected); WND_ZERO */
	uint32_t len;      /* payload: the pattern of its place in the stream */
	unsigned opts;     /* O_; expected: 0 is any */
	uint16_t mss;      /* not 0: O_MSS is meant */
	uint8_t ws;
	uint32_t tsval, tsecr;
	uint16_t up; /* urgent pointer */
	uint32_t sack[SEG_SACKS][2];
	unsigned nsack;
	uint16_t sport, dport; /* 0: those of the lab's peer */
	const uint8_t *raw;    /* option bytes as they are, after the others */
	unsigned nraw;
	uint8_t tos;   /* of the IP header; expected: not compared, what there was is returned */
	bool ae;       /* the bit beside the header length (RFC 9768) */
	bool abs;      /* seq and ack are the numbers of the header */
	bool no_ts;    /* no timestamp although they were agreed on */
	bool bad_csum; /* wrong TCP checksum */
	uint8_t off;   /* not 0: the header length in words that stands in the header */
};

/* Where a segment goes: addresses as in an IPv4 header. */
struct seg_addr {
	uint8_t src[4], dst[4];
};

/* The datagram of a segment whose numbers are absolute; returns its length.  from: place of the
 * payload in its stream. */
uint32_t seg_build(const struct seg *s, const struct seg_addr *a, uint32_t from, uint8_t *out);
/* Sets both checksums of a datagram again. */
void seg_sum(uint8_t *datagram, uint32_t n);
/* Numbers are absolute, .wnd 0 is a window of 0.  NULL: all is well; else what is wrong. */
const char *seg_parse(const uint8_t *datagram, uint32_t n, struct seg *s, const uint8_t **payload);
/* For messages; numbers as they stand. */
const char *seg_text(const struct seg *s, char *buf, unsigned n);
/* The byte at a place of a stream; and does a payload have them from `from` on? */
uint8_t stream_byte(uint32_t place);
void stream_fill(uint8_t *p, uint32_t n, uint32_t from);
bool stream_is(const uint8_t *p, uint32_t n, uint32_t from);
