/*
 * count.c - adds up what the ops of a network state about themselves.
 */
#include "harness/network/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/network.h"
#include "kernels/core/err.h"

static void name_row(char row[ROW_NAME], const Tensor *node, const Case *c,
                     CountBy by)
{
    if (by == COUNT_OP)
        snprintf(row, ROW_NAME, "%s", node->op->name);
    else if (by == COUNT_MODULE)
        network_block(row, node);
    else
        snprintf(row, ROW_NAME, "%s+%s", c->backbone.text, c->module.text);
    if (!row[0])
        snprintf(row, ROW_NAME, "%s", c->module.text);
}

static CountRow *find_row(Count *count, const char *name)
{
    for (int i = count->n - 1; i >= 0; i--)
        if (strcmp(count->at[i].name, name) == 0)
            return &count->at[i];
    snprintf(count->at[count->n].name, ROW_NAME, "%s", name);
    return &count->at[count->n++];
}

/* Learned numbers that node reads and no node before it did. */
static double new_params(const Tensor *node, bool *seen)
{
    double n = 0;

    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *w = node->src[k];

        if (w && w->role == ROLE_WEIGHT && !seen[w->id]) {
            seen[w->id] = true;
            n += (double)tensor_count(w);
        }
    }
    return n;
}

static void add(CountRow *row, double params, const Cost *cost)
{
    row->nodes++;
    row->params += params;
    cost_add(&row->cost, cost);
}

void count_graph(Count *out, const Graph *g, const Case *c, CountBy by)
{
    const size_t n = (size_t)graph_size(g) + 1;
    bool *seen = calloc(n, sizeof(*seen));

    memset(out, 0, sizeof(*out));
    out->at = calloc(n, sizeof(*out->at));
    BUG_IF(!out->at || !seen);
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        char name[ROW_NAME];
        double params;
        Cost cost;

        if (t->role != ROLE_NODE)
            continue;
        name_row(name, t, c, by);
        params = new_params(t, seen);
        cost = network_node_cost(c, t);
        add(find_row(out, name), params, &cost);
        add(&out->total, params, &cost);
    }
    snprintf(out->total.name, ROW_NAME, "total");
    free(seen);
}

void count_free(Count *count)
{
    free(count->at);
    memset(count, 0, sizeof(*count));
}
