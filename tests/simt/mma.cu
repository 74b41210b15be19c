/*
 * mma.cu - the tensor cores' product on the host: its values, and which lane
 * has what.
 */
#include "kernels/cuda/kernels/kernel.h"
#include "kernels/simt/prims.h"
#include "tests/simt/planted.h"

enum { ROWS = 16, COLUMNS = 8, DEPTH = 16 };

/* Matrices of one warp: a (32,8) and b (32,4) of T, c and d (32,4), as lanes
 * have them. */
struct Operands {
    void *a, *b;
    float *c, *d;
};

template <typename T> static __global__ void product(Operands m)
{
    const unsigned lane = threadIdx.x;
    const uint4 a = ((const uint4 *)m.a)[lane];
    const uint2 b = ((const uint2 *)m.b)[lane];
    const unsigned av[4] = { a.x, a.y, a.z, a.w }, bv[2] = { b.x, b.y };

    mma_16x8x16<T>(m.d + 4 * lane, av, bv, m.c + 4 * lane);
}

static void *device(const void *from, size_t bytes)
{
    char *p;

    BUG_IF(cudaMalloc(&p, bytes));
    cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice);
    return p;
}

template <typename T>
static void run(float d[32][4], const T a[32][8], const T b[32][4],
                const float c[32][4])
{
    Operands m = { device(a, 32 * 8 * sizeof(T)), device(b, 32 * 4 * sizeof(T)),
                   (float *)device(c, 32 * 4 * sizeof(float)),
                   (float *)device(c, 32 * 4 * sizeof(float)) };

    CHECK(simt_launch(product<T>, dim3(1), dim3(32), 0, NULL, 1, m) ==
          cudaSuccess);
    cudaMemcpy(d, m.d, 32 * 4 * sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(m.a);
    cudaFree(m.b);
    cudaFree(m.c);
    cudaFree(m.d);
}

/* Places as the manual of PTX has them, "Matrix Fragments for mma.m16n8k16 with
 * floating point type": of element i of a lane. */
struct At {
    int row, column;
};

static At of_a(int lane, int i)
{
    const int group = lane >> 2, in_group = lane % 4;
    const bool upper = (0 <= i && i < 2) || (4 <= i && i < 6);

    return { upper ? group : group + 8,
             in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0) };
}

static At of_b(int lane, int i)
{
    return { lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane >> 2 };
}

static At of_c(int lane, int i)
{
    return { (lane >> 2) + (i >= 2 ? 8 : 0), lane % 4 * 2 + (i & 1) };
}

/* A number of few bits, so that products and sums are exact. */
static float draw(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)((int)(*seed >> 24) % 17 - 8) / 8;
}

template <typename T> static void check_values(void)
{
    float A[ROWS][DEPTH], B[DEPTH][COLUMNS], C[ROWS][COLUMNS];
    float c[32][4], d[32][4];
    T a[32][8], b[32][4];
    unsigned seed = 1;
    int wrong = 0;

    for (float &x : reinterpret_cast<float(&)[ROWS * DEPTH]>(A))
        x = draw(&seed);
    for (float &x : reinterpret_cast<float(&)[DEPTH * COLUMNS]>(B))
        x = draw(&seed);
    for (float &x : reinterpret_cast<float(&)[ROWS * COLUMNS]>(C))
        x = draw(&seed);
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < 8; i++)
            from_float(&a[l][i], A[of_a(l, i).row][of_a(l, i).column]);
        for (int i = 0; i < 4; i++) {
            from_float(&b[l][i], B[of_b(l, i).row][of_b(l, i).column]);
            c[l][i] = C[of_c(l, i).row][of_c(l, i).column];
        }
    }
    run<T>(d, a, b, c);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            const At at = of_c(l, i);
            float sum = C[at.row][at.column];

            for (int k = 0; k < DEPTH; k++)
                sum += A[at.row][k] * B[k][at.column];
            wrong += d[l][i] != sum;
        }
    CHECK_MSG(wrong == 0, "%d of 128 differ", wrong);
}

TEST(simt_mma, is_the_product_of_f16)
{
    check_values<__half>();
}

TEST(simt_mma, is_the_product_of_bf16)
{
    check_values<__nv_bfloat16>();
}

/* Written out, unlike above: a lane, which of its numbers, and where that is. */
struct Owner {
    int lane, i;
    At at;
};
static const Owner A_OWNERS[] = {
    { 0, 0, { 0, 0 } },   { 0, 1, { 0, 1 } },  { 0, 2, { 8, 0 } },
    { 0, 3, { 8, 1 } },   { 0, 4, { 0, 8 } },  { 0, 5, { 0, 9 } },
    { 0, 6, { 8, 8 } },   { 0, 7, { 8, 9 } },  { 1, 0, { 0, 2 } },
    { 3, 5, { 0, 15 } },  { 4, 0, { 1, 0 } },  { 6, 7, { 9, 13 } },
    { 29, 2, { 15, 2 } }, { 31, 0, { 7, 6 } }, { 31, 7, { 15, 15 } },
};
static const Owner B_OWNERS[] = {
    { 0, 0, { 0, 0 } },  { 0, 1, { 1, 0 } },   { 0, 2, { 8, 0 } },
    { 0, 3, { 9, 0 } },  { 1, 0, { 2, 0 } },   { 3, 3, { 15, 0 } },
    { 4, 0, { 0, 1 } },  { 13, 1, { 3, 3 } },  { 28, 2, { 8, 7 } },
    { 30, 0, { 4, 7 } }, { 31, 3, { 15, 7 } },
};
static const Owner C_OWNERS[] = {
    { 0, 0, { 0, 0 } },   { 0, 1, { 0, 1 } },  { 0, 2, { 8, 0 } },
    { 0, 3, { 8, 1 } },   { 1, 0, { 0, 2 } },  { 3, 1, { 0, 7 } },
    { 5, 2, { 9, 2 } },   { 18, 0, { 4, 4 } }, { 28, 3, { 15, 1 } },
    { 31, 3, { 15, 7 } },
};

/* The one lane and number of d where a product of ones is; -1: elsewhere. */
static int only_one(const float d[32][4])
{
    int found = -1;

    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++)
            if (d[l][i] != 0) {
                CHECK(found < 0 && d[l][i] == 1);
                found = 4 * l + i;
            }
    return found;
}

/* One 1 in a, one in b, of the same k: one 1 in d, whose place tells their row
 * and column. */
static void owns(const Owner &a, const Owner &b)
{
    static const float c[32][4] = {};
    __half x[32][8] = {}, y[32][4] = {};
    float d[32][4];
    int at;

    from_float(&x[a.lane][a.i], 1);
    from_float(&y[b.lane][b.i], 1);
    run<__half>(d, x, y, c);
    at = only_one(d);
    if (a.at.column != b.at.row) {
        CHECK(at < 0);
        return;
    }
    CHECK(at >= 0);
    if (at < 0)
        return;
    CHECK_MSG(of_c(at / 4, at % 4).row == a.at.row &&
                  of_c(at / 4, at % 4).column == b.at.column,
              "lane %d's %d of a, lane %d's of b: in lane %d", a.lane, a.i,
              b.lane, at / 4);
}

TEST(simt_mma, lanes_own_the_elements_that_the_manual_says)
{
    for (const Owner &a : A_OWNERS) {
        CHECK(of_a(a.lane, a.i).row == a.at.row &&
              of_a(a.lane, a.i).column == a.at.column);
        for (const Owner &b : B_OWNERS)
            owns(a, b);
    }
    for (const Owner &b : B_OWNERS)
        CHECK(of_b(b.lane, b.i).row == b.at.row &&
              of_b(b.lane, b.i).column == b.at.column);
    for (const Owner &c : C_OWNERS)
        CHECK(of_c(c.lane, c.i).row == c.at.row &&
              of_c(c.lane, c.i).column == c.at.column);
}
