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
B     := $(if $(filter release,$(BUILD)),build,build/$(BUILD))
O     := $B/obj

V     ?= 0
Q     := $(if $(filter 0,$V),@,)
say    = $(if $(filter 0,$V),@printf '  %-7s %s\n' '$(1)' '$(2)',@:)

LIBS_BASE := libuv yaml-0.1 jansson libmicrohttpd libcmark
LIBS_DB   := hiredis libpq

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Wvla \
            -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wformat=2 -Wno-format-truncation
WERROR   ?=
OPTIMISE := -O2
SANITIZE_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_ubsan := -fsanitize=undefined -fno-sanitize-recover=all
SANITIZE_tsan  := -fsanitize=thread
SANITIZE := $(SANITIZE_$(BUILD))

CFLAGS  ?= -g
override CFLAGS  += -std=c17 -D_GNU_SOURCE $(OPTIMISE) $(WARNINGS) $(WERROR) $(SANITIZE) -I. -MMD -MP
override CFLAGS  += $(shell $(PKG_CONFIG) --cflags $(LIBS_BASE) $(LIBS_DB) 2>/dev/null)
override LDFLAGS += $(SANITIZE)
LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS_BASE) $(LIBS_DB)) -lm -lpthread
LDLIBS_RULES = $(shell $(PKG_CONFIG) --libs yaml-0.1) -lm
LDLIBS_TEST  = -lcriterion

RULES_SRC     := $(sort $(wildcard rules/*.c rules/faults/*.c))
PROXY_SRC     := $(sort $(filter-out proxy/main.c,$(wildcard proxy/*.c proxy/base/*.c)))
SCENARIOS_SRC := $(sort $(wildcard scenarios/*.c scenarios/*/*.c))
SRC           := $(RULES_SRC) $(PROXY_SRC) $(SCENARIOS_SRC) proxy/main.c
OBJ           := $(SRC:%.c=$O/%.o)

.PHONY: all
all: $B/netsplit

$O/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# Rewritten only when the version changed, so that make twice does nothing.
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
$O/version.c: FORCE
	@mkdir -p $(@D)
	@printf 'extern const char netsplit_version[];\nconst char netsplit_version[] = "%s";\n' \
	    '$(VERSION)' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$O/version.o: $O/version.c
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
SCENARIOS_OBJ := $(SCENARIOS_SRC:%.c=$O/%.o)

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

# abort_on_error: a leak found in a Criterion test otherwise leaves the status at 0.
TEST_ENV := ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
            NETSPLIT=$(CURDIR)/$B/netsplit
# T=NAME runs one runner, FILTER=suite/test some tests of it.
.PHONY: test
test: all $(addprefix $B/tests/,$(TESTS))
	@for t in $(or $T,$(TESTS)); do \
	    printf '%s: ' "$$t"; \
	    $(TEST_ENV) $B/tests/$$t $(if $(FILTER),--filter '$(FILTER)') || exit 1; \
	done

.PHONY: layers
layers:
	@! grep -rnE --include='*.[ch]' '#include *[<"](uv\.h|netlink/|nftables/|microhttpd|proxy/|scenarios/)' rules
	@! grep -rnE '#include *"[^"]*scenarios/' proxy
	@! grep -rnE '#include *"[^"]*proxy/' scenarios | grep -v '"proxy/base/'
	@! grep -rnE '#include *"(proxy/[a-z_]+\.h|scenarios/)' proxy/base

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $O -name '*.d' 2>/dev/null)
