/*
 * amx.h - the tiles of a processor with AMX: whether they may be used, and how
 * fast they multiply.
 */
#ifndef CPU_AMX_H
#define CPU_AMX_H

#include <stdbool.h>
#include <stddef.h>

/* True if the processor has tiles and products of bf16 in them. */
bool amx_is_there(void);

/* The same, and Linux gives them to this process: it is asked to. */
bool amx_may_be_used(void);

/* Floating-point operations that one thread did: rounds of 1024 products of two
 * tiles.  Only where amx_may_be_used(). */
double amx_flops(size_t rounds);

#endif
