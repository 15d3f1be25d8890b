/*
 * tests/sim/lab_job.c - traffic: each job listens, begins its connections, a number at a time, and ends them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lab_world.h"

#define BACKLOG 4096
#define NO_PORT_NS NSEC_PER_SEC /* until a client without a port looks again */

static bool listener_event(struct wait_entry *e)
{
	struct lab_run *r = (struct lab_run *)((char *)e - offsetof(struct lab_run, wait));

	if (r->accepting)
		return true;
	r->accepting = true;
	r->next_ready = r->w->accepting;
	r->w->accepting = r;
	return true;
}

static bool listener_open(struct lab_run *r)
{
	struct lab_world *w = r->w;
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_port = htobe16((uint16_t)(LAB_PORT + (unsigned)(r - w->run)));
	weft_use(w->node[r->job->to].stack);
	r->listener = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (r->listener < 0)
		return false;
	if (!lab_options_listen(r->job, r->listener) ||
	    weft_bind(r->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    weft_listen(r->listener, BACKLOG) < 0)
		return false;
	r->socket = fd_get(r->listener, SOCKET_REF);
	r->wait = (struct wait_entry){.events = EPOLLIN, .fn = listener_event};
	wait_add(r->socket, &r->wait);
	return true;
}

static void job_go(void *arg, struct lab_frame *f)
{
	struct lab_run *r = arg;
	struct lab_world *w = r->w;

	while (!w->bad.set && r->begun < r->job->count && r->begun - r->over < r->job->at_once) {
		if (!lab_conn_open(r)) {
			lab_at(w, env_now(w->env) + NO_PORT_NS, job_go, r, NULL);
			return;
		}
	}
}

/* Every second what no event tells is looked at: stalls, connections that died in silence. */
static void sweep(void *arg, struct lab_frame *f)
{
	struct lab_world *w = arg;

	w->sweeping = true;
	if (w->runs_left || w->conns)
		lab_at(w, env_now(w->env) + NSEC_PER_SEC, sweep, w, NULL);
}

bool lab_jobs_begin(struct lab_world *w, char *why)
{
	for (unsigned i = 0; i < w->scene.njob; i++)
		w->run[i] = (struct lab_run){.w = w, .job = &w->scene.job[i], .listener = -1};
	for (unsigned i = 0; i < w->scene.njob; i++) {
		struct lab_run *r = &w->run[i];

		if (!listener_open(r)) {
			snprintf(why, LAB_WHY, "traffic %u: cannot listen: %s", i + 1,
				 strerror(errno));
			return false;
		}
		lab_at(w, w->start + r->job->at, job_go, r, NULL);
	}
	w->runs_left = w->scene.njob;
	lab_at(w, w->start + NSEC_PER_SEC, sweep, w, NULL);
	return true;
}

void lab_job_conn_over(struct lab_conn *c)
{
	struct lab_run *r = c->run;

	r->over++;
	r->failed += c->end[LAB_CLIENT].err != 0 && !c->reset;
	r->last = lab_now(c->w);
	r->bytes += c->end[0].got + c->end[1].got;
	if (r->over == r->job->count && c->w->runs_left)
		c->w->runs_left--;
	else
		lab_at(c->w, env_now(c->w->env), job_go, r, NULL);
}

static void listener_close(struct lab_run *r)
{
	if (r->socket) {
		wait_del(r->socket, &r->wait);
		socket_put(r->socket, SOCKET_REF);
	}
	if (r->listener >= 0)
		weft_close(r->listener);
	r->socket = NULL;
	r->listener = -1;
	r->begun = r->job->count; /* nothing begins any more */
}

void lab_jobs_end(struct lab_world *w)
{
	for (struct lab_conn *c = w->conns; c; c = c->next) {
		lab_end_close(&c->end[0], c->end[0].fd >= 0);
		lab_end_close(&c->end[1], c->end[1].fd >= 0);
	}
	w->runs_left = 0;
	for (unsigned i = 0; i < w->scene.njob; i++) {
		if (w->run[i].w)
			listener_close(&w->run[i]);
	}
	if (w->running)
		lab_drain(w);
	while (w->conns)
		lab_conn_free(w->conns);
}
