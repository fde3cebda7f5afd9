# netsplit: make help lists the targets. BUILD=asan|ubsan|tsan selects a build tree
# of its own, so that objects of one kind never meet those of another.

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
DATADIR    ?= $(PREFIX)/share/netsplit
INSTALL    ?= install
CC         ?= gcc
PKG_CONFIG ?= pkg-config

ifeq ($(origin CC),default)
CC := gcc
endif

BUILD ?= release
# PROXY_ONLY=1: without drills and what only they need; a tree of its own, too.
PROXY_ONLY ?=
B     := $(if $(filter release,$(BUILD)),build,build/$(BUILD))$(if $(PROXY_ONLY),/proxy-only)
O     := $B/obj

V     ?= 0
Q     := $(if $(filter 0,$V),@,)
say    = $(if $(filter 0,$V),@printf '  %-7s %s\n' '$(1)' '$(2)',@:)

LIBS_BASE := libuv yaml-0.1 jansson libmicrohttpd libcmark
LIBS_NET  := libnl-3.0 libnl-route-3.0 libnftables
LIBS_DB   := hiredis libpq libcrypto
LIBS      := $(LIBS_BASE) $(LIBS_NET) $(LIBS_DB)

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Wvla \
            -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wformat=2 -Wno-format-truncation \
            $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option)
WERROR   ?=
OPTIMISE := $(if $(filter release,$(BUILD)),-O2,-O1)
SANITIZE_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_ubsan := -fsanitize=undefined -fno-sanitize-recover=all
SANITIZE_tsan  := -fsanitize=thread
SANITIZE_fuzz  := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SANITIZE := $(SANITIZE_$(BUILD))

CFLAGS  ?= -g
override CFLAGS  += -std=c17 -D_GNU_SOURCE $(OPTIMISE) $(WARNINGS) $(WERROR) $(SANITIZE) -I. -MMD -MP
# Asked once, and only when the first object is made: on a bare machine the libraries
# are not there before that.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS)))$(PKG_CFLAGS)
override LDFLAGS += $(SANITIZE)
LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm -lpthread
LDLIBS_RULES = $(shell $(PKG_CONFIG) --libs yaml-0.1) -lm
LDLIBS_TEST  = -lcriterion

RULES_SRC     := $(sort $(wildcard rules/*.c rules/*/*.c))
PROXY_SRC     := $(sort $(filter-out proxy/main.c,$(wildcard proxy/*.c proxy/*/*.c)))
SCENARIOS_SRC := $(sort $(wildcard scenarios/*.c scenarios/*/*.c))
SRC           := $(RULES_SRC) $(PROXY_SRC) $(SCENARIOS_SRC) proxy/main.c
PAGES         := $(wildcard scenarios/report/*.S scenarios/init/*.S)
OBJ           := $(SRC:%.c=$O/%.o) $(PAGES:%.S=$O/%.o)
DEPS          := build

# A small program. Linked into it is what Debian has as an archive; not libnftables, of
# which there is none, nor jansson, which that one brings, nor microhttpd, which wants
# GnuTLS. glibc stays shared because host names are looked up by modules that it loads.
# libnl is linked whole: its kinds of links and queues announce themselves when loaded.
ifneq ($(PROXY_ONLY),)
LIBS   := libuv yaml-0.1 jansson libmicrohttpd $(LIBS_NET)
SRC    := $(RULES_SRC) $(PROXY_SRC) proxy/main.c scenarios/cmd_check.c scenarios/cmd_schema.c \
          $(wildcard scenarios/cmd_lab*.c scenarios/lab/*.c)
OBJ    := $(SRC:%.c=$O/%.o)
LDLIBS := -Wl,-Bstatic -luv_a -lyaml -Wl,--whole-archive -lnl-route-3 -lnl-3 \
          -Wl,--no-whole-archive -Wl,-Bdynamic -lnftables -ljansson -lmicrohttpd -lm -lpthread
DEPS   := proxy-only
override CFLAGS  += -DNETSPLIT_PROXY_ONLY -ffunction-sections -fdata-sections
override LDFLAGS += -Wl,--gc-sections -s
endif

.PHONY: all
all: $B/netsplit

.PHONY: help
help:
	@printf '%s\n' \
	'make drill [CLUSTER=F] [PLAYBOOK=F]   run a failure drill; the report is named at its end' \
	'make test [T=RUNNER] [FILTER=S/T]     every test, or those of one runner or pattern' \
	'make all                              build build/netsplit' \
	'make PROXY_ONLY=1                     build build/proxy-only/netsplit, small, without drills' \
	'make check                            format, warnings, layers, static analysis' \
	'make asan | ubsan | tsan              the tests under a sanitizer' \
	'make bench [BENCH=NAME,...]           speed, beside direct, HAProxy and nginx' \
	'make soak [SOAK_SECONDS=N]            what must hold under abuse, for minutes' \
	'make fuzz [FUZZ=NAME] [FUZZ_SECONDS=N]  rules, api, playbook, cluster, exec' \
	'make golden                           rewrite the expected diagnostics; review the diff' \
	'make deps                             install what all of these need' \
	'make install | uninstall              PREFIX=/usr/local, DESTDIR=' \
	'make clean                            remove build/' \
	'' 'BUILD=asan|ubsan|tsan, V=1 for whole command lines, WERROR=-Werror'

# What each task needs, as Debian names it. A stamp says that it was looked for; a
# machine without dpkg is taken to have it, and the compiler will tell.
DEPS_build := gcc libc6-dev pkg-config libuv1-dev libyaml-dev libjansson-dev \
              libmicrohttpd-dev libcmark-dev libnl-3-dev libnl-route-3-dev \
              libnftables-dev libhiredis-dev libpq-dev libssl-dev
DEPS_proxy-only := $(filter-out libcmark-dev libhiredis-dev libpq-dev libssl-dev,$(DEPS_build))
DEPS_test  := libcriterion-dev redis-server redis-tools postgresql-15 iproute2 nftables \
              python3
DEPS_check := git clang clang-format clang-tidy cppcheck libclang-rt-14-dev
DEPS_bench := haproxy nginx-light libnginx-mod-stream redis-tools redis-server \
              postgresql-15
DEPS_postgres := postgresql-15
DEPS_store := redis-tools

.PHONY: deps
deps: build/deps/build build/deps/test build/deps/check build/deps/bench

# Servers' packages would start a server of their own, on its well-known port: PostgreSQL
# is told not to make one, and policy-rc.d (invoke-rc.d(8)) forbids starting any while
# packages are installed, unless the machine has such a policy already.
build/deps/%:
	@missing=; for package in $(DEPS_$*); do \
	    command -v dpkg-query >/dev/null || break; \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
	        || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" != 0 ]; then \
	    echo "make: missing packages; install them with: sudo apt-get install$$missing" >&2; \
	    exit 3; \
	fi; \
	if [ -n "$$missing" ]; then \
	    echo "  APT    $$missing"; \
	    exec 9>/var/lock/netsplit-deps && flock 9 2>/dev/null; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    policy=/usr/sbin/policy-rc.d; \
	    if [ ! -e $$policy ]; then \
	        trap "rm -f $$policy" EXIT; \
	        trap 'exit 130' INT TERM HUP; \
	        printf '#!/bin/sh\nexit 101\n' > $$policy && chmod 755 $$policy; \
	    fi; \
	    get="apt-get -qq -y -o Dpkg::Options::=--force-confold --no-install-recommends"; \
	    apt-get -qq update && case "$$missing" in *postgresql*) \
	        $$get install postgresql-common >/dev/null && \
	        mkdir -p /etc/postgresql-common/createcluster.d && \
	        echo 'create_main_cluster = false' \
	            > /etc/postgresql-common/createcluster.d/netsplit.conf ;; esac && \
	    $$get install $$missing >/dev/null || exit 3; \
	fi; \
	mkdir -p $(@D) && touch $@

$O/%.o: %.c | build/deps/$(DEPS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(PKG_CFLAGS) -c -o $@ $<

$O/scenarios/report/page.o: scenarios/report/page.html
$O/scenarios/init/templates.o: $(wildcard scenarios/init/*.yaml scenarios/init/*.md)
$O/%.o: %.S | build/deps/build
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(SANITIZE) -c -o $@ $<

# Rewritten only when the version changed, so that make twice does nothing; two makes may
# do so at the same time.
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
$O/version.c: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; \
	printf 'extern const char netsplit_version[];\nconst char netsplit_version[] = "%s";\n' \
	    '$(VERSION)' > $$new; \
	if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
$O/version.o: $O/version.c | build/deps/$(DEPS)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
.PHONY: FORCE
FORCE:

$B/netsplit: $(OBJ) $O/version.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Tests: one runner a layer; that of rules/ links nothing but rules/, which proves that
# the layer stands alone. tests/program/ drives the built program as a user would.
TEST_LIB   := $(patsubst %.c,$O/%.o,$(wildcard tests/lib/*.c))
TEST_RULES := $(patsubst %.c,$O/%.o,$(wildcard tests/rules/*.c))
TEST_PROXY := $(patsubst %.c,$O/%.o,$(wildcard tests/proxy/*.c))
TEST_SCEN  := $(patsubst %.c,$O/%.o,$(wildcard tests/scenarios/*.c))
TEST_PROG  := $(patsubst %.c,$O/%.o,$(wildcard tests/program/*.c))
TESTS      := $(if $(TEST_RULES),rules) $(if $(TEST_PROXY),proxy) \
              $(if $(TEST_SCEN),scenarios) $(if $(TEST_PROG),program)
RULES_OBJ     := $(RULES_SRC:%.c=$O/%.o)
PROXY_OBJ     := $(PROXY_SRC:%.c=$O/%.o)
SCENARIOS_OBJ := $(SCENARIOS_SRC:%.c=$O/%.o) $(PAGES:%.S=$O/%.o)

$B/tests/rules: $(TEST_RULES) $(RULES_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_RULES) $(LDLIBS_TEST)
$B/tests/proxy: $(TEST_PROXY) $(TEST_LIB) $(PROXY_OBJ) $(RULES_OBJ) $O/version.o
$B/tests/scenarios: $(TEST_SCEN) $(TEST_LIB) $(SCENARIOS_OBJ) $(filter $O/proxy/base/%,$(PROXY_OBJ)) $(RULES_OBJ) $O/version.o
$B/tests/program: $(TEST_PROG) $(TEST_LIB) $(RULES_OBJ) $(filter $O/proxy/base/%,$(PROXY_OBJ)) | $B/netsplit
$B/tests/proxy $B/tests/scenarios $B/tests/program:
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LDLIBS) $(LDLIBS_TEST)

NETSPLIT ?= $(CURDIR)/$B/netsplit
# abort_on_error: a leak found in a Criterion test otherwise leaves the status at 0.
# halt_on_error: a program that dies of a signal in the end has no status for a race.
TEST_ENV := ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
            TSAN_OPTIONS=halt_on_error=1 NETSPLIT=$(NETSPLIT)
# Criterion's own runner leaks a worker's record when several run at once and one of them
# has started processes (96 bytes with --jobs 2, none with 1), which LeakSanitizer takes
# for ours; its frames stand in every stack, so that they cannot be left out by name.
JOBS_asan := --jobs 1
# T=NAME runs one runner, FILTER=suite/test some tests of it.
.PHONY: test
test: build/deps/test
	@$(MAKE) --no-print-directory run-tests

# Apart from `test`, so that what it links is looked for when it has been installed.
# What the tests make, and the records of the programs they kill, lie in one directory:
# so it goes even when a test crashes or runs out of time. PostgreSQL, which runs as
# another user, must be able to pass through it; so must users that run the program,
# which lies there too, for a checkout may be nobody's business.
.PHONY: run-tests runners
runners: all $(addprefix $B/tests/,$(TESTS))
run-tests: runners
	@tmp=$$(mktemp -d -t netsplit-XXXXXX) && chmod 711 "$$tmp" || exit 1; \
	trap 'rm -rf "$$tmp"' EXIT; trap 'exit 1' HUP INT TERM; \
	$(INSTALL) -D -m 755 $(NETSPLIT) "$$tmp/bin/netsplit" || exit 1; \
	for t in $(or $T,$(TESTS)); do \
	    printf '%s: ' "$$t"; \
	    { TMPDIR=$$tmp XDG_RUNTIME_DIR=$$tmp $(TEST_ENV) \
	        NETSPLIT=$$tmp/bin/netsplit $B/tests/$$t $(JOBS_$(BUILD)) \
	        $(if $(FILTER),--filter '$(FILTER)'); echo $$? >"$$tmp/status"; } 2>&1 \
	        | tee "$$tmp/output"; \
	    [ "$$(cat "$$tmp/status")" = 0 ] || exit 1; \
	    if grep -q 'Assertion Failed\|setup or teardown' "$$tmp/output"; then \
	        echo "make: $$t: a teardown failed, which Criterion does not count" >&2; exit 1; \
	    fi; \
	done

# What must hold under abuse, for SOAK_SECONDS each where it can go on for ever.
SOAK_SECONDS ?= 120
.PHONY: soak
soak: build/deps/test
	@NETSPLIT_SOAK_SECONDS=$(SOAK_SECONDS) $(MAKE) --no-print-directory run-tests \
	    T=program FILTER='abuse*/*'

# Rewrites what the golden tests want; the diff is for review.
.PHONY: golden
golden: build/deps/test
	@NETSPLIT_GOLDEN=update $(MAKE) --no-print-directory run-tests FILTER='*/*_answered_to_the_letter'
	@git --no-pager diff --stat -- tests/golden

# libFuzzer, with clang, in a build tree of its own. FUZZ=NAME is one target; what it finds
# new stays in build/fuzz/found, what it broke in build/fuzz. FUZZ_SECONDS=N for each.
FUZZERS := rules api playbook cluster exec
FUZZ_SECONDS ?= 60
FUZZ_FOUND   := found
FUZZ_SEEDS_rules    := tests/golden/rules rules/library
FUZZ_SEEDS_playbook := tests/golden/playbooks playbooks
FUZZ_SEEDS_cluster  := tests/golden/playbooks scenarios/clusters
$B/fuzz_%: $O/tests/fuzz/fuzz_%.o $(RULES_OBJ) $(PROXY_OBJ) $(SCENARIOS_OBJ) $O/version.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
.SECONDARY: $(FUZZERS:%=$O/tests/fuzz/fuzz_%.o)
.PHONY: fuzz run-fuzz
fuzz: build/deps/check
	@$(MAKE) --no-print-directory BUILD=fuzz CC=clang run-fuzz
run-fuzz: $(addprefix $B/fuzz_,$(or $(FUZZ),$(FUZZERS)))
	@$(foreach f,$(or $(FUZZ),$(FUZZERS)),mkdir -p $B/$(FUZZ_FOUND)/$f && echo '  FUZZ   $f' && \
	    $B/fuzz_$f -max_total_time=$(FUZZ_SECONDS) $(FUZZ_FLAGS) -dict=tests/fuzz/$f.dict \
	    -artifact_prefix=$B/ $B/$(FUZZ_FOUND)/$f tests/fuzz/corpus/$f $(FUZZ_SEEDS_$f) &&) :

# The same for a moment, from the same start and with the same draws each time.
.PHONY: fuzz-short
fuzz-short: build/deps/check
	@rm -rf build/fuzz/short
	@echo '  FUZZ   $(FUZZERS), a moment each'
	@mkdir -p build/fuzz; $(MAKE) --no-print-directory FUZZ_FOUND=short FUZZ_SECONDS=5 \
	    FUZZ_FLAGS='-seed=1 -runs=20000' fuzz >build/fuzz/short.log 2>&1 \
	    || { tail -n 40 build/fuzz/short.log; exit 1; }

# Who may ask for the time of day, which may jump: for names of directories, for what
# people read, and to be compared with other machines' clocks. No duration comes from it.
WALL_TIME := ^proxy/base/now\|^scenarios/cmd_\(drill_run\|init\)\.c\|^scenarios/drill/\(drill_result\|drill_manual\|claim\|claim_mark\)\.c\|^scenarios/drill/drill_mode_up\.c.*base_wall_ns\|^scenarios/preflight/
.PHONY: layers
layers:
	@! grep -rnE --include='*.[ch]' '#include *[<"](uv\.h|netlink/|nftables/|microhttpd|proxy/|scenarios/)' rules
	@! grep -rnE '#include *"[^"]*scenarios/' proxy
	@! grep -rnE '#include *"[^"]*proxy/' scenarios | grep -v '"proxy/base/'
	@! grep -rnE '#include *"(proxy/|scenarios/)' proxy/base | grep -v '"proxy/base/'
	@! grep -rnE '#include *<(netlink|nftables)/' rules proxy scenarios \
	    | grep -v '^proxy/kernel/\|^proxy/base/netlink\|^scenarios/lab/'
	@! grep -rnE '\b(CLOCK_REALTIME|gettimeofday|timespec_get|now_wall_(ns|of_ticks)\(|time\((NULL|0|&))' \
	    --include='*.[ch]' rules proxy scenarios | grep -v '$(WALL_TIME)'

# The seeded defects prove that a sanitizer's finding fails the run: Criterion by itself
# counts a leaking test as passed.
SEEDED_asan  := overflow leak undefined
SEEDED_ubsan := undefined
$B/tests/seeded: $O/tests/seeded/seeded.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_TEST)
.PHONY: seeded
seeded: $B/tests/seeded
	@for defect in $(SEEDED_$(BUILD)); do \
	    if $(TEST_ENV) $B/tests/seeded --filter "seeded/$$defect" >$B/seeded.log 2>&1; then \
	        echo "make: the sanitizer let a seeded $$defect pass" >&2; exit 1; \
	    fi; \
	done
	@echo 'seeded defects found: $(SEEDED_$(BUILD))'

.PHONY: asan ubsan tsan
# A runner does one test at a time here (see JOBS_asan), and most tests wait: so three
# lanes, the longest first, each RUNNER:FILTER and shown when it has ended. What T and
# FILTER say is one lane a runner.
LANES := $(if $T$(FILTER),$(foreach t,$(or $T,$(TESTS)),$t:$(FILTER)), \
    program:drill_[f-z]*/* program:drill?(_[a-e]*)/* program:!(drill*)/* proxy: scenarios: rules:)
asan ubsan: build/deps/test
	@$(MAKE) --no-print-directory BUILD=$@ seeded runners
	@printf '%s\n' $(foreach lane,$(LANES),'$(lane)') | xargs -P 3 -I{} sh -c ' \
	    lane="{}"; log=$$(mktemp); \
	    $(MAKE) --no-print-directory BUILD=$@ T="$${lane%%:*}" FILTER="$${lane#*:}" \
	        run-tests >"$$log" 2>&1; \
	    status=$$?; cat "$$log"; rm -f "$$log"; exit $$status'
# Criterion cannot start under TSan, so the program is built with it and the tests that
# drive the program from outside are run.
tsan: build/deps/test
	@$(MAKE) --no-print-directory BUILD=tsan all
	@NETSPLIT_TEST_TSAN=1 $(MAKE) --no-print-directory run-tests T=program \
	    NETSPLIT=$(CURDIR)/build/tsan/netsplit

.PHONY: format
format: build/deps/check
	clang-format -i $(shell git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: check
check: build/deps/build build/deps/test build/deps/check layers
	@echo '  FORMAT'; clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	@echo '  WARNINGS gcc, clang'
	@$(MAKE) --no-print-directory BUILD=gcc CC=gcc WERROR=-Werror all >/dev/null
	@$(MAKE) --no-print-directory BUILD=clang CC=clang WERROR=-Werror all >/dev/null
	@$(MAKE) --no-print-directory BUILD=gcc CC=gcc WERROR=-Werror PROXY_ONLY=1 all >/dev/null
	@echo '  CPPCHECK'
	@cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 \
	    --enable=warning,performance,portability --suppressions-list=.cppcheck \
	    -I. -D_GNU_SOURCE rules proxy scenarios
	@echo '  TIDY'
	@printf '%s\n' $(SRC) | xargs -P 2 -n 8 sh -c 'clang-tidy --quiet \
	    --warnings-as-errors="*" "$$@" -- -std=c17 -D_GNU_SOURCE -I. $(PKG_CFLAGS) \
	    2>/dev/null' tidy
	@$(MAKE) --no-print-directory fuzz-short
	@echo 'check: passed'

# BENCH=NAME,... runs some parts; BENCH_FLAGS=--strict makes a missed gate an error.
# $B/tests/bench --help lists both.
comma      := ,
BENCH_BASE := now tempdir errmsg
$B/tests/bench: $(patsubst %.c,$O/%.o,$(wildcard tests/bench/*.c)) \
                $O/tests/lib/server_process.o $(BENCH_BASE:%=$O/proxy/base/%.o)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
.PHONY: bench
bench: build/deps/bench all $B/tests/bench
	@$(if $(filter size,$(subst $(comma), ,$(or $(BENCH),size))),$(MAKE) --no-print-directory PROXY_ONLY=1 all,:)
	@$B/tests/bench $(BENCH_FLAGS) --parts '$(BENCH)' --json $B/bench.json $(NETSPLIT)

PLAYBOOK ?= playbooks/primary-cut-off.md
.PHONY: drill
drill: all build/deps/$(if $(findstring postgres,$(CLUSTER)),postgres,store)
	@$B/netsplit drill $(PLAYBOOK) $(if $(CLUSTER),--cluster $(CLUSTER))

.PHONY: install uninstall
install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/clusters \
	    $(DESTDIR)$(DATADIR)/playbooks $(DESTDIR)$(DATADIR)/rules
	$(INSTALL) -m 755 $B/netsplit $(DESTDIR)$(BINDIR)/netsplit
	$(INSTALL) -m 644 scenarios/clusters/*.yaml $(DESTDIR)$(DATADIR)/clusters
	$(INSTALL) -m 644 playbooks/*.md $(DESTDIR)$(DATADIR)/playbooks
	$(INSTALL) -m 644 rules/library/*.yaml $(DESTDIR)$(DATADIR)/rules
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/netsplit
	rm -rf $(DESTDIR)$(DATADIR)

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $O -name '*.d' 2>/dev/null)
