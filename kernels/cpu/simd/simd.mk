# simd.mk - our own CPU kernels, once per instruction set; the backend picks.
#
# Gives simd_obj, all of their objects, and isa_all, the flags of each.

ISAS := generic
ifeq ($(ARCH),x86_64)
ISAS += avx2 avx512 avx512_bf16
endif
# glibc's checks of lengths stay out of what is timed.  clang warns of loops that
# it does not vectorise; gcc knows no such warning and lets it pass.
# Multiply-adds are fused (-std=c11 forbids it); NaN and inf stay as they are.
isa_all := -O3 -U_FORTIFY_SOURCE -Wno-pass-failed -ffp-contract=fast -fno-math-errno -fno-trapping-math
isa_generic := $(isa_all)
isa_avx2 := $(isa_all) -march=x86-64-v3
isa_avx512 := $(isa_all) -march=x86-64-v4 -mprefer-vector-width=512
# The same, for tensors of bf16.
isa_avx512_bf16 := $(isa_avx512) -mavx512bf16 -DSIMD_BF16

# Files that are for tensors of one type alone.
simd_f32 := cross_entropy.c expand.c peaks.c reduce.c sgd.c spread.c winograd.c \
            $(notdir $(wildcard kernels/cpu/simd/*_grad.c))
simd_bf16 := depthwise.c

simd_of = $(filter-out $(addprefix kernels/cpu/simd/,\
              $(if $(findstring bf16,$(1)),$(simd_f32),$(simd_bf16))),\
              $(wildcard kernels/cpu/simd/*.c))
simd_obj := $(foreach isa,$(ISAS),\
                $(patsubst %.c,$(B)/%.$(isa).o,$(call simd_of,$(isa))))

define simd_rule
$$(B)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(call Q,CC) $$(CC) $$(CFLAGS) $$(isa_$(1)) -DISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call simd_rule,$(isa))))
