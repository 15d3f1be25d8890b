/*
 * tests/sim/lab_scene.h - what a simulated network is: nodes, links, settings and traffic as plain
 * data, read from text and written as text again.
 *
 * Times are in ns, rates in bit/s, sizes in bytes, shares in parts of a million.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_NODES 32
#define LAB_LINKS 48
#define LAB_JOBS 48
#define LAB_SETTINGS 48
#define LAB_BLACKOUTS 4
#define LAB_NAME 16
#define LAB_WORDS 128           /* of a line of text */
#define LAB_ALL_NODES LAB_NODES /* a setting of every node */
#define LAB_PPM 1000000u
#define LAB_LIMIT 1000u /* packets of a queue, as tc-netem */

struct lab_node_config {
	char name[LAB_NAME];
	bool router;
};

enum lab_queue_kind { LAB_DROPTAIL, LAB_CODEL, LAB_ECN };

struct lab_blackout {
	uint64_t from, to;
};

/* One direction of a link. */
struct lab_line_config {
	uint64_t rate; /* 0: no limit, and no queue */
	uint64_t delay, jitter;
	uint32_t limit; /* packets; 0: LAB_LIMIT */
	enum lab_queue_kind queue;
	uint32_t mark; /* LAB_ECN: packets from which on it marks */
	uint32_t loss; /* ppm; with a Gilbert model: while it is good */
	struct {
		uint32_t worse, better; /* ppm a packet: to the bad state and back; 0: off */
		uint32_t loss;          /* ppm, while it is bad */
	} gilbert;
	uint32_t reorder;    /* ppm that come later than those behind */
	uint64_t reorder_by; /* ... by this */
	uint32_t dup, corrupt, truncate;
	struct lab_blackout blackout[LAB_BLACKOUTS];
	unsigned nblackout;
};

struct lab_link_config {
	unsigned node[2];
	struct lab_line_config line[2]; /* from node[0] to node[1], and back */
	uint32_t mtu;                   /* 0: 1500 */
	bool arp;                       /* neighbours are found by ARP; else known */
};

enum lab_kind { LAB_BULK, LAB_RR, LAB_MANY, LAB_SLOWREADER, LAB_HALFCLOSE, LAB_RESET, LAB_KINDS };

/* One line of traffic: one program at each end, one or many connections. */
struct lab_job {
	enum lab_kind kind;
	unsigned from, to; /* nodes: client, server */
	uint64_t at;
	uint32_t count, at_once; /* connections, and how many at a time */
	uint32_t rounds;         /* requests of each */
	uint64_t up, down;       /* bytes a round */
	bool both;               /* the server does not wait for the client's bytes */
	uint64_t think;          /* between two rounds */
	uint32_t read;           /* slow reader: so many bytes ... */
	uint64_t every;          /* ... each time */
	uint64_t after;          /* reset: when the server has so many */
	bool by_server;          /* reset: who does it */
	uint32_t chunk;          /* bytes of one send, at most; 0: as many as there are */
	uint32_t sndbuf, rcvbuf; /* 0: default */
	bool nodelay;
	bool fastopen;     /* RFC 7413, where the settings allow it */
	char cc[LAB_NAME]; /* TCP_CONGESTION; "": default */
};

struct lab_setting {
	unsigned node; /* or LAB_ALL_NODES */
	char name[64], value[32];
};

struct lab_scene {
	uint64_t seed;
	bool has_seed;
	uint64_t until; /* 0: until all is over */
	struct lab_node_config node[LAB_NODES];
	struct lab_link_config link[LAB_LINKS];
	struct lab_job job[LAB_JOBS];
	struct lab_setting setting[LAB_SETTINGS];
	unsigned nnode, nlink, njob, nsetting;
};

/* --- lab_word.c: quantities ---------------------------------------------------------------------- */

enum lab_unit { LAB_RATE, LAB_TIME, LAB_SIZE, LAB_SHARE, LAB_COUNT };
/* False: not one; lab_unit_example() says what would be. */
bool lab_quantity_parse(const char *text, enum lab_unit unit, uint64_t *value);
const char *lab_unit_example(enum lab_unit unit);
/* In the largest unit that leaves a whole number.  `to` has LAB_QUANTITY bytes, and is returned. */
#define LAB_QUANTITY 32
char *lab_quantity_print(char *to, enum lab_unit unit, uint64_t value);

/* --- lab_text.c, lab_text_link.c, lab_text_job.c, lab_print.c -------------------------------------- */

#define LAB_WHY 384
/* `file` stands in errors.  False with why[LAB_WHY] set: "file:line: what is wrong; what would be right". */
bool lab_scene_parse(struct lab_scene *s, const char *file, const char *text, char *why);
/* Text that lab_scene_parse() reads back to the same.  The caller frees it; NULL: no memory. */
char *lab_scene_print(const struct lab_scene *s);
const char *lab_kind_text(enum lab_kind kind);

/* --- lab_names.c: scenes of a name; lab_draw.c: of a seed --------------------------------------------- */

struct lab_named {
	const char *name, *about, *text;
};
extern const struct lab_named lab_named[];
extern const size_t lab_named_count;
const struct lab_named *lab_named_find(const char *name);
/* Nodes, impairments and traffic drawn from the seed, inside bounds. */
void lab_scene_draw(struct lab_scene *s, uint64_t seed);
