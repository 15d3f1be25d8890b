# weft - see README.md.  `make` builds everything, `make check` runs every test.
#   make V=1                        show the commands
#   make SANITIZE=address,undefined build into build/address,undefined (or =thread)
#   make interop SANITIZE=thread    tests/shell and tests/interop against that build
#   make READLINE=no                the shell without line editing
#   make DEBUG=no B=build/release   release build: no asserts, no rank check (NDEBUG), compiled by a profile
#                                   of itself (PROFILE=no: without, in half the time)
#   make LTO=no                     each file compiled by itself, as tests have it

CC       ?= cc
AR       ?= ar
PREFIX   ?= /usr/local
SANITIZE ?=
READLINE ?= yes
DEBUG    ?= yes
VERSION  := 0.1.0
ABI      := 0

empty :=
comma := ,
B := build$(if $(SANITIZE),/$(SANITIZE))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

ROOMS   := lib net arp ip udp tcp socket
WARN    := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wold-style-definition -Wvla -Wwrite-strings -Wundef -Wcast-qual -Wno-unused-parameter
OPT     ?= $(if $(SANITIZE),-O1,-O2)
CFLAGS  ?= $(OPT) -g
ALL_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
           -pthread -D_GNU_SOURCE -DWEFT_VERSION='"$(VERSION)"' -iquote . -Isocket/include
ALL_LDFLAGS := -pthread $(LDFLAGS)
ifeq ($(DEBUG),no)
ALL_CFLAGS += -DNDEBUG
endif
ifneq ($(SANITIZE),)
ALL_CFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DWEFT_SANITIZE
ALL_LDFLAGS += -fsanitize=$(SANITIZE)
ifneq ($(findstring thread,$(SANITIZE)),)
# gcc warns that TSan does not see fences; weft uses seq_cst operations, not fences
ALL_CFLAGS += -DWEFT_TSAN
endif
endif

# For x86 gcc empties and copies a struct by `rep stos` and `rep movs`, which take 20 to 30 cycles to begin.
BY_VECTOR := vector_loop:256:noalign,libcall:-1:noalign
BY_VECTOR := -mmemset-strategy=$(BY_VECTOR) -mmemcpy-strategy=$(BY_VECTOR)
VECTOR_CFLAGS := $(shell $(CC) $(BY_VECTOR) -fsyntax-only -x c /dev/null 2>/dev/null && echo $(BY_VECTOR))
ALL_CFLAGS += $(VECTOR_CFLAGS)

# What is delivered is compiled a second time, all rooms as one, so that short functions cost no call, nor those
# with one caller: as of a shared library only what is public has to be found from outside.  The walks are
# flattened further than -O3 would.  Unit tests link the objects as they are, and so does what gcc does not build
# or a sanitizer watches.
LTO ?= $(if $(SANITIZE)$(findstring clang,$(CC)),no,yes)
ifeq ($(LTO),yes)
INLINE     := inline-unit-growth=100 large-function-growth=400 max-inline-insns-auto=80 early-inlining-insns=30
LTO_CFLAGS := -flto -ffat-lto-objects -fomit-frame-pointer -fno-semantic-interposition \
              $(if $(filter -O2,$(CFLAGS)),-O3 $(INLINE:%=--param %))
LTO_LINK   := $(CFLAGS) $(VECTOR_CFLAGS) -fPIC -flto=auto
LTO_ROOMS  := -flinker-output=dyn
ALL_LDFLAGS += -fno-lto
endif

# A release is compiled by a profile of its own code: which branches are taken and which calls are hot is not
# guessed but counted, in a build of the rooms that runs the bench's segments on the virtual clock, always the same.
# What does not run there is compiled as ever.
RELEASE := B=build/release DEBUG=no
PROFILE ?= $(if $(and $(filter no,$(DEBUG)),$(filter yes,$(LTO))),yes,no)
# Functions by their number, for a static one's name has its object's folder in it.  Warnings are the other builds'.
PROFILE_IDS := --param profile-func-internal-id=1
ifeq ($(PROFILE),yes)
LTO_CFLAGS += -fprofile-use -fprofile-partial-training $(PROFILE_IDS) -w
PROFILED   := $(B)/profile/done
# With timestamps, which almost all peers have.
TRAINING   := 'receive 20000 1' 'send 20000 1' 'write 20000 1' 'request 20000 1' 'trip 20000 1' 'datagram 20000 1' \
  'connection 2000 1'
endif

pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)
SHELL_PKGS := libmnl libcap-ng libseccomp libpcap
SHELL_LIBS := $(call pkg_libs,$(SHELL_PKGS)) -lhttp_parser -lm
ifeq ($(READLINE),yes)
SHELL_LIBS   += -lreadline
SHELL_CFLAGS := -DWEFT_READLINE
endif

# packetdrill's door into a stack is a library of its own.
PD_SRC    := $(sort $(wildcard socket/packetdrill*.c))
GUEST_SRC := $(sort $(wildcard socket/guest*.c socket/program*.c))
# So is what stands before libc in unmodified programs; its other side is the weft program's alone.
PRELOAD_SRC := $(sort $(wildcard socket/preload*.c)) $(GUEST_SRC)
GATEWAY_SRC := $(sort $(wildcard socket/gateway*.c)) $(GUEST_SRC)
LIB_SRC   := $(filter-out $(PD_SRC) $(filter-out $(GATEWAY_SRC),$(PRELOAD_SRC)),$(foreach r,$(ROOMS),$(sort $(wildcard $(r)/*.c))))
HEADERS   := $(wildcard $(foreach r,$(ROOMS),$(r)/*.h $(r)/*/*.h $(r)/*/*/*.h $(r)/*.def))
SHELL_SRC := $(sort $(wildcard shell/*.c))
LIB_OBJ   := $(LIB_SRC:%.c=$(B)/obj/%.o)
GATEWAY_OBJ := $(GATEWAY_SRC:%.c=$(B)/obj/%.o)
PUBLIC_OBJ := $(filter-out $(GATEWAY_OBJ),$(LIB_OBJ))
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(B)/obj/preload/%.o)
PD_OBJ    := $(PD_SRC:%.c=$(B)/obj/%.o)
SHELL_OBJ := $(SHELL_SRC:%.c=$(B)/obj/%.o)
# The lab's engine is part of the weft program and of its own tests.
LAB_SRC   := $(sort $(wildcard tests/sim/lab_*.c))
LAB_OBJ   := $(LAB_SRC:%.c=$(B)/obj/%.o)
LAB       := $(B)/obj/liblab.a
CHECK_SRC := $(sort $(wildcard tests/*/test_*.c))
CHECK_BIN := $(CHECK_SRC:%.c=$(B)/%)
HARNESS_SRC := $(sort $(wildcard tests/harness/*.c))
HARNESS_OBJ := $(HARNESS_SRC:%.c=$(B)/obj/%.o)
HARNESS     := $(B)/obj/libharness.a
EXAMPLES    := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/examples/*.c)))
# The bench is one program of all its files but those that are programs of their own.
BENCH_ALONE := tests/bench/bare.c tests/bench/floor.c tests/bench/offload.c tests/bench/segments.c \
  tests/bench/waits.c
BARE_OBJ    := $(patsubst %,$(B)/obj/tests/bench/bare_%.o,out relay socket tcp)
BENCH_OBJ   := $(filter-out $(BARE_OBJ),$(patsubst %.c,$(B)/obj/%.o,$(filter-out $(BENCH_ALONE),\
  $(sort $(wildcard tests/bench/*.c)))))
BENCH_BIN   := $(B)/tests/bench/bench $(BENCH_ALONE:%.c=$(B)/%)
# Other stacks to measure beside, built where their Debian packages are: liblwip-dev; golang-go with
# golang-gvisor-gvisor-dev.
GO_PATH     := /usr/share/gocode
BENCH_PEERS := $(if $(wildcard /usr/include/lwip/lwipopts.h),$(B)/tests/bench/lwip) \
  $(if $(wildcard /usr/bin/go),$(if $(wildcard $(GO_PATH)/src/gvisor.dev/gvisor),$(B)/tests/bench/gvisor))
DRILL_OBJ   := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/script/*.c)))
FUZZ_BIN    := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/fuzz/*.c)))

# With other options than the folder's objects have they are all compiled anew.
OPTIONS := $(CC) $(ALL_CFLAGS) $(LTO_CFLAGS) $(SHELL_CFLAGS) $(ALL_LDFLAGS)
BUILT_WITH := $(B)/obj/options

all: $(B)/weft $(B)/libweft.a $(B)/libweft.so $(B)/libweft_preload.so $(B)/libweft_packetdrill.so

ifneq ($(strip $(file <$(BUILT_WITH))),$(strip $(OPTIONS)))
$(BUILT_WITH): force
endif
$(BUILT_WITH):
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst ','\'',$(OPTIONS))' >$@

# Internal archive with every symbol: what the unit tests link.
$(B)/obj/libweft-all.a: $(LIB_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

ifeq ($(PROFILE),yes)
# gcc finds a file's counts beside its object.
$(PROFILED): $(LIB_SRC) $(HEADERS) tests/bench/segments.c Makefile $(BUILT_WITH)
	$(say) PROFILE $(B)
	$(Q)rm -rf $(@D)
	$(Q)$(MAKE) --no-print-directory B=$(@D) PROFILE=no \
	  CFLAGS='$(CFLAGS) -fprofile-generate $(PROFILE_IDS)' $(@D)/tests/bench/segments >&2
	$(Q)for case in $(TRAINING); do $(@D)/tests/bench/segments $$case >/dev/null && continue; \
	  echo 'no profile, for what is built does not run here: make PROFILE=no' >&2; exit 1; done
	$(Q)cd $(@D) && find obj -name '*.gcda' -exec cp --parents -t .. {} + && touch done
$(PUBLIC_OBJ): $(PROFILED)
endif

# The rooms as one relocatable object: the libraries are made of it.
ROOMS_OBJ := $(B)/obj/rooms.o
$(PUBLIC_OBJ): ALL_CFLAGS += $(LTO_CFLAGS)
$(ROOMS_OBJ): $(PUBLIC_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(LTO_LINK) $(LTO_ROOMS) -nostdlib -r -o $@ $^

# The public library: hidden names are made local, so that nothing but weft_* can collide with a program's
# own names.
$(B)/libweft.a: $(ROOMS_OBJ)
	$(say) AR $@
	$(Q)objcopy --localize-hidden $< $(B)/obj/libweft.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/obj/libweft.o

# It stays where dlclose() would take it away: a thread that has used it runs its code once more at its own end.
$(B)/libweft.so: $(ROOMS_OBJ) socket/libweft.map
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,-soname,libweft.so.$(ABI) -Wl,--version-script=socket/libweft.map -Wl,-z,defs \
	  -Wl,-z,nodelete -o $(B)/libweft.so.$(ABI) $< $(ALL_LDFLAGS)
	$(Q)ln -sf libweft.so.$(ABI) $@

# Into programs that know nothing of it: not sanitized, and no more than it needs.
$(B)/libweft_preload.so: $(PRELOAD_OBJ)
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,-soname,libweft_preload.so -Wl,-z,defs -o $@ $^ $(call pkg_libs,libcares) -ldl

$(B)/obj/preload/%.o: %.c Makefile $(BUILT_WITH)
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(ALL_CFLAGS)) -MMD -MP -c -o $@ $<

$(B)/libweft_packetdrill.so: $(PD_OBJ) $(B)/obj/libweft-all.a socket/libweft_packetdrill.map
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,--version-script=socket/libweft_packetdrill.map -Wl,-z,defs \
	  -o $@ $(PD_OBJ) $(B)/obj/libweft-all.a $(ALL_LDFLAGS)

# Who calls into the rooms is linked with them as one.
$(B)/weft: $(SHELL_OBJ) $(LAB) $(PUBLIC_OBJ) $(GATEWAY_OBJ)
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(filter-out -fno-lto,$(ALL_LDFLAGS)) $(LTO_LINK) $(SHELL_LIBS)

$(B)/obj/shell/%.o: ALL_CFLAGS += $(SHELL_CFLAGS)
$(B)/obj/%.o: %.c Makefile $(BUILT_WITH)
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Archives, so that a test links of the harness and the shell what it uses.
$(HARNESS): $(HARNESS_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/obj/libshell.a: $(filter-out %/main.o,$(SHELL_OBJ))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LAB): $(LAB_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# One program a test file: tests/<room>/test_<x>.c with Check.
$(B)/tests/%: $(B)/obj/tests/%.o $(HARNESS) $(LAB) $(B)/obj/libweft-all.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,check) -lm

# What a library of its own is made of.
$(B)/tests/socket/test_packetdrill: $(PD_OBJ)
$(B)/tests/socket/test_packetdrill: ALL_LDFLAGS += $(B)/obj/libweft-all.a

# The shell's tests want what it wants.
$(B)/tests/shell/%: $(B)/obj/tests/shell/%.o $(HARNESS) $(B)/obj/libshell.a $(LAB) $(B)/obj/libweft-all.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,check) $(SHELL_LIBS)

# The stack asks the test for memory.
$(B)/tests/tcp/test_nomem: ALL_LDFLAGS += -Wl,--wrap=malloc

# In tests of tests/harness/poor.h the rooms, and they alone, ask the test for all their memory.
POOR_BIN := $(filter %_poor,$(CHECK_BIN))
$(B)/obj/libweft-poor.a: $(B)/obj/libweft-all.a
	$(say) OBJCOPY $@
	$(Q)objcopy $(foreach f,malloc calloc realloc aligned_alloc,--redefine-sym $(f)=poor_$(f)) $< $@
$(POOR_BIN): $(B)/tests/%: $(B)/obj/tests/%.o $(HARNESS) $(LAB) $(B)/obj/libweft-poor.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) -Wl,--wrap=depot_take $(call pkg_libs,check) -lm

# Programs written against the public header and library only.
$(B)/tests/examples/%: $(B)/obj/tests/examples/%.o $(B)/libweft.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(B)/tests/bench/bench: $(BENCH_OBJ) $(B)/libweft.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(B)/tests/bench/bare: $(BARE_OBJ)

$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(PUBLIC_OBJ)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(filter-out -fno-lto,$(ALL_LDFLAGS)) $(LTO_LINK)

$(B)/tests/bench/lwip: tests/bench/peers/lwip.c tests/bench/ports.h tests/bench/tapfd.h $(BUILT_WITH)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -isystem /usr/include/lwip -o $@ $< -llwip

GVISOR_SRC := $(wildcard tests/bench/peers/gvisor/*.go)
$(B)/tests/bench/gvisor: $(GVISOR_SRC)
	$(say) GO $@
	$(Q)mkdir -p $(@D)
	$(Q)GO111MODULE=off GOFLAGS= GOPATH=$(GO_PATH) /usr/bin/go build -o $@ $^

# Runs packet scripts through libweft_packetdrill.so, as packetdrill would.
$(B)/tests/script/drill: $(DRILL_OBJ) $(B)/obj/libweft-all.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

.PHONY: force all tests check unit coverage coverage-run interop bench profile paths bench-programs programs fuzz soak install install-built uninstall clean tags lines leak format style

tests: all $(CHECK_BIN) $(EXAMPLES) $(FUZZ_BIN) $(B)/tests/script/drill

# Unit tests of this one build folder.
unit: $(CHECK_BIN)
	$(Q)sh tests/run-unit.sh $(B)

# What of the rooms the unit tests and packet scripts run, by gcov, in a folder of its own; LINES=yes: and what not.
# A test that fails costs the report nothing; the longest of tests/sim take minutes so.
coverage:
	$(Q)$(MAKE) --no-print-directory B=build/cov LTO=no OPT='-O0 --coverage -Wno-error' LDFLAGS=--coverage coverage-run >&2; \
	  status=$$?; python3 -B tests/coverage.py build/cov $(if $(LINES),-l) && exit $$status

coverage-run: $(CHECK_BIN) $(B)/tests/script/drill $(B)/libweft_packetdrill.so
	$(Q)find $(B) -name '*.gcda' -delete
	$(Q)LIMIT=1800 CK_DEFAULT_TIMEOUT=900 sh tests/run-unit.sh $(B); status=$$?; \
	  sh tests/run-scripts.sh script $(B) tests/script/scripts.sh && exit $$status

check:
	$(Q)sh tests/run.sh

# The scripts against this one build folder: make interop SANITIZE=thread SCRIPTS='tests/interop/run-*.sh'
SCRIPTS ?= $(sort $(wildcard tests/shell/*.sh tests/interop/*.sh))
interop: all $(EXAMPLES)
	$(Q)TSAN_OPTIONS=halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 sh tests/run-scripts.sh interop $(B) $(SCRIPTS)

# Measured is what is installed.  Text, and bench.json and bench.svg there.
bench:
	$(Q)$(MAKE) --no-print-directory $(RELEASE) bench-programs >&2
	$(Q)python3 -B tests/bench/table.py build/release $(if $(JSON),--json)

# Where the time of its cases goes: a table, heads and flame graphs, by perf (package linux-perf).
profile:
	$(Q)$(MAKE) --no-print-directory $(RELEASE) bench-programs >&2
	$(Q)python3 -B tests/bench/profile.py build/release

# weft's TCP and the kernel's over the same bad paths.
paths:
	$(Q)$(MAKE) --no-print-directory $(RELEASE) bench-programs >&2
	$(Q)python3 -B tests/bench/paths.py build/release $(if $(JSON),--json)

# Debian's programs on weft: the table of docs/programs.md.
programs: all
	$(Q)tests/programs.sh $(B) >$(B)/programs.md; status=$$?; mv $(B)/programs.md docs/programs.md; exit $$status

bench-programs: all $(BENCH_BIN) $(BENCH_PEERS)

fuzz:
	$(Q)sh tests/fuzz/run.sh

# Fresh seeds into the lab for so many seconds.
SECONDS ?= 600
soak: $(B)/weft
	$(Q)WEFT_BUILD=$(CURDIR)/$(B) SOAK_SECONDS=$(SECONDS) tests/sim/hunt.sh

leak: tests
	$(Q)sh tests/leak.sh $(B)

style:
	$(Q)sh tests/run-scripts.sh style $(B) tests/style/*.sh

test: unit

# A release; what is built already is installed by `make install-built`, with the options that it was built with.
install:
	$(Q)$(MAKE) --no-print-directory $(RELEASE) install-built

install-built: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/weft \
	  $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3 \
	  $(DESTDIR)$(PREFIX)/share/doc/weft/docs
	install -m 755 $(B)/weft $(DESTDIR)$(PREFIX)/bin/weft
	install -m 644 $(B)/libweft.a $(DESTDIR)$(PREFIX)/lib/libweft.a
	install -m 755 $(B)/libweft.so.$(ABI) $(DESTDIR)$(PREFIX)/lib/libweft.so.$(ABI)
	ln -sf libweft.so.$(ABI) $(DESTDIR)$(PREFIX)/lib/libweft.so
	install -m 755 $(B)/libweft_preload.so $(DESTDIR)$(PREFIX)/lib/libweft_preload.so
	install -m 755 $(B)/libweft_packetdrill.so $(DESTDIR)$(PREFIX)/lib/libweft_packetdrill.so
	install -m 644 socket/include/weft/*.h $(DESTDIR)$(PREFIX)/include/weft/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' socket/libweft.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libweft.pc
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/*.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/weft/
	install -m 644 docs/*.md docs/*.svg $(DESTDIR)$(PREFIX)/share/doc/weft/docs/

uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -f bin/weft lib/libweft.a lib/libweft.so lib/libweft.so.$(ABI) lib/libweft_preload.so \
	  lib/libweft_packetdrill.so lib/pkgconfig/libweft.pc share/man/man1/weft.1 share/man/man3/weft.3
	cd $(DESTDIR)$(PREFIX) && rm -rf include/weft share/doc/weft

format:
	find . -name build -prune -o -name '*.[ch]' -print | xargs clang-format -i

tags tag:
	ctags -R --languages=C $(ROOMS) shell tests

lines:
	@wc -l $(LIB_SRC) $(SHELL_SRC) | sort -n

clean:
	rm -rf build tags

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
