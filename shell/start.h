/*
 * shell/start.h - `weft` itself.
 */
#pragma once

struct options;

/* Opens, confines, starts, watches, ends: the exit status. */
int start_main(const struct options *o);
