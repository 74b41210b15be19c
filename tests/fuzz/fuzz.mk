# fuzz.mk - run_fuzz: what reads others' files, under clang's libFuzzer with
# ASan and UBSan; tests/fuzz/fuzz.sh runs it.
#
# Our own kernels (simd_obj) are the ordinary compiler's, and so not watched.
# clang's OpenMP (libomp) stands before the one that oneDNN was linked to
# (libgomp), whose functions it has too: there is one runtime.

CLANG ?= clang
SECONDS ?= 60
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CFLAGS := -std=c11 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -fopenmp \
               -I. -I$(B) -w -fsanitize=fuzzer-no-link $(FUZZ_SAN)

fuzz_src  := $(src) tests/databases.c tests/stored.c $(wildcard tests/fuzz/*.c)
fuzz_obj  := $(patsubst %,$(B)/fuzz/%.o,$(fuzz_src))

$(B)/fuzz/%.c.o: %.c | $(inc) $(B)/cuda_build.h $(B)/build_info.h
	@mkdir -p $(@D)
	$(call Q,CLANG) $(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/fuzz/run_fuzz: $(fuzz_obj) $(simd_obj)
	$(call Q,LINK) $(CLANG) -fopenmp -rdynamic -fsanitize=fuzzer $(FUZZ_SAN) \
	    -o $@ $^ $(LIBS)

-include $(patsubst %.o,%.d,$(fuzz_obj))
