/*
 * traffic.h - counts what kernels ask of memory, request by request; for the
 * files of the checked build.
 */
#ifndef SIMT_TRAFFIC_H
#define SIMT_TRAFFIC_H

#include "kernels/simt/state.h"

/* Accesses are counted, and no longer judged. */
extern bool traffic_counts;

void traffic_launch(void);
void traffic_access(uintptr_t at, size_t bytes, AccessKind kind, uintptr_t pc);

/* All that b did since its last barrier is complete. */
void traffic_interval(const Block *b);

#endif
