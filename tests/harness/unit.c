/*
 * tests/harness/unit.c - runs one suite.  Each test is a process of its own (CK_FORK=no: all in
 * one, for a debugger), so that a crash or a leak found at its exit is that test's failure.
 */
#include <stdlib.h>

#include "tests/harness/unit.h"

#define UNIT_TIMEOUT_S 60 /* Check's own 4 s fail on a loaded machine under sanitizers */

int unit_run(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	if (!getenv("CK_DEFAULT_TIMEOUT"))
		tcase_set_timeout(tc, UNIT_TIMEOUT_S);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
