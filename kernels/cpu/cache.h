/*
 * cache.h - how much it takes to push everything out of the caches.
 */
#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include <stddef.h>

#include "kernels/cpu/team.h"

/* Bytes that each thread has to overwrite, all at once, so that every cache
 * within the team's reach is overwritten twice. */
size_t cache_flood_bytes(const Team *team);

/* Bytes of the last-level caches that the team's threads have together. */
size_t cache_last_bytes(const Team *team);

/* Those of the second-level caches before the last; 0: there are none, or the
 * system does not say. */
size_t cache_second_bytes(const Team *team);

#endif
