# tests.mk - run_tests; run_tests_checked, with the kernels that the checker
# watches; and the plugin over a CUDA that is not there.
#
# Gives checked, the second program where it can be built; tests_obj, fake_obj.

# The ops, and modules that are some, with float as double, behind gradient_trial() alone.
in_double_only := tests/gradient_trial.c
in_double := $(patsubst %,$(B)/double/%.o,$(in_double_only) \
                 $(wildcard tests/kernel_cases*.c kernels/ops/*.c attention_zoo/*.c) \
                 $(addprefix kernels/core/,graph.c tensor.c))

checked   := $(if $(filter checked,$(SIMTS)),$(B)/run_tests_checked)
tests_obj := $(call obj,$(filter-out $(in_double_only),$(wildcard tests/*.c))) \
             $(call obj,$(filter-out %/libfuzzer.c,$(wildcard tests/fuzz/*.c))) \
             $(B)/double/gradient_trial.o
on_host   := $(if $(SIMTS),$(call simt_obj,plain),$(call obj,kernels/simt/absent.c))

# What of the plugin is tested without a GPU: arithmetic; what cuDNN says of a
# card that is only described, where there is cuDNN 9.8.
with_cudnn := $(addprefix $(B)/tests/,$(addsuffix .c.o,test_cudnn test_libraries \
                  described fake_libraries fake_cublaslt))
tests_obj += $(call obj,$(addprefix kernels/cuda/,library/gemm.c library/race.c \
                  library/tune.c backend/known_work.c backend/workspace.c))
ifeq ($(CUDA_MISSING),)
ifeq ($(filter 0 1 2 3 4 5 6 7,$(CUDA_CUDNN_MINOR))$(if $(CUDA_CUDNN),,no),)
tests_obj += $(patsubst %,$(B)/cuda/%.o,$(cudnn) \
                 $(addprefix kernels/cuda/library/,cudnn.c cublas.c product.c))
tests_link := $(CUDA_CUDNN) -Wl,-rpath,$(dir $(CUDA_CUDNN)) \
              -Wl,--wrap=cudnnBackendSetAttribute,--wrap=cudnnBackendExecute
$(with_cudnn): override CFLAGS += -DWITH_CUDNN $(CUDA_INCLUDES)
endif
endif
$(with_cudnn): $(B)/cuda/flags

# The plugin's own code over tests/fake, and libraries of the same kind.
fake     := $(addprefix $(B)/fake/,attnbench_cuda.so libnvidia-ml.so.1 \
                libcudnn.so.99 libcublasLt.so.99)
fake_obj := $(patsubst %,$(B)/fake/%.o,tests/fake/cuda.c tests/fake/own.c \
                $(addprefix kernels/cuda/backend/,backend.c clock.c describe.c \
                    moment.c workspace.c) \
                $(addprefix kernels/cuda/library/,library.c race.c tune.c))

$(B)/run_tests: $(lib) $(tests_obj) $(on_host) | $(fake)
	$(call Q,LINK) $(if $(SIMTS),$(CXX),$(CC)) $(LDFLAGS) -no-pie -o $@ $^ $(LIBS) $(tests_link)
$(B)/run_tests_checked: $(lib) $(tests_obj) $(call simt_obj,checked) | $(fake)
	$(call Q,LINK) $(CXX) $(LDFLAGS) -no-pie -o $@ $^ $(LIBS) $(tests_link)

# The programs of tests/gpu_check.sh.  Of the tests, those that need a GPU, which
# compile within seconds; made with CUDA_CUDNN_MINOR=0, which leaves out those of
# cuDNN without one.
gpu_tests := $(patsubst tests/%.c,%,$(wildcard tests/kernel_cases*.c)) run \
             kernel_trial eval fake_device fake_libraries \
             test_gpu test_kernels test_real_shapes
$(B)/gpu_tests: $(lib) $(gpu_tests:%=$(B)/tests/%.c.o) $(B)/kernels/simt/absent.c.o
	$(call Q,LINK) $(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(B)/gpu_%: tests/gpu_check/%.cu $(wildcard tests/gpu_check/*.cuh tests/gpu_check/*.h) \
           $(B)/cuda/flags
	$(call Q,NVCC) $(CUDA_NVCC) -std=c++20 -O2 -I. $(CUDA_CODE) -o $@ $<

$(B)/double/%.c.o: %.c
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -include tests/in_double.h -MMD -MP -c -o $@ $<
$(B)/double/gradient_trial.o: $(in_double)
	$(call Q,LINK) $(LD) -r -o $@ $^
	@$(OBJCOPY) --keep-global-symbol=gradient_trial $@

$(B)/fake/attnbench_cuda.so: $(fake_obj)
	$(call Q,LINK) $(CC) $(LDFLAGS) -shared -o $@ $^ -Wl,-z,lazy '-Wl,-rpath,$$ORIGIN'
$(B)/fake/libcudnn.so.99 $(B)/fake/libcublasLt.so.99: tests/fake/libraries.c \
                $(wildcard tests/fake/*.h)
	@mkdir -p $(@D)
	$(call Q,LINK) $(CC) $(CFLAGS) -fPIC -shared -Itests/fake -o $@ $< \
	    $(if $(findstring cudnn,$@),-DFAKE_CUDNN)
$(B)/fake/libnvidia-ml.so.1: $(B)/fake/tests/fake/nvml.c.o
	$(call Q,LINK) $(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^
$(B)/fake/%.c.o: %.c | $(B)/cuda_build.h
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -fPIC $(if $(findstring nvml,$<),,\
	    -fvisibility=hidden) -Itests/fake -MMD -MP -c -o $@ $<
