/*
 * tests/script/drill.h - runs a packet script through libweft_packetdrill.so as packetdrill would.
 *
 *	drill [-d] [-i] [-m] [-l LIBRARY] [-f FLAGS] SCRIPT.pkt...
 *
 * -d: a digest of every packet that left, and of when, is said, too: another run gives the same.
 * -i: settings that the library does not know are passed over, for scripts from elsewhere.
 * -m: sockets are of AF_INET6, with mapped IPv4 addresses.
 *
 * The language is the part of packetdrill's that the scripts beside this file use, so they run under
 * packetdrill itself too: socket calls with what they answer and when, segments in and out, ICMP,
 * settings, and %{ assertions on TCP_INFO }%, which python3 judges at the end.
 */
#pragma once
#include <netinet/in.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "socket/packetdrill_priv.h"

#define TOLERANCE_US 4000
#define TOLERANCE_PERCENT 12.5
#define OPTIONS_MAX 40

/* --- a script ----------------------------------------------------------------------------------
 */

enum value_kind {
	VALUE_NUMBER,
	VALUE_ELLIPSIS,
	VALUE_TEXT,
	VALUE_LIST,   /* [a, b] */
	VALUE_STRUCT, /* {a=1, b} */
};

struct value {
	enum value_kind kind;
	int64_t number;
	char *text;         /* of a text; of a struct's member: its name, or NULL */
	struct value *item; /* first of a list or struct, or of a member its value's */
	struct value *next;
};

enum event_kind { EVENT_CALL, EVENT_IN, EVENT_OUT, EVENT_SHELL, EVENT_CODE };

/* A segment, datagram or ICMP error as the script writes it. */
struct packet {
	uint8_t proto; /* IPPROTO_ */
	uint16_t flags;
	uint32_t seq, end, ack;
	uint32_t len;
	int64_t wnd, urg; /* -1: not said */
	int ecn;          /* -1: not said */
	bool any_options;
	uint8_t option[OPTIONS_MAX];
	unsigned noption;
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_mtu;
};

struct event {
	enum event_kind kind;
	int line;
	bool relative, any_time, blocking;
	int64_t at, until; /* us; until: the latest, or a blocking call's end */
	bool range;
	/* EVENT_CALL */
	char *name;
	struct value *args, *result;
	char *error; /* "EINPROGRESS", or NULL */
	/* EVENT_SHELL, EVENT_CODE */
	char *text;
	struct packet packet;
	struct event *next;
};

#define DRILL_PORT 8080 /* of both ends */

struct script {
	const char *path;
	char *text; /* of the file */
	struct event *events;
	int64_t tolerance_us;
	double tolerance_percent; /* of the time since the event before */
	int64_t ts_tick_us;       /* of our timestamps; 0: they are not looked at */
	bool strict;              /* --strict_segments: none are glued */
	char *local, *remote;     /* --local_ip, --remote_ip; NULL: as the flags say */
	uint16_t bind_port;       /* --bind_port */
	uint32_t mtu;             /* --mtu; 0: as the flags say */
};

/* Parses a file, or says where it is wrong and exits with 2. */
struct script *script_read(const char *path);

/* --- reading: drill_lex.c ----------------------------------------------------------------------
 */

struct lex {
	const char *path, *start, *p;
};

_Noreturn void lex_fail(struct lex *x, const char *what);
int lex_line(const struct lex *x);
void lex_skip(struct lex *x);                   /* blanks and comments */
bool lex_take(struct lex *x, const char *text); /* if it stands there */
void lex_need(struct lex *x, const char *text);
char *lex_word(struct lex *x); /* letters, digits, _ ; NULL: none.  The caller's */
int64_t lex_number(struct lex *x);
char *lex_until(struct lex *x, const char *end); /* the text before `end`, which is taken */
char *lex_line_rest(struct lex *x);              /* up to a blank or the line's end */
int64_t lex_seconds(struct lex *x);              /* as microseconds */
int64_t constant_find(const char *name, bool *found);
const char *errno_name(int err);
struct value *value_read(struct lex *x);
struct value *member_find(const struct value *s,
			  const char *name); /* of a struct; NULL: it has none */
int64_t member_number(const struct value *s, const char *name);
void packet_read(struct lex *x, struct packet *p);

/* --- running -----------------------------------------------------------------------------------
 */

/* One connection as the script counts it. */
struct flow {
	int fd;
	bool passive, syn_in, syn_out;
	uint32_t local_isn, remote_isn; /* on the wire */
	uint32_t script_isn;            /* what the script calls ours in a SYN */
	uint16_t local_port, remote_port;
	uint32_t ts_offset; /* of our timestamps: wire - script */
	bool ts_known;
};

struct drill {
	struct packetdrill_interface ifc;
	int (*setting)(void *ud, const char *name, const char *value);
	const struct script *script;
	const struct event *now; /* the event in work */
	struct flow flow;
	struct in_addr local, remote;
	int64_t began; /* us on the library's clock: the script's zero */
	int64_t last;  /* us: the script time of the event before */
	int script_fd[64],
	    live_fd[64]; /* descriptors as the script and as the library calls them */
	unsigned nfd;
	uint16_t next_port;
	bool lenient, mapped; /* -i, -m */
	uint64_t digest;      /* -d */
	FILE *python;
	bool asserts; /* something was written there to be judged */
	jmp_buf failed;
	char why[512];
};

/* Ends the script with this reason. */
_Noreturn void drill_fail(struct drill *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int64_t drill_time(struct drill *d); /* us since the beginning */
void drill_check_time(struct drill *d, const char *what, int64_t at);
void drill_check_moment(struct drill *d, const char *what, int64_t at, int64_t want);

/* drill_call.c: the call and its result; what the threads share is in drill_run.c. */
struct outcome {
	int64_t result;
	int error;
};
void call_run(struct drill *d, const struct event *ev, struct outcome *o);
void call_check(struct drill *d, const struct event *ev, const struct outcome *o);
/* One end as the script's sockets see it: an IPv4 address, or a mapped one. */
struct end {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t n;
};
struct end end_address(const struct drill *d, struct in_addr a);
void *drill_buffer(size_t n); /* zeroes */
/* drill_message.c */
#define DRILL_IOV 16
int iov_make(struct drill *d, const struct value *list, struct iovec *iov);
void iov_free(struct iovec *iov, int n);
int64_t message_send(struct drill *d, int fd, const struct value *v, int flags);
int64_t message_recv(struct drill *d, int fd, const struct value *v, int flags);
/* drill_packet.c */
void packet_send(struct drill *d, const struct packet *p);
void packet_expect(struct drill *d, const struct packet *p);
/* drill_code.c */
void code_begin(struct drill *d);
void code_add(struct drill *d, const struct event *ev);
bool code_judge(struct drill *d); /* false: an assertion failed, and said so */
