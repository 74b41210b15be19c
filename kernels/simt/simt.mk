# simt.mk - the CUDA kernels for the host, where the tests run them: "plain",
# and "checked", where the compiler calls our checker at every access to memory
# (it asks for -fsanitize=thread; that library is never linked).
#
# Gives SIMTS, those of the two that this machine can build (none: absent.c says
# so to the tests), and simt_obj, the objects of one.

ifeq ($(ARCH)$(if $(shell command -v $(CXX)),,-without-C++),x86_64)
SIMTS := plain $(if $(SANITIZE),,checked)
endif
CXX_CUDA := $(CXX) -std=c++20 -I. -I$(B) -g $(warnings) -Wno-unknown-pragmas \
            -fno-strict-aliasing $(SANITIZE)

# As tests, linked below 4 GiB; the checked ones also as a plugin.
of_plain   := -fno-pie
of_checked := -fPIC -fvisibility=hidden
kernel_plain := -O2
kernel_checked := -O1 -fsanitize=thread,alignment,bounds \
                  -fsanitize-recover=alignment,bounds
# Of kernels/simt, the files that are only the other's.
others_plain := check order hooks traffic
others_checked := unchecked

simt     := $(wildcard kernels/simt/*.cpp)
simt_obj  = $(patsubst %,$(B)/$(1)/%.o,$(cu) $(wildcard tests/simt/*.cu) \
            $(filter-out $(patsubst %,kernels/simt/%.cpp,$(others_$(1))),$(simt)))

define simt_rule
$$(B)/$(1)/%.cu.o: %.cu
	@mkdir -p $$(@D)
	$$(call Q,CXX) $$(CXX_CUDA) $$(of_$(1)) $$(kernel_$(1)) -MMD -MP -x c++ -c -o $$@ $$<
$$(B)/$(1)/%.cpp.o: %.cpp | $$(B)/cuda_build.h
	@mkdir -p $$(@D)
	$$(call Q,CXX) $$(CXX_CUDA) $$(of_$(1)) -O2 -MMD -MP -c -o $$@ $$<
endef
$(foreach s,$(SIMTS),$(eval $(call simt_rule,$(s))))

# The checked kernels as a plugin, of which times are predicted.
model_obj := $(filter-out $(B)/checked/tests/%,$(call simt_obj,checked)) \
             $(B)/checked/kernels/cuda/backend/workspace.c.o
$(B)/checked/%.c.o: %.c
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<
$(B)/attnbench_model.so: $(model_obj)
	$(call Q,LINK) $(CXX) -shared -o $@ $^ -Wl,-Bsymbolic,--exclude-libs,ALL
