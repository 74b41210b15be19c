/*
 * test_amx.c - the code that multiplies in tiles gives AMX what it wants.
 *
 * A processor without AMX refuses each of its instructions by SIGILL.  A handler
 * decodes the one that was refused, checks its operands as the processor would,
 * computes what it computes, and continues behind it.  So the code runs as it was
 * compiled, on any x86-64; where there are tiles it runs on them.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
 * LDTILECFG, TILELOADD, TDPBF16PS.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "kernels/cpu/amx.h"
#include "tests/test.h"

#if defined(__x86_64__)
enum { TILES = 8, ROWS = 16, WORDS = 16, CONFIG = 64 };
enum { OP_CONFIG = 0x49, OP_LOAD = 0x4b, OP_PRODUCT = 0x5c };
enum { NO_PREFIX = 0, PREFIX_F3 = 2, PREFIX_F2 = 3 };

/* The tiles, as the instructions seen so far left them. */
static struct {
    unsigned char config[CONFIG]; /* of the last LDTILECFG */
    int row_bytes[TILES], rows[TILES];
    uint32_t word[TILES][ROWS][WORDS];
    int configs, loads, products, releases;
    const char *wrong; /* the first thing that a processor would refuse */
} tiles;

static void refuse(const char *why)
{
    if (!tiles.wrong)
        tiles.wrong = why;
}

/* An instruction with a VEX prefix of three bytes. */
typedef struct Instruction {
    int op, prefix;
    int reg, rm, third; /* registers                       */
    bool in_memory;     /* rm is not one, but ...          */
    uintptr_t address;  /* ... this                        */
    intptr_t stride;    /* the index register, as scaled   */
    int length;
} Instruction;

static intptr_t register_at(const ucontext_t *u, int i)
{
    static const int order[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                 REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };

    return (intptr_t)u->uc_mcontext.gregs[order[i]];
}

static int32_t displacement(const unsigned char *code, int bytes)
{
    int32_t d = 0;

    memcpy(&d, code, (size_t)bytes);
    return bytes == 1 ? (int8_t)d : d;
}

/* The memory operand; code is at the byte ModRM. */
static void decode_address(Instruction *in, const ucontext_t *u,
                           const unsigned char *code, int x, int b)
{
    const int mod = code[0] >> 6, rm = code[0] & 7;
    const int wide = mod == 0 ? 0 : mod == 1 ? 1 : 4;
    int at = 1, bytes = wide;

    if (rm == 4) {
        const int index = (code[1] >> 3 & 7) | x, base = (code[1] & 7) | b;

        at = 2;
        if (index != 4)
            in->stride = register_at(u, index) << (code[1] >> 6);
        if ((code[1] & 7) == 5 && mod == 0)
            bytes = 4;
        else
            in->address = (uintptr_t)register_at(u, base);
    } else if (rm == 5 && mod == 0) {
        bytes = 4;
        in->address = (uintptr_t)(code + at + bytes);
    } else {
        in->address = (uintptr_t)register_at(u, rm | b);
    }
    in->address += (uintptr_t)(intptr_t)displacement(code + at, bytes);
    in->length += at + bytes;
}

/* False if it is none of this kind. */
static bool decode(Instruction *in, const ucontext_t *u,
                   const unsigned char *code)
{
    const int r = code[1] & 0x80 ? 0 : 8, x = code[1] & 0x40 ? 0 : 8;
    const int b = code[1] & 0x20 ? 0 : 8;

    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2)
        return false;
    *in = (Instruction){ .op = code[3],
                         .prefix = code[2] & 3,
                         .reg = (code[4] >> 3 & 7) | r,
                         .rm = (code[4] & 7) | b,
                         .third = ~(code[2] >> 3) & 15,
                         .in_memory = code[4] >> 6 != 3,
                         .length = 4 };
    if (in->in_memory)
        decode_address(in, u, code + 4, x, b);
    else
        in->length++;
    return true;
}

/* ---- what the instructions do --------------------------------------------- */

static void configure(const unsigned char *c)
{
    memcpy(tiles.config, c, CONFIG);
    tiles.configs++;
    if (c[0] != 1)
        refuse("LDTILECFG: the palette is not 1");
    for (int i = 1; i < 16; i++)
        if (c[i])
            refuse("LDTILECFG: a start row, or a reserved byte, is not 0");
    for (int i = 0; i < 16; i++) {
        const int row_bytes = c[16 + 2 * i] | c[17 + 2 * i] << 8;
        const int rows = c[48 + i];

        if (row_bytes > 64 || rows > ROWS || !row_bytes != !rows)
            refuse("LDTILECFG: a tile of an impossible shape");
        if (i >= TILES && (row_bytes || rows))
            refuse("LDTILECFG: a tile beyond the eighth");
        if (i >= TILES)
            continue;
        tiles.row_bytes[i] = row_bytes;
        tiles.rows[i] = rows;
    }
    memset(tiles.word, 0, sizeof(tiles.word));
}

static bool is_configured(int tile)
{
    if (tile < TILES && tiles.rows[tile])
        return true;
    refuse("a tile that is not configured");
    return false;
}

static void load(int tile, const char *from, intptr_t stride)
{
    tiles.loads++;
    for (int i = 0; is_configured(tile) && i < tiles.rows[tile]; i++)
        memcpy(tiles.word[tile][i], from + i * stride,
               (size_t)tiles.row_bytes[tile]);
}

/* The upper or the lower number of bf16 in a word. */
static float number(uint32_t word, bool upper)
{
    const uint32_t bits = upper ? word & 0xffff0000 : word << 16;
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void multiply(int to, int a, int b)
{
    tiles.products++;
    if (!is_configured(to) || !is_configured(a) || !is_configured(b))
        return;
    if (tiles.rows[to] != tiles.rows[a] ||
        tiles.row_bytes[a] != 4 * tiles.rows[b] ||
        tiles.row_bytes[to] != tiles.row_bytes[b]) {
        refuse("TDPBF16PS: the shapes do not fit");
        return;
    }
    for (int m = 0; m < tiles.rows[to]; m++)
        for (int n = 0; n < tiles.row_bytes[to] / 4; n++) {
            float sum;

            memcpy(&sum, &tiles.word[to][m][n], sizeof(sum));
            for (int k = 0; k < tiles.rows[b]; k++)
                for (int half = 0; half < 2; half++)
                    sum += number(tiles.word[a][m][k], half) *
                           number(tiles.word[b][k][n], half);
            memcpy(&tiles.word[to][m][n], &sum, sizeof(sum));
        }
}

static bool execute(const Instruction *in)
{
    if (in->op == OP_CONFIG && in->prefix == NO_PREFIX && in->in_memory)
        configure((const unsigned char *)in->address);
    else if (in->op == OP_CONFIG && in->prefix == NO_PREFIX)
        tiles.releases++; /* what they held is looked at later */
    else if (in->op == OP_CONFIG && in->prefix == PREFIX_F2 && !in->in_memory)
        memset(tiles.word[in->reg & 7], 0, sizeof(tiles.word[0]));
    else if (in->op == OP_LOAD && in->prefix == PREFIX_F2 && in->in_memory)
        load(in->reg, (const char *)in->address, in->stride);
    else if (in->op == OP_PRODUCT && in->prefix == PREFIX_F3)
        multiply(in->reg, in->rm, in->third);
    else
        return false;
    return true;
}

static void on_refused(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const unsigned char *code =
        (const unsigned char *)u->uc_mcontext.gregs[REG_RIP];
    Instruction in;

    (void)info;
    if (!decode(&in, u, code) || !execute(&in)) {
        struct sigaction usual = { .sa_handler = SIG_DFL };

        sigaction(signal, &usual, NULL); /* it is raised again, and ends us */
        return;
    }
    u->uc_mcontext.gregs[REG_RIP] += in.length;
}

enum { ROUNDS = 1, PRODUCTS = 1024, ACCUMULATORS = 4, PAIRS = 32 };

static void check_flops(double flops)
{
    CHECK_MSG(flops == 2.0 * ROWS * WORDS * PAIRS * PRODUCTS * ROUNDS, "%.0f",
              flops);
}

TEST(amx, a_processor_with_tiles_is_given_what_it_wants)
{
    const struct sigaction emulate = { .sa_sigaction = on_refused,
                                       .sa_flags = SA_SIGINFO };
    float want = (float)(PRODUCTS / ACCUMULATORS * PAIRS * ROUNDS), got;

    if (amx_is_there() && !amx_may_be_used())
        SKIP("this processor has AMX, but Linux does not give the tiles to "
             "this process");
    if (amx_may_be_used()) {
        check_flops(amx_flops(ROUNDS));
        return;
    }
    sigaction(SIGILL, &emulate, NULL);
    check_flops(amx_flops(ROUNDS));
    CHECK_MSG(!tiles.wrong, "%s", tiles.wrong);
    CHECK(tiles.configs == 1 && tiles.releases == 1 && tiles.loads == 2);
    CHECK(tiles.products == PRODUCTS * ROUNDS);
    for (int t = 0; t < ACCUMULATORS; t++)
        for (int i = 0; i < ROWS * WORDS; i++) {
            memcpy(&got, &tiles.word[t][i / WORDS][i % WORDS], sizeof(got));
            CHECK_MSG(got == want, "tile %d: %g, not %g", t, (double)got,
                      (double)want);
        }
}

/* The check itself: a processor refuses each of these. */
TEST(amx, a_bad_configuration_is_noticed)
{
    static const struct {
        int at, value;
    } bad[] = { { 0, 0 },   { 0, 2 },  { 1, 1 },   { 9, 1 },
                { 16, 65 }, { 17, 1 }, { 48, 17 }, { 48, 0 },
                { 16, 0 },  { 32, 1 }, { 63, 1 } };
    unsigned char good[CONFIG] = { [0] = 1, [16] = 64, [48] = 16 };

    configure(good);
    CHECK(!tiles.wrong);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned char c[CONFIG];

        memcpy(c, good, CONFIG);
        c[bad[i].at] = (unsigned char)bad[i].value;
        tiles.wrong = NULL;
        configure(c);
        CHECK_MSG(tiles.wrong, "byte %d may be %d", bad[i].at, bad[i].value);
    }
}
#else
TEST(amx, a_processor_with_tiles_is_given_what_it_wants)
{
    CHECK(!amx_is_there() && !amx_may_be_used());
    SKIP("AMX is of x86-64");
}
#endif
