/*
 * tcp/tcp_rare.c - the block of what few connections need (tcp_rare.h): made at the first write,
 * read as zeros before.
 */
#include <stdlib.h>

#include "lib/zalloc.h"
#include "tcp/tcp_priv.h"

const struct tcp_rare tcp_rare_none;

static bool rare_is_own(const struct tcp_sock *ts)
{
	return ts->rare != &tcp_rare_none;
}

struct tcp_rare *tcp_rare_get(struct tcp_sock *ts)
{
	struct tcp_rare *r;

	if (rare_is_own(ts))
		return ts->rare_own;
	r = zalloc(sizeof(*r));
	if (r)
		ts->rare_own = r;
	return r;
}

void tcp_rare_free(struct tcp_sock *ts)
{
	if (!rare_is_own(ts))
		return;
	tcp_fastopen_free(ts);
	free(ts->rare_own);
	ts->rare = &tcp_rare_none;
}

void tcp_retrans_count(struct tcp_sock *ts, uint32_t segs, uint32_t bytes)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (!k)
		return;
	k->total_retrans += segs;
	k->bytes_retrans += bytes;
}

static bool rare_to_inherit(const struct tcp_rare *r)
{
	return r->user_mss || r->wnd_clamp || r->notsent_lowat || r->keepidle || r->keepintvl ||
	       r->keepcnt || r->linger2_s || r->max_pacing_rate || r->user_timeout || r->syncnt;
}

bool tcp_rare_inherit(struct tcp_sock *child, const struct tcp_sock *ls)
{
	const struct tcp_rare *from = ls->rare;
	struct tcp_rare *to;

	if (!rare_to_inherit(from))
		return true;
	to = tcp_rare_get(child);
	if (!to)
		return false;
	to->user_mss = from->user_mss;
	to->wnd_clamp = from->wnd_clamp;
	to->notsent_lowat = from->notsent_lowat;
	to->keepidle = from->keepidle;
	to->keepintvl = from->keepintvl;
	to->keepcnt = from->keepcnt;
	to->linger2_s = from->linger2_s;
	to->max_pacing_rate = from->max_pacing_rate;
	to->user_timeout = from->user_timeout;
	to->syncnt = from->syncnt;
	return true;
}
