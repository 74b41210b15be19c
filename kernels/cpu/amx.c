/*
 * amx.c - asks for the tiles of AMX, configures them, multiplies with them.
 *
 * The two instructions that read memory are written here and not by their
 * intrinsics: gcc's _tile_loadconfig names 8 of the 64 bytes that it reads, and
 * its _tile_loadd none, so what was stored there before may be deleted as never
 * read.
 */
#include "kernels/cpu/amx.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ACCUMULATORS = 4, /* independent products hide the latency */
    OPERANDS = 2,
    ROWS = 16,
    ROW_BYTES = 64, /* 16 sums of f32, or 32 numbers of bf16 */
    NUMBERS = ROW_BYTES / 2,
    STEPS = 1024 / ACCUMULATORS,
    BF16_ONE = 0x3f80,
};

/* The operand of LDTILECFG. */
typedef struct TileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileConfig;
_Static_assert(sizeof(TileConfig) == 64, "LDTILECFG reads 64 bytes");

typedef struct Tile {
    _Alignas(64) uint16_t number[ROWS][NUMBERS];
} Tile;

bool amx_is_there(void)
{
    enum { BF16 = 1 << 22, TILES = 1 << 24 };
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d & BF16 && d & TILES;
}

bool amx_may_be_used(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM */

    return amx_is_there() && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

#define LOAD_CONFIG(config) __asm__ volatile("ldtilecfg %0" : : "m"(config))
#define LOAD_TILE(tile, from)                           \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile \
                     :                                  \
                     : "r"(&(from)), "r"((long)ROW_BYTES), "m"(from))

__attribute__((target("amx-tile,amx-bf16"))) double amx_flops(size_t rounds)
{
    TileConfig config = { .palette = 1 };
    Tile ones;

    for (int i = 0; i < ACCUMULATORS + OPERANDS; i++) {
        config.row_bytes[i] = ROW_BYTES;
        config.rows[i] = ROWS;
    }
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < NUMBERS; k++)
            ones.number[i][k] = BF16_ONE;
    LOAD_CONFIG(config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    LOAD_TILE(4, ones);
    LOAD_TILE(5, ones);
    for (size_t i = 0; i < rounds * STEPS; i++) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_release();
    return 2.0 * ROWS * ROWS * NUMBERS * ACCUMULATORS * STEPS * (double)rounds;
}

#else
bool amx_is_there(void)
{
    return false;
}

bool amx_may_be_used(void)
{
    return false;
}

double amx_flops(size_t rounds)
{
    (void)rounds;
    return 0;
}
#endif
