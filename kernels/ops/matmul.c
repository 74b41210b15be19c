/*
 * matmul.c - y[n,g] = scale * a[n,g] b[n,g], a product of matrices for every
 * image n and group g
 *
 * The attention of SCSA (q k^T over channels, then times v), the cross products
 * of EMA, the outer products of AFGCA.  An operand that is a vector, strip or
 * map holds the matrix of group g in its channels g C/G to (g+1) C/G: channels
 * are rows, positions are columns, so no operand is ever copied.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

/* Where the matrices of an operand are, as seen after its transposition. */
typedef struct Matrices {
    const float *at;
    size_t image, group, row, column; /* strides */
    int rows, columns;
} Matrices;

static bool is_stack(const Tensor *t)
{
    return t->rank == 4 && t->layout == ROW_MAJOR;
}

static Matrices matrices(const Tensor *t, int groups, bool transposed)
{
    const size_t C = (size_t)tensor_channels(t), P = tensor_positions(t);
    Matrices m = {
        t->data, P * C, C / (size_t)groups, 1, C, (int)C / groups, (int)P,
    };

    if (is_stack(t)) {
        const size_t M = (size_t)t->dim[2], K = (size_t)t->dim[3];

        m = (Matrices){
            t->data, C * M * K, M * K, K, 1, t->dim[2], t->dim[3],
        };
    }
    if (transposed)
        return (Matrices){
            m.at, m.image, m.group, m.column, m.row, m.columns, m.rows,
        };
    return m;
}

static int check_operand(const Tensor *t, const char *name, int groups)
{
    char dims[DIMS_TEXT];

    TRY(want_rank(t, name, 2, 4));
    if (t->layout == ROW_MAJOR && t->rank == 3)
        return fail(ERR_INPUT, "%s %s is row-major, wants a strip or a stack",
                    name, tensor_dims_text(t, dims));
    if (is_stack(t) && t->dim[1] != groups)
        return fail(ERR_INPUT, "%s %s is a stack of %d groups, groups=%d", name,
                    tensor_dims_text(t, dims), t->dim[1], groups);
    if (t->dim[1] % groups)
        return fail(ERR_INPUT, "groups=%d does not divide channels=%d of %s",
                    groups, t->dim[1], name);
    return OK;
}

static int shape(Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const Tensor *ta = out->src[0], *tb = out->src[1];
    const int N = ta->dim[0], G = attr->groups;
    Matrices a, b;

    if (G < 1)
        return fail(ERR_INPUT, "groups=%d, must be positive", G);
    TRY(check_operand(ta, "a", G));
    TRY(check_operand(tb, "b", G));
    if (tb->dim[0] != N)
        return fail(ERR_INPUT, "a has %d images, b has %d", N, tb->dim[0]);
    a = matrices(ta, G, attr->trans_a);
    b = matrices(tb, G, attr->trans_b);
    if (a.columns != b.rows)
        return fail(ERR_INPUT, "a is %dx%d and b is %dx%d in each group",
                    a.rows, a.columns, b.rows, b.columns);
    if (attr->strip)
        return shape_dims(out, DIMS(N, G * a.rows, b.columns));
    TRY(shape_dims(out, DIMS(N, G, a.rows, b.columns)));
    out->layout = ROW_MAJOR;
    return OK;
}

static Cost cost(const Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const double n = (double)tensor_count(out);
    const double inner =
        matrices(out->src[0], attr->groups, attr->trans_a).columns;

    return (Cost){
        .flops = 2 * n * inner + (attr->scale == 1 ? 0 : n),
        .bytes = bytes_once(out),
        .paper_flops = n * inner,
    };
}

static int ref(const Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const int N = out->dim[0], G = attr->groups;
    const Matrices a = matrices(out->src[0], G, attr->trans_a);
    const Matrices b = matrices(out->src[1], G, attr->trans_b);

#pragma omp parallel for collapse(3) if (cost(out).flops > SMALL_WORK)
    for (int n = 0; n < N; n++)
        for (int g = 0; g < G; g++)
            for (int i = 0; i < a.rows; i++) {
                const float *row = a.at + (size_t)n * a.image +
                                   (size_t)g * a.group + (size_t)i * a.row;

                for (int j = 0; j < b.columns; j++) {
                    const float *column = b.at + (size_t)n * b.image +
                                          (size_t)g * b.group +
                                          (size_t)j * b.column;
                    double sum = 0;

                    for (int k = 0; k < b.rows; k++)
                        sum += (double)row[(size_t)k * a.column] *
                               column[(size_t)k * b.row];
                    *(attr->strip ? at(out, n, g * a.rows + i, j, 0)
                                  : at(out, n, g, i, j)) =
                        (float)(attr->scale * sum);
                }
            }
    return OK;
}

/* A strip, as which a product comes, under the dims of the operand. */
static Tensor *like(Graph *g, const Tensor *operand, Tensor *strip)
{
    return is_stack(operand) ? strip : op_view(g, strip, dims_of(operand));
}

/*
 * If y = s a b:  da = s dy b^T  and  db = s a^T dy; a transposed operand gets
 * the transpose of that.
 */
static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const MatmulAttr *m = out->attr;
    Tensor *a = out->src[0], *b = out->src[1];
    MatmulAttr of_a = *m, of_b = *m;

    of_a.strip = !is_stack(a);
    of_a.trans_a = m->trans_a && m->trans_b;
    of_a.trans_b = m->trans_a || !m->trans_b;
    of_b.strip = !is_stack(b);
    of_b.trans_a = m->trans_b || !m->trans_a;
    of_b.trans_b = m->trans_b && m->trans_a;
    if (wants[0])
        grad[0] = like(g, a,
                       m->trans_a ? op_matmul(g, b, dy, &of_a)
                                  : op_matmul(g, dy, b, &of_a));
    if (wants[1])
        grad[1] = like(g, b,
                       m->trans_b ? op_matmul(g, dy, a, &of_b)
                                  : op_matmul(g, a, dy, &of_b));
}

const Op matmul_def = {
    .name = "matmul",
    .sources = 2,
    .attr_size = sizeof(MatmulAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_matmul(Graph *g, Tensor *a, Tensor *b, const MatmulAttr *attr)
{
    MatmulAttr m = attr ? *attr : (MatmulAttr){ 0 };

    m.groups = m.groups ? m.groups : 1;
    m.scale = m.scale != 0 ? m.scale : 1;
    return graph_apply(g, &matmul_def, &m, (Tensor *[]){ a, b });
}
