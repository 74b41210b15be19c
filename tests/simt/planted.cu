/*
 * planted.cu - runs the kernels of planted.h in every order of threads, and
 * judges what was reported.
 */
#include "tests/simt/planted.h"

enum { TEXT = 4096 };

int planted_line;

static const char *const kind_names[] = {
#define X(id, name, means) name,
    SIMT_KINDS(X)
#undef X
};

static bool plain_reports(SimtKind kind)
{
    return kind <= SIMT_HOST_CALL || kind == SIMT_STACK_OVERFLOW;
}

void planted_skip_if_fatal([[maybe_unused]] SimtKind kind)
{
#ifdef __SANITIZE_ADDRESS__
    if (kind == SIMT_STACK_OVERFLOW || kind == SIMT_ILLEGAL_ADDRESS ||
        kind == SIMT_OUT_OF_BOUNDS || kind == SIMT_MISALIGNED ||
        kind == SIMT_FREED)
        SKIP("here the address sanitizer ends the program");
#endif
}

static Planted planted_new(void)
{
    static float ones[COUNT];
    Planted m;

    for (int i = 0; i < COUNT; i++)
        ones[i] = 1;
    BUG_IF(cudaMalloc(&m.x, sizeof(ones)) || cudaMalloc(&m.y, sizeof(ones)) ||
           cudaMalloc(&m.never, sizeof(ones)) ||
           cudaMalloc(&m.count, sizeof(ones)));
    cudaMemcpy(m.x, ones, sizeof(ones), cudaMemcpyHostToDevice);
    cudaMemset(m.count, 0, sizeof(ones));
    return m;
}

static void planted_free(Planted *m)
{
    cudaFree(m->x);
    cudaFree(m->y);
    cudaFree(m->never);
    cudaFree(m->count);
}

/* Runs it; whether y is as it should be. */
static bool run(PlantedKernel *kernel, Shape s)
{
    static float y[COUNT];
    Planted m = planted_new();
    bool right = true;

    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         (int)s.shared_bytes);
    simt_launch(kernel, dim3(s.blocks), dim3(s.threads), s.shared_bytes, NULL,
                s.cluster, m);
    cudaMemcpy(y, m.y, sizeof(y), cudaMemcpyDeviceToHost);
    for (unsigned i = 0; i < s.blocks * s.threads && i < COUNT; i++)
        right &= y[i] == 1;
    planted_free(&m);
    return right;
}

void planted_reported(SimtKind kind, const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    char text[TEXT], place[128], start[64], *found;

    snprintf(start, sizeof(start), "%s: ", kind_names[kind]);
    snprintf(place, sizeof(place), "%s:%d", slash ? slash + 1 : file, line);
    if (simt_take_errors(text, sizeof(text)) == 0) {
        test_failed(file, line, "nothing was reported");
        return;
    }
    found = strstr(text, start);
    if (found)
        found[strcspn(found, "\n")] = 0;
    if (!found || (line && !strstr(found, place)))
        test_failed(file, line, "%s is not reported here, but: %s",
                    kind_names[kind], text);
}

void planted_find(SimtKind kind, PlantedKernel *kernel, Shape shape,
                  Plain plain, const char *file)
{
    bool right = true;
    char text[TEXT];

    planted_skip_if_fatal(kind);
    for (int order = 0; order < SIMT_ORDERS; order++) {
        simt_set_order(order, 7);
        right &= run(kernel, shape);
        if (simt_is_checked() || plain_reports(kind))
            planted_reported(kind, file, planted_line);
        else
            simt_take_errors(text, sizeof(text));
    }
    if (!simt_is_checked() && plain == WRONG_VALUE)
        CHECK(!right);
}

void planted_accept(PlantedKernel *kernel, Shape shape)
{
    char text[TEXT];

    for (int order = 0; order < SIMT_ORDERS; order++) {
        simt_set_order(order, 7);
        CHECK_MSG(run(kernel, shape), "a wrong result in order %d", order);
        CHECK_MSG(simt_take_errors(text, sizeof(text)) == 0, "in order %d: %s",
                  order, text);
    }
}
