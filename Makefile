# Makefile - attnbench, its tests, and what they need.
#
#   make            build what this machine can build, and say what it lacks
#   make help       every target, and every setting
#
# A new .c or .cu file needs no line here.  All output goes under build/.  How
# the parts other than the program are built stands in them: see the includes.

B ?= build
prefix ?= /usr/local
ARCH := $(shell uname -m)
OBJCOPY ?= objcopy
GIT_COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
GIT_DIRTY := $(if $(shell git status --porcelain -uno 2>/dev/null),1,0)

# A warning ends the build of who changes the code (DEV=1), and not of who has a
# compiler that is newer than it.
warnings := -Wall -Wextra -Wno-missing-field-initializers \
            $(if $(filter 1,$(DEV)),-Werror)
# glibc's checks of lengths, as far as this compiler and glibc have them; ASan
# has its own.
OPT ?= -O2
fortify := $(if $(SANITIZE)$(filter -O0,$(OPT)),,$(addprefix -U_FORTIFY_SOURCE \
    -D_FORTIFY_SOURCE=,$(shell printf '\043include <features.h>\n' | $(CC) -O2 \
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -E -dM -x c - 2>/dev/null | \
    sed -n 's/^.define __USE_FORTIFY_LEVEL //p')))
override CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT) -g -fopenmp -I. -I$(B) \
                   $(warnings) $(fortify) $(SANITIZE) $(CFLAGS)
override LDFLAGS := -fopenmp -rdynamic $(SANITIZE) $(LDFLAGS)
LIBS := -ldnnl -ljpeg -lpng16 -lcjson -lsqlite3 -ldl -lm
ifndef V
Q = @printf '  %-6s %s\n' $(1) $@;
endif

# The program: what stands in these folders, and files of data that it carries.
src  := $(wildcard $(addsuffix /*.c,kernels/core kernels/ops kernels/cpu kernels/cpu/onednn kernels/cupti)) \
        $(wildcard attention_zoo/*.c results/*.c analysis/*.c plots/*.c) \
        $(filter-out harness/cli/main.c,$(wildcard harness/*/*.c))
experiments := $(sort $(wildcard harness/experiments/*.json))
data := $(wildcard results/*.sql plots/*.gp) $(wildcard results/paper/*.csv) $(experiments)
inc  := $(patsubst %,$(B)/%.inc,$(data)) $(B)/experiments.inc
obj   = $(patsubst %,$(B)/%.o,$(1))

.DEFAULT_GOAL := all
include kernels/cpu/simd/simd.mk
lib  := $(call obj,$(src)) $(simd_obj)
include kernels/cuda/plugin.mk
include kernels/simt/simt.mk
include tests/tests.mk
include tests/fuzz/fuzz.mk

# bench, test and the like build with a job for each core that this process may
# use, unless make was given -j; and without nvcc where there is no GPU.
cores = $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-Otarget -j$(cores))
gpu  = $(shell ls -d /dev/nvidia[0-9]* 2>/dev/null || \
           nvidia-smi -L 2>/dev/null | grep GPU)
program = $(if $(gpu),all,$(B)/attnbench)

.PHONY: all model bench test check cuda_check nvcc_check sass sass_check clang_check \
        mutants asan fuzz speed incs install deps clean help FORCE
all: $(B)/attnbench $(if $(CUDA_MISSING),,$(B)/attnbench_cuda.so) ## the program, and its plugin where there is CUDA
	@echo "cuda: $(cuda_says)"

bench: deps                                  ## ResNet-50 with each module: table, database, figures
	@$(MAKE) --no-print-directory $(jobs) $(program)
	@$(B)/attnbench run harness/experiments/bench.json --budget=$(or $(BUDGET),110) \
	    --backend=best
	@$(B)/attnbench table bench
	@$(B)/attnbench plot

test: deps                                   ## every test
	@$(MAKE) --no-print-directory $(jobs) $(program) $(B)/run_tests $(checked)
	@$(B)/run_tests $(ONLY) --jobs=$(cores) $(if $(checked),\
	    --also="$(checked) --suites=simt --jobs=$(cores)")

speed: deps                                  ## what takes time, next to what it cannot be faster than
	@$(MAKE) --no-print-directory $(jobs) $(B)/run_tests
	@SPEED=1 $(B)/run_tests _speed.

check: test                                  ## test, layers, headers, format
	sh tests/check_layers.sh
	sh tests/check_style.sh

asan:                                        ## the tests, with sanitizers
	@$(MAKE) --no-print-directory test B=build/asan OPT=-O1 \
	    SANITIZE="-fsanitize=address,undefined \
	              -fno-sanitize-recover=undefined" \
	    CFLAGS=-Wno-format-truncation \
	    CUDA_MISSING="CUDA does not run under sanitizers"

fuzz: deps                                   ## what reads others' files, by clang, SECONDS=60 for each target
	@MAKE="$(MAKE)" CLANG="$(CLANG)" sh tests/fuzz/fuzz.sh $(B) $(SECONDS) $(ONLY)

mutants: $(B)/run_tests $(B)/run_tests_checked ## plants errors in the CUDA kernels, counts what the tests catch
	python3 tests/mutate.py $(ONLY)

cuda_check: deps                             ## every CUDA kernel through nvcc, for sm_80 and sm_90
	@$(MAKE) --no-print-directory $(jobs) -k nvcc_check

nvcc_check: $(if $(CUDA_MISSING),,$(nvcc_obj) $(B)/attnbench_cuda.so)
	@echo "cuda: $(cuda_says)"

sass: deps                                   ## machine code of the CUDA kernels: rules, counts next to SASS.csv
	@$(MAKE) --no-print-directory $(jobs) sass_check

clang_check: deps                            ## every C file through clang, for its warnings
	@$(MAKE) --no-print-directory incs $(B)/build_info.h $(B)/cuda_build.h
	@CFLAGS="$(CFLAGS)" sh tests/clang_check.sh $(B) "$(CLANG)"

model: $(B)/attnbench $(if $(checked),$(B)/attnbench_model.so) ## what 'attnbench why --backend=model' needs: CUDA kernels' predicted times
	@echo "model: $(if $(checked),yes,no: it needs x86-64 and a C++ compiler)"

install: all                                 ## into $(prefix), /usr/local by default
	install -D $(B)/attnbench $(DESTDIR)$(prefix)/bin/attnbench
	$(if $(CUDA_MISSING),,install -D $(B)/attnbench_cuda.so \
	    $(DESTDIR)$(prefix)/lib/attnbench/attnbench_cuda.so)

deps:                                        ## install what is missing
	@sh tests/deps.sh

clean:                                       ## remove build/
	rm -rf build

help:                                        ## this list
	@sed -n 's/^\([a-z_]*\):.*## */\1\t/p' Makefile | \
	    while IFS='	' read -r name what; do \
	        printf '  %-12s %s\n' "$$name" "$$what"; done
	@printf '%s\n' '' 'settings:' \
	    '  CUDA=0              leave the plugin for GPUs out; else it is built where' \
	    '                      there is a CUDA toolkit, and by bench and test only' \
	    '                      where there is a GPU' \
	    '  CUDA_ARCHS="80 90"  build it for these; else for the GPU here, or sm_90' \
	    '  NVCC=/path/nvcc     the toolkit to build it with' \
	    '  UPDATE=1            sass: write the counts to kernels/cuda/SASS.csv' \
    '  CC=clang            another compiler; CXX for the tests of CUDA kernels' \
	    '  DEV=1               a warning is an error' \
	    '  V=1                 show the commands' \
	    '  ONLY=part           test, fuzz, mutants, sass: these alone' \
	    '  -j4                 as many jobs; bench and test take one a core'

$(B)/attnbench: $(lib) $(call obj,harness/cli/main.c)
	$(call Q,LINK) $(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(B)/%.c.o: %.c | $(inc) $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The program carries its data files, so that it runs from anywhere: a file of
# $(data) becomes a C string, to be included in an initialiser:
#     static const char schema[] =
#     #include "results/schema.sql.inc"
#         ;
# A question mark is escaped for the sake of trigraphs, a CR because C ends lines
# at it.
$(B)/%.inc: %
	@mkdir -p $(@D)
	@sed 's/[\\"?]/\\&/g; s/\r$$/\\r/; s/^/"/; s/$$/\\n"/' $< > $@
.SECONDARY: $(inc)
incs: $(inc)

# { "NAME", "TEXT" }, for each experiment.
$(B)/experiments.inc: $(patsubst %,$(B)/%.inc,$(experiments))
	@for f in $(experiments); do \
	   printf '{ "%s",\n#include "%s.inc"\n},\n' $$(basename $$f .json) $$f; done > $@

# What the program says of its own build; rewritten only when it changes.
$(B)/build_info.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define BUILD_COMMIT "$(GIT_COMMIT)"'; \
	   echo '#define BUILD_DIRTY $(GIT_DIRTY)'; \
	   echo '#define BUILD_FLAGS "$(strip $(CFLAGS)); own kernels: $(isa_all)$(cuda_record)"'; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/harness/devices/environment.c.o: $(B)/build_info.h
FORCE:

-include $(patsubst %.o,%.d,$(lib) $(call obj,harness/cli/main.c) $(cuda_obj) \
                           $(sort $(nvcc_obj) $(sass_obj)) $(tests_obj) $(in_double) $(fake_obj) $(on_host) \
                           $(foreach s,$(SIMTS),$(call simt_obj,$(s))))
