/*
 * tests/bench/ports.h - the services every stack measured has, and how long their messages are.
 */
#pragma once

enum port {
	PORT_SINK = 5001,    /* reads to the end, answers with the count */
	PORT_SOURCE,         /* writes for ever */
	PORT_SINK_CHECKED,   /* the same with every byte looked at */
	PORT_SOURCE_CHECKED, /* the same with bytes that tell their place */
	PORT_ECHO,           /* TCP and UDP; a client after the other */
	PORT_CONN,           /* one request, its answer, the end */
	PORT_CONN_BRIEF,     /* the same in as few packets as possible */
	PORT_REQUESTS,       /* echo for many at once, by epoll */
	PORT_HOLD,           /* takes connections and keeps them */
	PORT_HOLD_ASKED,     /* the same after one answered request */
	PORT_HOLD_TIMED,     /* the same with keepalive */
};

#define QUESTION 64 /* bytes, where a case does not say */
#define QUESTION_MAX 1400
