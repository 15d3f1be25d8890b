/* tests/harness/unit.h - main() of a Check program: `return unit_run("checksum", tc);`. */
#pragma once
#include <check.h>

/* Runs the case as a suite of this name, 60 s a test, and returns the exit status. */
int unit_run(const char *name, TCase *tc);
