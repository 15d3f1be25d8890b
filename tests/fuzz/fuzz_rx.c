/*
 * tests/fuzz/fuzz_rx.c [FRAMES [SEED]] - mutated frames into the whole input path, see
 * tests/harness/fuzz_rx.h.  The same seed gives the same run.
 *
 * With -DWEFT_LIBFUZZER it is an entry for libFuzzer instead: an input is a row of frames, each behind
 * two bytes of length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/harness/fuzz_rx.h"

#ifdef WEFT_LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	size_t at = 0;

	fuzz_open(&f, 1);
	while (size - at > 2) {
		size_t n = (size_t)(data[at] << 8 | data[at + 1]) % FUZZ_FRAME;

		at += 2;
		if (n > size - at)
			n = size - at;
		fuzz_rx(&f, data + at, (uint32_t)n);
		env_lab_advance(f.env, 10 * NSEC_PER_MSEC);
		at += n;
	}
	fuzz_close(&f);
	return 0;
}

#else

#define STEP 50000u /* frames between two lines of progress */

int main(int argc, char **argv)
{
	uint64_t frames = argc > 1 ? strtoull(argv[1], NULL, 0) : 200000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	time_t start = time(NULL);
	static struct fuzz f;

	fuzz_open(&f, seed);
	while (f.stats.frames < frames) {
		uint64_t left = frames - f.stats.frames;

		fuzz_frames(&f, left < STEP ? left : STEP);
		printf("%llu of %llu frames, %llu mutated, %llu repaired, %llu sent, %llu calls, "
		       "%lld s\n",
		       (unsigned long long)f.stats.frames, (unsigned long long)frames,
		       (unsigned long long)f.stats.mutated, (unsigned long long)f.stats.repaired,
		       (unsigned long long)f.stats.sent, (unsigned long long)f.stats.calls,
		       (long long)(time(NULL) - start));
		fflush(stdout);
	}
	fuzz_close(&f);
	printf("%llu frames, seed %llu: it answers, and every gauge is where it was\n",
	       (unsigned long long)frames, (unsigned long long)seed);
	return EXIT_SUCCESS;
}

#endif
