/*
 * tests/script/drill_message.c - sendmsg() and recvmsg(): vectors, flags and control messages, as the
 * script writes them, and what came beside what was expected.
 *
 *	{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0, scm_nsec=20000000}}
 *
 * is a moment on the script's clock, as sharp as the script says times are.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
/* last: it wants struct timespec */
#include <linux/errqueue.h>

#include "tests/script/drill.h"

#define CONTROL_MOST 1024

struct message {
	struct msghdr hdr;
	struct iovec iov[DRILL_IOV];
	struct end name;
	char control[CONTROL_MOST];
};

int iov_make(struct drill *d, const struct value *list, struct iovec *iov)
{
	int n = 0;

	for (struct value *v = list->item; v; v = v->next, n++) {
		if (n == DRILL_IOV || v->kind != VALUE_STRUCT || !v->item || !v->item->next)
			drill_fail(d, "an iovec is {..., length}, at most %d of them", DRILL_IOV);
		iov[n].iov_len = (size_t)v->item->next->number;
		iov[n].iov_base = drill_buffer(iov[n].iov_len);
	}
	return n;
}

void iov_free(struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		free(iov[i].iov_base);
}

static void message_make(struct drill *d, const struct value *v, struct message *m)
{
	struct value *iov = member_find(v, "msg_iov");

	memset(m, 0, sizeof(*m));
	if (member_find(v, "msg_name")) {
		m->name = end_address(d, d->remote);
		m->hdr.msg_name = &m->name.sa;
		m->hdr.msg_namelen = m->name.n;
	}
	m->hdr.msg_iov = m->iov;
	m->hdr.msg_iovlen = iov ? (size_t)iov_make(d, iov, m->iov) : 0;
	if (member_find(v, "msg_control")) {
		m->hdr.msg_control = m->control;
		m->hdr.msg_controllen = sizeof(m->control);
	}
}

/* --- sending ----------------------------------------------------------------------------------- */

/* Each has one number of 32 bits. */
static void control_make(struct drill *d, const struct value *list, struct message *m)
{
	size_t n = 0;

	for (struct value *v = list->item; v; v = v->next) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)(m->control + n);
		int data = (int)member_number(v, "cmsg_data");

		if (n + CMSG_SPACE(sizeof(data)) > sizeof(m->control))
			drill_fail(d, "too many control messages");
		c->cmsg_len = CMSG_LEN(sizeof(data));
		c->cmsg_level = (int)member_number(v, "cmsg_level");
		c->cmsg_type = (int)member_number(v, "cmsg_type");
		memcpy(CMSG_DATA(c), &data, sizeof(data));
		n += CMSG_SPACE(sizeof(data));
	}
	m->hdr.msg_controllen = n;
}

int64_t message_send(struct drill *d, int fd, const struct value *v, int flags)
{
	struct value *control = member_find(v, "msg_control");
	struct message m;
	int64_t r;
	int err;

	message_make(d, v, &m);
	if (control && control->kind == VALUE_LIST)
		control_make(d, control, &m);
	r = d->ifc.sendmsg(d->ifc.userdata, fd, &m.hdr, flags);
	err = errno;
	iov_free(m.iov, (int)m.hdr.msg_iovlen);
	errno = err;
	return r;
}

/* --- receiving --------------------------------------------------------------------------------- */

static void error_check(struct drill *d, const struct value *want, const struct cmsghdr *c)
{
	struct sock_extended_err e;

	memcpy(&e, CMSG_DATA(c), sizeof(e));
	const struct {
		const char *name;
		uint32_t got;
	} member[] = {
	    {"ee_errno", e.ee_errno}, {"ee_origin", e.ee_origin}, {"ee_type", e.ee_type},
	    {"ee_code", e.ee_code},   {"ee_info", e.ee_info},     {"ee_data", e.ee_data},
	};

	for (size_t i = 0; i < sizeof(member) / sizeof(member[0]); i++) {
		if (member_find(want, member[i].name) &&
		    member_number(want, member[i].name) != member[i].got)
			drill_fail(d, "%s: %" PRId64 " expected, %u came", member[i].name,
				   member_number(want, member[i].name), member[i].got);
	}
}

/* The time is the first thing in all three. */
static void stamp_check(struct drill *d, const struct value *want, const struct cmsghdr *c)
{
	int64_t at =
	    member_number(want, "scm_sec") * 1000000 + member_number(want, "scm_nsec") / 1000;
	struct timespec ns;
	struct timeval us;

	memcpy(&ns, CMSG_DATA(c), sizeof(ns));
	memcpy(&us, CMSG_DATA(c), sizeof(us));
	if (c->cmsg_type != SO_TIMESTAMP)
		us.tv_usec = ns.tv_nsec / 1000;
	drill_check_moment(d, "time stamp", (int64_t)us.tv_sec * 1000000 + us.tv_usec - d->began,
			   at);
}

static void number_check(struct drill *d, const struct value *want, const struct cmsghdr *c)
{
	int got;

	memcpy(&got, CMSG_DATA(c), sizeof(got));
	if (got != want->number)
		drill_fail(d, "control message %d/%d: %d expected, %d came", c->cmsg_level,
			   c->cmsg_type, (int)want->number, got);
}

static bool is_stamp(const struct cmsghdr *c)
{
	return c->cmsg_level == SOL_SOCKET &&
	       (c->cmsg_type == SO_TIMESTAMP || c->cmsg_type == SO_TIMESTAMPNS ||
		c->cmsg_type == SO_TIMESTAMPING);
}

static void data_check(struct drill *d, const struct value *want, const struct cmsghdr *c)
{
	if (want->kind == VALUE_NUMBER)
		number_check(d, want, c);
	else if (want->kind == VALUE_STRUCT && is_stamp(c))
		stamp_check(d, want, c);
	else if (want->kind == VALUE_STRUCT)
		error_check(d, want, c);
}

/* Those that came must be those the script names, and in that order. */
static void control_check(struct drill *d, const struct value *list, struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);

	for (struct value *v = list->item; v; v = v->next, c = CMSG_NXTHDR(h, c)) {
		int64_t level = member_number(v, "cmsg_level"),
			type = member_number(v, "cmsg_type");
		struct value *data = member_find(v, "cmsg_data");

		if (!c)
			drill_fail(d, "no control message %d/%d", (int)level, (int)type);
		if (c->cmsg_level != level || c->cmsg_type != type)
			drill_fail(d, "control message %d/%d expected, %d/%d came", (int)level,
				   (int)type, c->cmsg_level, c->cmsg_type);
		if (data)
			data_check(d, data, c);
	}
	if (c)
		drill_fail(d, "control message %d/%d came", c->cmsg_level, c->cmsg_type);
}

static void message_check(struct drill *d, const struct value *v, struct message *m)
{
	int64_t flags = member_number(v, "msg_flags");
	struct value *control = member_find(v, "msg_control");

	if (member_find(v, "msg_flags") && m->hdr.msg_flags != flags)
		drill_fail(d, "msg_flags %#x expected, %#x came", (int)flags, m->hdr.msg_flags);
	if (control && control->kind == VALUE_LIST)
		control_check(d, control, &m->hdr);
}

int64_t message_recv(struct drill *d, int fd, const struct value *v, int flags)
{
	struct message m;
	int64_t r;
	int err;

	message_make(d, v, &m);
	r = d->ifc.recvmsg(d->ifc.userdata, fd, &m.hdr, flags);
	err = errno;
	if (r >= 0)
		message_check(d, v, &m);
	iov_free(m.iov, (int)m.hdr.msg_iovlen);
	errno = err;
	return r;
}
