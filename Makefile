# Makefile - attnbench, its tests, and what they need.
#
#   make            build what this machine can build, and say what it lacks
#   make help       every target
#   make V=1        show the commands
#
# A new .c or .cu file needs no line here.  All output goes under build/.
#
# CUDA_ARCHS="80 90 100" builds the plugin for these GPUs; by default it is for
# this machine's, or for sm_90 where there is none.

B ?= build
prefix ?= /usr/local
ARCH := $(shell uname -m)
GIT_COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
GIT_DIRTY := $(if $(shell git status --porcelain -uno 2>/dev/null),1,0)

OPT ?= -O2
override CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT) -g -fopenmp -I. -I$(B) \
                   -Wall -Wextra -Werror -Wno-missing-field-initializers \
                   $(SANITIZE) $(CFLAGS)
override LDFLAGS := -fopenmp -rdynamic $(SANITIZE) $(LDFLAGS)
LIBS := -ldnnl -lcjson -lsqlite3 -ldl -lm
ifndef V
Q = @printf '  %-6s %s\n' $(1) $@;
endif

# Own CPU kernels are built once per instruction set; the backend picks.
ISAS := generic
ifeq ($(ARCH),x86_64)
ISAS += avx2 avx512
endif
# Multiply-adds are fused (-std=c11 forbids it); NaN and inf stay as they are.
isa_all := -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math
isa_generic := $(isa_all)
isa_avx2 := $(isa_all) -march=x86-64-v3
isa_avx512 := $(isa_all) -march=x86-64-v4 -mprefer-vector-width=512

# The CUDA kernels run on the host in the tests (kernels/simt): "plain", and
# "checked", where the compiler calls our checker at every access to memory
# (it asks for -fsanitize=thread; that library is never linked).
ifeq ($(ARCH)$(if $(shell command -v $(CXX)),,-without-C++),x86_64)
SIMTS := plain $(if $(SANITIZE),,checked)
endif
CXX_CUDA := $(CXX) -std=c++20 -I. -g -Wall -Wextra -Werror \
            -Wno-missing-field-initializers -Wno-unknown-pragmas \
            -fno-strict-aliasing -fno-pie $(SANITIZE)
kernel_plain := -O2
kernel_checked := -O1 -fsanitize=thread,alignment,bounds \
                  -fsanitize-recover=alignment,bounds
others_plain := check order hooks
others_checked := unchecked

# The plugin (kernels/cuda/toolkit.sh finds what it is built with).
ifneq ($(filter-out bench test check asan deps clean help,$(or $(MAKECMDGOALS),all)),)
$(shell mkdir -p $(B) && NVCC="$(NVCC)" sh kernels/cuda/toolkit.sh "$(CUDA_ARCHS)" >$(B)/toolkit.mk)
include $(B)/toolkit.mk
endif
cuda_says := $(if $(CUDA_MISSING),no: $(CUDA_MISSING),yes, for \
             $(CUDA_ARCH_LIST:%=sm_%)$(if $(CUDA_CUDNN),,; without cuDNN: \
             no version 9 was found))
cuda_record := $(if $(CUDA_MISSING),,; $(CUDA_RECORD))
NVCCFLAGS := -std=c++20 -O3 -lineinfo -I. -I$(B) -Werror all-warnings \
             -Xcompiler -fPIC,-fvisibility=hidden

src   := $(wildcard kernels/core/*.c kernels/ops/*.c kernels/cpu/*.c) \
         $(wildcard attention_zoo/*.c results/*.c analysis/*.c plots/*.c) \
         $(wildcard harness/backbones/*.c) \
         $(filter-out harness/main.c,$(wildcard harness/*.c)) \
         kernels/cuda/nvml.c
simd  := $(wildcard kernels/cpu/simd/*.c)
tests := $(wildcard tests/*.c)
obj    = $(patsubst %,$(B)/%.o,$(1))
data  := $(wildcard results/*.sql plots/*.gp) results/paper/table2.csv
inc   := $(patsubst %,$(B)/%.inc,$(data))
lib   := $(call obj,$(src)) \
         $(foreach isa,$(ISAS),$(patsubst %.c,$(B)/%.$(isa).o,$(simd)))

cu    := $(wildcard kernels/cuda/*.cu)
cudnn := $(addprefix kernels/cuda/,descriptors.c conv_graph.c conv_engine.c)
cuda  := $(cu) $(wildcard kernels/cuda/device_only/*.cu) \
         $(filter-out kernels/cuda/nvml.c \
             $(if $(CUDA_CUDNN),,kernels/cuda/cudnn.c $(cudnn)), \
             $(wildcard kernels/cuda/*.c))
fake  := $(B)/fake/attnbench_cuda.so $(B)/fake/libnvidia-ml.so.1
fake_obj := $(patsubst %,$(B)/fake/%.o,tests/fake/cuda.c \
              $(addprefix kernels/cuda/,backend.c clock.c weather.c workspace.c))
simt  := $(wildcard kernels/simt/*.cpp)
simt_obj = $(patsubst %,$(B)/$(1)/%.o,$(cu) $(wildcard tests/simt/*.cu) \
           $(filter-out $(patsubst %,kernels/simt/%.cpp,$(others_$(1))),$(simt)))

simt_tests := $(if $(SIMTS),$(call simt_obj,plain),$(call obj,kernels/simt/absent.c))
checked := $(if $(filter checked,$(SIMTS)),$(B)/run_tests_checked)

# Every kernel must pass nvcc for these; test_nvcc.c has it tried.
sms   := 80 90
nvcc_obj := $(foreach sm,$(sms),$(patsubst %,$(B)/$(if $(filter \
              $(sm),$(CUDA_ARCH_LIST)),cuda,sm_$(sm))/%.o,$(cu)))

# What of the plugin is tested without a GPU: arithmetic; what cuDNN says of a
# card that is only described, where there is cuDNN 9.8.
tests_obj := $(call obj,$(tests) $(addprefix kernels/cuda/,gemm.c workspace.c))
ifeq ($(CUDA_MISSING),)
ifeq ($(filter 0 1 2 3 4 5 6 7,$(CUDA_CUDNN_MINOR))$(if $(CUDA_CUDNN),,no),)
tests_obj += $(patsubst %,$(B)/cuda/%.o,$(cudnn) \
                 $(addprefix kernels/cuda/,cudnn.c cublas.c product.c tune.c))
tests_link := $(CUDA_CUDNN) -Wl,-rpath,$(dir $(CUDA_CUDNN)) \
              -Wl,--wrap=cudnnBackendSetAttribute,--wrap=cudnnBackendExecute
$(addprefix $(B)/tests/,$(addsuffix .c.o,test_cudnn test_libraries described \
    fake_libraries fake_cublaslt)): \
    override CFLAGS += -DWITH_CUDNN $(CUDA_INCLUDES)
endif
endif

.PHONY: all bench test check cuda_check mutants asan install deps clean help FORCE
all: $(B)/attnbench $(if $(CUDA_MISSING),,$(B)/attnbench_cuda.so) ## the program, and its plugin where there is CUDA
	@echo "cuda: $(cuda_says)"

bench: deps                                  ## ResNet-50 with each module: table, database, figures
	@$(MAKE) --no-print-directory all
	@$(B)/attnbench run harness/experiments/bench.json --budget=110 \
	    --backend=best
	@$(B)/attnbench table bench
	@$(B)/attnbench plot

test: deps                                   ## every test
	@$(MAKE) --no-print-directory all $(B)/run_tests $(checked)
	@$(B)/run_tests $(ONLY) $(if $(checked),--also="$(checked) --suites=simt")

check: test                                  ## test, layers, headers, format
	sh tests/check_layers.sh
	sh tests/check_style.sh

asan:                                        ## the tests, with sanitizers
	@$(MAKE) --no-print-directory test B=build/asan OPT=-O1 \
	    SANITIZE="-fsanitize=address,undefined \
	              -fno-sanitize-recover=undefined" \
	    CFLAGS=-Wno-format-truncation \
	    CUDA_MISSING="CUDA does not run under sanitizers"

mutants: $(B)/run_tests $(B)/run_tests_checked ## plants errors in the CUDA kernels, counts what the tests catch
	python3 tests/mutate.py

cuda_check: $(if $(CUDA_MISSING),,$(nvcc_obj))
	@echo "cuda: $(cuda_says)"

install: all                                 ## into $(prefix), /usr/local by default
	install -D $(B)/attnbench $(DESTDIR)$(prefix)/bin/attnbench
	$(if $(CUDA_MISSING),,install -D $(B)/attnbench_cuda.so \
	    $(DESTDIR)$(prefix)/lib/attnbench/attnbench_cuda.so)

deps:                                        ## install what is missing
	@sh tests/deps.sh

clean:                                       ## remove build/
	rm -rf build

help:                                        ## this list
	@sed -n 's/^\([a-z]*\):.*## */  \1\t/p' Makefile

$(B)/attnbench: $(lib) $(call obj,harness/main.c)
	$(call Q,LINK) $(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(B)/run_tests: $(lib) $(tests_obj) $(simt_tests) | $(fake)
	$(call Q,LINK) $(if $(SIMTS),$(CXX),$(CC)) $(LDFLAGS) -no-pie -o $@ $^ $(LIBS) $(tests_link)
$(B)/run_tests_checked: $(lib) $(tests_obj) $(call simt_obj,checked) | $(fake)
	$(call Q,LINK) $(CXX) $(LDFLAGS) -no-pie -o $@ $^ $(LIBS) $(tests_link)

# The plugin has nothing of the program's: it finds that when it is loaded.
$(B)/attnbench_cuda.so: $(patsubst %,$(B)/cuda/%.o,$(cuda))
	$(call Q,LINK) $(CXX) -shared -o $@ $^ $(CUDA_LINK) \
	    -Wl,--exclude-libs,ALL -ldl -lrt -lpthread
$(B)/cuda/%.c.o: %.c $(B)/cuda/flags | $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -fPIC -fvisibility=hidden $(CUDA_INCLUDES) \
	    $(if $(CUDA_CUDNN),,-DWITHOUT_CUDNN) -MMD -MP -c -o $@ $<
$(B)/cuda/%.cu.o: %.cu $(B)/cuda/flags
	@mkdir -p $(@D)
	$(call Q,NVCC) $(CUDA_NVCC) $(NVCCFLAGS) $(CUDA_CODE) -MMD -MP -c -o $@ $<

define nvcc_rule
$$(B)/sm_$(1)/%.cu.o: %.cu $$(B)/cuda/flags
	@mkdir -p $$(@D)
	$$(call Q,NVCC) $$(CUDA_NVCC) $$(NVCCFLAGS) -arch=sm_$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach sm,$(sms),$(eval $(call nvcc_rule,$(sm))))

# The plugin's own code over a CUDA that is not there (tests/fake), and an NVML.
$(B)/fake/attnbench_cuda.so: $(fake_obj)
	$(call Q,LINK) $(CC) $(LDFLAGS) -shared -o $@ $^
$(B)/fake/libnvidia-ml.so.1: $(B)/fake/tests/fake/nvml.c.o
	$(call Q,LINK) $(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^
$(B)/fake/%.c.o: %.c | $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -fPIC $(if $(findstring nvml,$<),,\
	    -fvisibility=hidden) -Itests/fake -MMD -MP -c -o $@ $<

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

$(B)/%.c.o: %.c | $(inc) $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
define simd_rule
$$(B)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(call Q,CC) $$(CC) $$(CFLAGS) $$(isa_$(1)) -DISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call simd_rule,$(isa))))
define simt_rule
$$(B)/$(1)/%.cu.o: %.cu
	@mkdir -p $$(@D)
	$$(call Q,CXX) $$(CXX_CUDA) $$(kernel_$(1)) -MMD -MP -x c++ -c -o $$@ $$<
$$(B)/$(1)/%.cpp.o: %.cpp
	@mkdir -p $$(@D)
	$$(call Q,CXX) $$(CXX_CUDA) -O2 -MMD -MP -c -o $$@ $$<
endef
$(foreach s,$(SIMTS),$(eval $(call simt_rule,$(s))))

# What the program says of its own build; written anew only when it changes.
$(B)/build_info.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define BUILD_COMMIT "$(GIT_COMMIT)"'; \
	   echo '#define BUILD_DIRTY $(GIT_DIRTY)'; \
	   echo '#define BUILD_FLAGS "$(strip $(CFLAGS)); own kernels: $(isa_all)$(cuda_record)"'; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
FORCE:
# Program and plugin must be of the same headers; a change of flags builds all
# of the plugin anew.
$(B)/cuda_build.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define CUDA_BUILD_HEADERS "$(shell cat kernels/core/*.h \
	       kernels/ops/ops.h kernels/cuda/plugin.h | cksum)"'; \
	   echo '#define CUDA_BUILD_ARCHS "$(CUDA_ARCH_LIST)"'; \
	   echo '#define CUDA_BUILD_MISSING "$(CUDA_MISSING)"'; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/cuda/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CUDA_NVCC) $(CUDA_VERSION) $(NVCCFLAGS) $(CUDA_CODE) $(CUDA_INCLUDES) $(CUDA_CUDNN)' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/harness/environment.c.o: $(B)/build_info.h
$(B)/harness/environment.c.o: override CFLAGS += -I$(B)

-include $(patsubst %.o,%.d,$(lib) $(call obj,harness/main.c) $(tests_obj) \
                           $(patsubst %,$(B)/cuda/%.o,$(cuda)) $(fake_obj) \
                           $(nvcc_obj) $(simt_tests) \
                           $(foreach s,$(SIMTS),$(call simt_obj,$(s))))
