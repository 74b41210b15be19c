/*
 * test_copy.c - the buffers that the copies of tests/gpu_check/copy.cu go
 * round.
 */
#include "tests/gpu_check/rotation.h"
#include "tests/test.h"

enum { MIB = 1 << 20, CACHE = 60 * MIB, ROOM = 1 << 30 };

/* A map of 512x7x7 in f16 to one of 64x56x56 in f32, at batch 8 and 32. */
TEST(copy, cold_buffers_are_three_times_as_large_as_the_cache)
{
    for (size_t bytes = 512 * 7 * 7 * 2 * 8; bytes < 32 * MIB; bytes *= 2) {
        const size_t pairs = rotation_pairs(CACHE, bytes, ROOM);

        CHECK(2 * pairs * bytes >= 3 * (size_t)CACHE);
        CHECK(2 * (pairs - 1) * bytes < 3 * (size_t)CACHE);
        CHECK(pairs * bytes <= ROOM);
        CHECK(2 * rotation_fill(pairs) * bytes >= CACHE);
    }
}

TEST(copy, cold_buffers_are_no_more_than_there_is_room_for)
{
    CHECK(rotation_pairs(CACHE, ROOM, ROOM) == 1);
    CHECK(rotation_pairs(CACHE, MIB, 10 * MIB) == 10);
    CHECK(rotation_pairs(CACHE, 2 * MIB, MIB) == 1);
}
