# plugin.mk - attnbench_cuda.so: the CUDA backend, where there is a toolkit.
#
# Gives CUDA_MISSING, empty or why there is no plugin; cuda_says, the same for
# people; cu, the files of kernels; nvcc_obj, what nvcc must make of each; the
# target sass_check.

# toolkit.sh finds what the plugin is built with, except for targets that only
# call make again.
ifeq ($(CUDA),0)
CUDA_MISSING := left out by CUDA=0
else ifneq ($(filter-out bench test speed check cuda_check sass clang_check asan fuzz deps clean help,$(or $(MAKECMDGOALS),all)),)
$(shell mkdir -p $(B) && NVCC="$(NVCC)" sh kernels/cuda/toolkit.sh "$(CUDA_ARCHS)" >$(B)/toolkit.mk)
include $(B)/toolkit.mk
endif
cuda_says := $(if $(CUDA_MISSING),no: $(CUDA_MISSING),yes, for \
             $(CUDA_ARCH_LIST:%=sm_%)$(if $(CUDA_CUDNN),,; without cuDNN: \
             no version 9 was found))
cuda_record := $(if $(CUDA_MISSING),,; $(CUDA_RECORD))
# Lines of source for profilers are half of the plugin's size.
LINEINFO ?= -lineinfo
NVCCFLAGS := -std=c++20 -O3 $(LINEINFO) -I. -I$(B) \
             $(if $(filter 1,$(DEV)),-Werror all-warnings) -Xcompiler \
             -fPIC,-fvisibility=hidden

cu    := $(wildcard kernels/cuda/kernels/*.cu)
cudnn := $(addprefix kernels/cuda/library/,descriptors.c conv_graph.c conv_engine.c)
cuda  := $(cu) $(wildcard kernels/cuda/kernels/device_only/*.cu) \
         $(filter-out $(if $(CUDA_CUDNN),,kernels/cuda/library/cudnn.c $(cudnn)), \
             $(wildcard kernels/cuda/backend/*.c kernels/cuda/library/*.c))
cuda_obj := $(patsubst %,$(B)/cuda/%.o,$(cuda))

# The plugin has nothing of the program's: it finds that when it is loaded; nor
# of cuDNN's and cuBLASLt's, which it loads itself (library.c).
$(B)/attnbench_cuda.so: $(cuda_obj)
	$(call Q,LINK) $(CXX) -shared -o $@ $^ $(CUDA_LINK) \
	    -Wl,--exclude-libs,ALL -ldl -lrt -lpthread
$(B)/cuda/%.c.o: %.c $(B)/cuda/flags | $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -fPIC -fvisibility=hidden $(CUDA_INCLUDES) \
	    $(if $(CUDA_CUDNN),,-DWITHOUT_CUDNN) -MMD -MP -c -o $@ $<
$(B)/cuda/%.cu.o: %.cu $(B)/cuda/flags
	@mkdir -p $(@D)
	$(call Q,NVCC) $(CUDA_NVCC) $(NVCCFLAGS) $(CUDA_CODE) -MMD -MP -c -o $@ $<

# Every kernel must pass nvcc for the first: make cuda_check; for the second, or
# for CUDA_ARCHS, where the machine code is looked at: make sass.
sms      := 80 90
sass_sms := $(or $(CUDA_ARCHS),80 89 90 100 120)
obj_for   = $(patsubst %,$(B)/$(if $(filter $(1),$(CUDA_ARCH_LIST)),cuda,sm_$(1))/%.o,$(2))
nvcc_obj := $(foreach sm,$(sms),$(call obj_for,$(sm),$(cu)))
sass_cu  := $(if $(ONLY),$(foreach f,$(cu),$(if $(findstring $(ONLY),$(f)),$(f))),$(cu))
sass_obj := $(sort $(foreach sm,$(sass_sms),$(call obj_for,$(sm),$(sass_cu))))
sass_judged := $(if $(filter 90,$(sass_sms)),$(call obj_for,90,$(sass_cu)))
sass_lacks  := $(or $(CUDA_MISSING),$(if $(CUDA_CUOBJDUMP),,cuobjdump was not \
                found; install the CUDA toolkit or set CUOBJDUMP),$(if $(shell \
                command -v python3),,python3 was not found))

define nvcc_rule
$$(B)/sm_$(1)/%.cu.o: %.cu $$(B)/cuda/flags
	@mkdir -p $$(@D)
	$$(call Q,NVCC) $$(CUDA_NVCC) $$(NVCCFLAGS) -arch=sm_$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach sm,$(sort $(sms) $(sass_sms)),$(eval $(call nvcc_rule,$(sm))))

sass_check: $(if $(sass_lacks),,$(sass_obj))
	@$(if $(sass_lacks),echo "sass: skipped: $(sass_lacks)",$(if $(sass_judged),\
	    python3 tests/sass.py --cuobjdump='$(CUDA_CUOBJDUMP)' --nvcc='$(CUDA_NVCC)' \
	    $(if $(UPDATE),--update) $(sass_judged),echo "sass: skipped: 90 is not one of CUDA_ARCHS"))

# Program and plugin must be of the same headers; a change of flags builds all
# of the plugin again.
$(B)/cuda_build.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define CUDA_BUILD_HEADERS "$(shell cat kernels/core/*.h \
	       kernels/ops/ops.h kernels/cuda/backend/plugin.h \
	       kernels/simt/host.h kernels/simt/model.h | cksum)"'; \
	   echo '#define CUDA_BUILD_ARCHS "$(CUDA_ARCH_LIST)"'; \
	   echo '#define CUDA_BUILD_MISSING "$(CUDA_MISSING)"'; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/cuda/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CUDA_NVCC) $(CUDA_VERSION) $(NVCCFLAGS) $(CUDA_CODE) $(CUDA_INCLUDES) $(CUDA_CUDNN)' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
