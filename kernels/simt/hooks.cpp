/*
 * hooks.cpp - what the compiler calls, in the checked build, from kernels and
 * the host code next to them: before every access to memory that may be seen by
 * others (-fsanitize=thread), and where an index or an address is found wrong
 * (-fsanitize=alignment,bounds).  The sanitizers' own libraries, which define
 * these functions otherwise, are not linked.
 */
#include "kernels/simt/state.h"

#define PC ((uintptr_t)__builtin_return_address(0))

#define ACCESS(name, bytes, kind)                    \
    void __tsan_##name(void *p)                      \
    {                                                \
        check_access((uintptr_t)p, bytes, kind, PC); \
    }
#define ACCESSES(bytes)                          \
    ACCESS(read##bytes, bytes, READ)             \
    ACCESS(write##bytes, bytes, WRITE)           \
    ACCESS(unaligned_read##bytes, bytes, READ)   \
    ACCESS(unaligned_write##bytes, bytes, WRITE) \
    ACCESS(volatile_read##bytes, bytes, READ)    \
    ACCESS(volatile_write##bytes, bytes, WRITE)

extern "C" {
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *p, size_t bytes)
{
    check_access((uintptr_t)p, bytes, READ, PC);
}

void __tsan_write_range(void *p, size_t bytes)
{
    check_access((uintptr_t)p, bytes, WRITE, PC);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *)
{
}

void __tsan_func_exit(void)
{
}

void __ubsan_handle_type_mismatch_v1(const void *, uintptr_t address)
{
    report(SIMT_MISALIGNED, CALLER,
           "address %#lx is not a multiple of what its type wants",
           (unsigned long)address);
}

/* The access itself might spoil the fiber's stack. */
void __ubsan_handle_out_of_bounds(const void *, uintptr_t index)
{
    report(SIMT_OUT_OF_BOUNDS, CALLER, "index %ld of an array", (long)index);
    if (in_kernel())
        launch_abandon();
}
}
